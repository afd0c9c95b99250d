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
const PATHS: u64 = 1500;

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
            for at in 0..1 + (state >> 61) {
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
        assert!(
            guarded > 100 && passed > 100,
            "{program}: {guarded} {passed}"
        );
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
