//! Guards: handlers that refuse what is not to get past them, and clients that try to.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::support::client::exchange;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

#[path = "../../fuzz/src/targets/readings.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared with the package that fuzzes them"
)]
mod readings;

/// Nobody gets below `/admin`.
const GUARD: (&str, &str) = (
    "10-guard.request.js",
    "// @match /admin/**\nthrow { status: 403, message: 'not here' };\n",
);

/// Serves whatever some program in Node would, and says whether that is below `/admin`.
const NODE: &str = r"
const http = require('http'), path = require('path'), url = require('url');
const ways = [
  (target) => target.split('?')[0],
  (target) => new URL(target, 'http://h').pathname,
  (target) => decodeURIComponent(new URL(target, 'http://h').pathname),
  (target) => path.posix.normalize(decodeURIComponent(new URL(target, 'http://h').pathname)),
  (target) => path.win32.normalize(decodeURIComponent(new URL(target, 'http://h').pathname)).replace(/\\/g, '/'),
  (target) => path.posix.normalize(decodeURIComponent(target.split('?')[0])),
  (target) => url.parse(target).pathname,
  (target) => decodeURIComponent(url.parse(target).pathname),
  (target) => new URL(decodeURIComponent(target), 'http://h').pathname,
  (target) => decodeURIComponent(target).split(/[?;]/)[0],
];
const read = (way, target) => { try { return way(target); } catch { return ''; } };
http.createServer((request, response) => {
  const served = ways.map((way) => read(way, request.url));
  const below = served.filter((it) => it === '/admin' || it.startsWith('/admin/'));
  response.setHeader('x-serves', below.length ? 'admin' : 'other');
  response.end(JSON.stringify(below));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
";

/// The same in Python.
const PYTHON: &str = r"
import http.server, posixpath
from urllib.parse import unquote, urlsplit
ways = [
    lambda target: unquote(target.split('?')[0]),
    lambda target: urlsplit(target).path,
    lambda target: unquote(urlsplit(target).path),
    lambda target: posixpath.normpath(unquote(urlsplit(target).path)),
    lambda target: posixpath.normpath(unquote(target.split('?')[0])),
    lambda target: urlsplit(unquote(target)).path,
    lambda target: unquote(unquote(urlsplit(target).path)),
]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        served = []
        for way in ways:
            try: served.append(way(self.path))
            except ValueError: pass
        below = [it for it in served if it == '/admin' or it.startswith('/admin/')]
        body = repr(below).encode()
        self.send_response(200)
        self.send_header('x-serves', 'admin' if below else 'other')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// A program that serves, until it is dropped.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Runs `text` by a program that may not be there, which says its port first.
    fn run(program: &str, flag: &str, text: &str) -> Option<Self> {
        let child = Command::new(program)
            .args([flag, text])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("not shown here: {program} is missing");
            return None;
        };
        let said = child.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(said)
            .read_line(&mut line)
            .expect("it says its port");
        let port: u16 = line.trim().parse().expect("a port");
        let address = ([127, 0, 0, 1], port).into();
        Some(Self { child, address })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many paths each program is asked for.
const PATHS: u64 = 400;

#[test]
fn what_real_back_ends_serve_is_guarded() {
    for (program, flag, text) in [("node", "-e", NODE), ("python3", "-c", PYTHON)] {
        let Some(back_end) = Program::run(program, flag, text) else {
            continue;
        };
        let scripts = ScriptDir::with(&[GUARD]);
        let sidecar = Sidecar::before(format!("http://{}", back_end.address))
            .scripts(scripts.path())
            .start();
        let mut state = 7_u64;
        let (mut guarded, mut passed) = (0, 0);
        for _ in 0..PATHS {
            let mut pieces = Vec::new();
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            for at in 0..=(state >> 61) {
                pieces.push(state.to_be_bytes()[usize::try_from(at).expect("few") % 6 + 1]);
            }
            let path = readings::path_of(&pieces);
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");

            let answer = exchange(sidecar.proxy, request.as_bytes());

            match answer.head.value("x-serves") {
                Some("other") => passed += 1,
                Some(_) => panic!("{program} serves {path} as {}", answer.text()),
                None => guarded += 1,
            }
        }
        assert!(guarded > 40 && passed > 40, "{program}: {guarded} {passed}");
    }
}

#[test]
fn a_path_with_a_nul_is_refused_and_reaches_nobody() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[GUARD]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    for path in ["/x%00", "/admin%00.js", "/%2500", "/%u0000", "/x%c0%80"] {
        assert_eq!(sidecar.get(path).status(), 400, "{path}");
    }
    assert_eq!(sidecar.get("/x?a=%00").status(), 200);
    assert_eq!(upstream.connections().len(), 1);
}

#[test]
fn no_name_of_a_resource_leads_out_of_its_service() {
    let upstream =
        Upstream::answering(|request| json(&format!("{{\"path\": \"{}\"}}", request.target())));
    let scripts = ScriptDir::with(&[(
        "10-ask.request.js",
        "// @match /crm/ask
         const { name, by } = req.query;
         if (by === 'api') return platform.api.get(`crm/${name}`).content;
         return getResource(name);
        ",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[[service]]\nname = \"crm\"\nprefix = \"/crm\"\n")
        .start();
    let ask = |by: &str, name: &str| {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        sidecar.get(&format!("/crm/ask?by={by}&name={name}"))
    };

    for by in ["resource", "api"] {
        assert_eq!(ask(by, "orders/7").json(), json!({"path": "/crm/orders/7"}));
        for name in [
            "../x",
            "../../x",
            "%2e%2e/x",
            "%252e%252e/x",
            "..%2fx",
            "a/../../x",
            "..\\x",
            "..;/x",
            ".%2e/x",
        ] {
            assert_eq!(ask(by, name).status(), 500, "{by} {name}");
        }
    }
    // What was kept in the prefix by `:`, which reads as `/`, is too.
    assert_eq!(ask("resource", "..:x").status(), 500);
}

/// An upstream that takes whatever comes, and what came to it.
fn taking() -> Upstream {
    Upstream::answering(|_| json("{}"))
}

/// Sends a head with these lines, and gives the status and the fields that reached the upstream.
fn forwarded(
    sidecar: &Sidecar,
    upstream: &Upstream,
    start: &str,
    lines: &str,
) -> (u16, Vec<String>) {
    let before = upstream.requests().len();
    let request = format!("{start} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let answer = exchange(sidecar.proxy, request.as_bytes());
    let requests = upstream.requests();
    let fields = requests.get(before).map(|request| {
        let lines = request.head.fields.iter();
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    });
    (answer.status(), fields.unwrap_or_default())
}

fn has(fields: &[String], line: &str) -> bool {
    fields.iter().any(|field| field.eq_ignore_ascii_case(line))
}

#[test]
fn connection_takes_nothing_away_that_handlers_or_the_sidecar_write() {
    let upstream = taking();
    let scripts = ScriptDir::with(&[(
        "10-user.request.js",
        "// @match /user
         if (req.headers['x-user'] !== undefined) throw { status: 500, message: 'seen' };
         req.headers['x-user'] = 'ours';
        ",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("via = \"on\"\n")
        .start();
    let named = "Connection: close, x-user, via, x-forwarded-for, x-request-id, X-Own\r\n\
                 X-User: theirs\r\nX-Own: 1\r\nX-Stays: 1\r\nVia: 1.0 theirs\r\n";

    for path in ["/user", "/passed"] {
        let (status, fields) = forwarded(&sidecar, &upstream, &format!("GET {path}"), named);

        assert_eq!(status, 200);
        assert_eq!(has(&fields, "x-user: ours"), path == "/user", "{fields:?}");
        assert!(!has(&fields, "x-user: theirs"), "{fields:?}");
        assert!(!has(&fields, "x-own: 1"), "{fields:?}");
        for line in [
            "x-stays: 1",
            "via: 1.1 interpose",
            "x-forwarded-for: 127.0.0.1",
        ] {
            assert!(has(&fields, line), "{line} {fields:?}");
        }
        assert!(
            fields
                .iter()
                .any(|field| field.starts_with("X-Request-Id: "))
        );
    }

    // A handshake keeps what it says of the connection, and nothing else.
    let handshake =
        "Connection: upgrade, x-user, x-forwarded-for\r\nUpgrade: websocket\r\nX-User: theirs\r\n";
    let (_, fields) = forwarded(&sidecar, &upstream, "GET /user", handshake);
    assert!(has(&fields, "connection: upgrade"), "{fields:?}");
    assert!(has(&fields, "x-user: ours"), "{fields:?}");

    for name in [
        "Content-Encoding",
        "content-type",
        "CONTENT-LENGTH",
        "Transfer-Encoding",
        "Host",
        "Content-Range",
    ] {
        let lines = format!("Connection: keep-alive, {name}\r\n");
        let (status, fields) = forwarded(&sidecar, &upstream, "POST /user", &lines);
        assert_eq!((status, fields.len()), (400, 0), "{name}");
    }
}

#[test]
fn an_answer_whose_connection_names_what_its_body_is_is_502() {
    for name in ["content-encoding", "Content-Type", "transfer-encoding"] {
        let upstream = Upstream::answering(move |_| {
            format!("HTTP/1.1 200 OK\r\nConnection: {name}, x-a\r\nX-A: 1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok").into()
        });
        let scripts = ScriptDir::with(&[GUARD]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        assert_eq!(sidecar.get("/x").status(), 502, "{name}");
    }
}

/// A handler for each way to know a field by name.
const KNOWS_FIELDS: &[(&str, &str)] = &[
    (
        "10-reads.request.js",
        "// @match /reads\nif (req.headers['X-User'] === 'nobody') throw 'no';\n",
    ),
    (
        "10-reads-late.response.js",
        "// @match /late\nres.headers['x-seen'] = String(req.headers['x-user']);\n",
    ),
    (
        "10-computes.request.js",
        "// @match /computes\nconst name = ['x', 'user'].join(String.fromCharCode(45));\nif (req.headers[name] === 'nobody') throw 'no';\n",
    ),
    (
        "10-writes.request.js",
        "// @match /writes\nreq.headers[['x', 'user'].join(String.fromCharCode(45))] = 'ours';\n",
    ),
    (
        "10-deletes.request.js",
        "// @match /deletes\ndelete event.request.headers[['x', 'user'].join(String.fromCharCode(45))];\n",
    ),
    (
        "10-moves.request.js",
        "// @match /moves\nreq.headers['x-user'] = 'ours';\n",
    ),
    (
        "10-other.request.js",
        "// @match /other\nreq.headers.other = '1';\n",
    ),
    (
        "10-underscore.request.js",
        "// @match /underscore\nreq.headers['role_id'] = 'ours';\n",
    ),
];

#[test]
fn a_field_that_is_taken_for_one_that_is_known_here_is_removed() {
    let upstream = taking();
    let scripts = ScriptDir::with(KNOWS_FIELDS);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[session]\n\"user.id\" = \"x-session-user\"\n\"user.role\" = \"role_of\"\n")
        .start();
    let lines = "X_User: a\r\nx_USER: b\r\nX-Session_User: c\r\nx_forwarded_for: d\r\n\
                 X_HTTP_Method_Override: DELETE\r\nRole-Of: e\r\nrole_of: f\r\nfree_one: g\r\nRole-Id: h\r\n";

    for path in [
        "/reads",
        "/late",
        "/computes",
        "/writes",
        "/deletes",
        "/moves",
    ] {
        let (status, fields) = forwarded(&sidecar, &upstream, &format!("GET {path}"), lines);

        assert_eq!(status, 200, "{path}");
        for gone in ["x_user: a", "x_user: b"] {
            assert!(!has(&fields, gone), "{path} {fields:?}");
        }
        assert_eq!(
            has(&fields, "x-user: ours"),
            matches!(path, "/writes" | "/moves"),
            "{path}"
        );
    }
    for path in ["/other", "/passed", "/reads"] {
        let (_, fields) = forwarded(&sidecar, &upstream, &format!("POST {path}"), lines);

        let is_known = path == "/reads";
        assert_eq!(has(&fields, "x_user: a"), !is_known, "{path} {fields:?}");
        for gone in [
            "x-session_user: c",
            "x_forwarded_for: d",
            "x_http_method_override: delete",
            "role-of: e",
        ] {
            assert!(!has(&fields, gone), "{path} {fields:?}");
        }
        for left in ["free_one: g", "role_of: f", "role-id: h"] {
            assert!(has(&fields, left), "{path} {left} {fields:?}");
        }
    }
    let (_, fields) = forwarded(&sidecar, &upstream, "GET /underscore", lines);
    assert!(has(&fields, "role_id: ours"), "{fields:?}");
    assert!(!has(&fields, "role-id: h"), "{fields:?}");
}

#[test]
fn what_a_module_names_is_known_to_every_handler() {
    let upstream = taking();
    let scripts = ScriptDir::with(&[
        (
            "10-requires.request.js",
            "// @match /requires\nrequire('who').who(req, false);\n",
        ),
        (
            "lib/who.js",
            "exports.who = (req, looks) => looks && req.headers['x-user'];\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    for (path, is_left) in [("/requires", false), ("/passed", true)] {
        let start = format!("GET {path}");
        let (_, fields) = forwarded(&sidecar, &upstream, &start, "X_User: a\r\n");

        assert_eq!(has(&fields, "x_user: a"), is_left, "{path} {fields:?}");
    }
}

#[test]
fn fields_with_underscores_are_dropped_where_that_is_configured() {
    let upstream = taking();
    let scripts = ScriptDir::with(KNOWS_FIELDS);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[headers]\nunderscores = \"drop\"\n")
        .start();

    for path in ["/passed", "/underscore"] {
        let start = format!("GET {path}");
        let (_, fields) = forwarded(
            &sidecar,
            &upstream,
            &start,
            "free_one: g\r\nfree-two: h\r\n",
        );

        assert!(!has(&fields, "free_one: g"), "{fields:?}");
        assert!(has(&fields, "free-two: h"), "{fields:?}");
        assert_eq!(has(&fields, "role_id: ours"), path == "/underscore");
    }
}

#[test]
fn a_request_runs_the_handlers_of_every_method_that_it_may_be_taken_for() {
    let upstream = taking();
    let guard = |verb: &str| format!("// @match {verb} /orders\nthrow {{ status: 403 }};\n");
    let (delete, get) = (guard("DELETE"), guard("GET"));
    let scripts = ScriptDir::with(&[
        ("10-delete.request.js", &*delete),
        ("10-get.request.js", &*get),
        (
            "20-event.request.js",
            "// @event crm.customers.delete\nthrow { status: 403 };\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(
            "[match]\nmethod_parameter = [\"_method\"]\n[[service]]\nname = \"crm\"\nprefix = \"/\"\n",
        )
        .start();

    for (start, line, status) in [
        ("POST /orders", "", 200),
        ("POST /orders", "X-HTTP-Method: DELETE", 403),
        ("POST /orders", "X-HTTP-Method-Override: delete", 403),
        ("POST /orders", "X-Method-Override: GET", 403),
        ("POST /orders", "X-Method-Override: PUT", 200),
        ("POST /customers", "X-Method-Override: DELETE", 403),
        ("PUT /orders", "X-HTTP-Method: DELETE", 200),
        ("POST /orders?_method=DELETE", "", 403),
        ("POST /orders?%5fmethod=Delete", "", 403),
        ("POST /orders?method=DELETE", "", 200),
        ("get /orders", "", 403),
        ("Delete /orders", "", 403),
        ("delete /customers", "", 403),
        ("POST /orders", "X_HTTP_Method_Override: DELETE", 200),
    ] {
        let line = if line.is_empty() {
            String::new()
        } else {
            format!("{line}\r\n")
        };
        let (answered, fields) = forwarded(&sidecar, &upstream, start, &line);

        assert_eq!(answered, status, "{start} {line}");
        assert_eq!(fields.is_empty(), status == 403, "{start} {line}");
        assert!(!has(&fields, "x_http_method_override: delete"));
    }
}
