//! Fields whose values are beyond ASCII, through handlers of both phases, byte for byte.

use super::support::client;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::Upstream;
use super::support::wire::Message;

const REQUEST: &str = "// @match /**
req.headers['x-copy'] = req.headers['x-name'];
req.headers['x-name'] = req.headers['x-name'];
req.headers['x-who'] = `user ${platform.session.user.name}`;
req.headers['x-new'] = '\u{20ac}';
";

const RESPONSE: &str = "// @match /**
res.headers['content-disposition'] = res.headers['content-disposition'].replace('attachment', 'inline');
res.headers['x-asked'] = req.headers['x-name'];
res.headers['x-utf8'] = res.headers['x-utf8'];
for (const [name, value] of Object.entries(res.headers)) res.headers[name] = value;
";

#[track_caller]
fn assert_has_line(message: &Message, line: &[u8]) {
    let line = [b"\r\n", line, b"\r\n"].concat();
    assert!(
        message.raw.windows(line.len()).any(|found| found == line),
        "no {} in {}",
        line.escape_ascii(),
        message.raw.escape_ascii()
    );
}

#[test]
fn fields_that_handlers_copy_and_write_back_have_their_bytes_on_both_sides() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Disposition: attachment; filename=\"caf\xe9.json\"\r\nX-Utf8: caf\xc3\xa9\r\nX-Two: \xe9\r\nX-Two: \xc3\xa9t\xc3\xa9\r\nContent-Length: 2\r\n\r\n{}"
            .to_vec()
    });
    for body in ["none", "full"] {
        let header = format!("// @body {body}\n");
        let scripts = ScriptDir::with(&[
            ("10-names.request.js", &format!("{header}{REQUEST}")),
            ("10-names.response.js", &format!("{header}{RESPONSE}")),
        ]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[session]\nuser.name = \"x-user\"\n")
            .start();

        let response = client::exchange(
            sidecar.proxy,
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Name: Zo\xeb\r\nX-User: Ren\xe9e\r\n\r\n",
        );

        assert_eq!(response.status(), 200, "{}", response.text());
        let requests = upstream.requests();
        let request = requests.last().expect("it was forwarded");
        for line in [
            &b"X-Name: Zo\xeb"[..],
            b"x-copy: Zo\xeb",
            b"x-who: user Ren\xe9e",
            b"x-new: \xe2\x82\xac",
        ] {
            assert_has_line(request, line);
        }
        for line in [
            &b"Content-Disposition: inline; filename=\"caf\xe9.json\""[..],
            b"x-asked: Zo\xeb",
            b"X-Utf8: caf\xc3\xa9",
            b"X-Two: \xe9\r\nX-Two: \xc3\xa9t\xc3\xa9",
        ] {
            assert_has_line(&response, line);
        }
    }
}
