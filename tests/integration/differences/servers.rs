//! Real servers of others, started on free ports and ended with their value.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::eventually::{PATIENCE, within};

/// How often a server that needs a port's number is started, should somebody else take the port.
const MAX_STARTS: usize = 3;

/// An API that says in its answer what it was asked, in Node.
const NODE: &str = r#"
const http = require('http');
const server = http.createServer((request, response) => {
    if (request.url === '/silent') return;
    const body = [];
    request.on('data', piece => body.push(piece));
    request.on('end', () => {
        const { method, url, httpVersion, rawHeaders, socket } = request;
        const fields = [];
        for (let at = 0; at < rawHeaders.length; at += 2) fields.push(rawHeaders.slice(at, at + 2));
        response.setHeader('Content-Type', 'application/json');
        response.setHeader('ETag', '"one"');
        response.setHeader('Last-Modified', 'Mon, 01 Jan 2024 00:00:00 GMT');
        response.end(JSON.stringify({
            line: `${method} ${url} HTTP/${httpVersion}`, fields, peer: socket.remoteAddress,
            body: Buffer.concat(body).toString('latin1'),
        }));
    });
});
server.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    socket.on('end', () => socket.end('last words'));
    socket.resume();
});
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));
"#;

/// The same in Python, whose server is one of many that close each connection.
const PYTHON: &str = r#"
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        seen = {"line": self.requestline, "fields": self.headers.items(),
                "peer": self.client_address[0],
                "body": self.rfile.read(length).decode("latin1")}
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_GET = do_HEAD = do_POST = do_OPTIONS = do_get = answer
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("http://127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
"#;

/// The same as a WSGI application, which sees names of fields as CGI spells them.
const WSGI: &str = r#"
import json
def app(environ, start_response):
    fields = [(name[5:].replace("_", "-"), value) for name, value in environ.items()
              if name.startswith("HTTP_")]
    if environ.get("CONTENT_LENGTH"):
        fields.append(("content-length", environ["CONTENT_LENGTH"]))
    seen = {"line": "%s %s %s" % (environ["REQUEST_METHOD"], environ["RAW_URI"],
                                  environ["SERVER_PROTOCOL"]),
            "fields": fields, "peer": environ["REMOTE_ADDR"],
            "body": environ["wsgi.input"].read().decode("latin1")}
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]
"#;

/// The same in PHP.
const PHP: &str = r#"<?php
$fields = [];
foreach (getallheaders() as $name => $value) $fields[] = [$name, $value];
header('Content-Type: application/json');
echo json_encode([
    'line' => "$_SERVER[REQUEST_METHOD] $_SERVER[REQUEST_URI] $_SERVER[SERVER_PROTOCOL]",
    'fields' => $fields, 'peer' => $_SERVER['REMOTE_ADDR'], 'body' => file_get_contents('php://input'),
], JSON_INVALID_UTF8_SUBSTITUTE);
"#;

/// A directory served by nginx, compressed for those who want it; `PORT` and `FILES` are filled in.
const NGINX: &str = "
daemon off;
master_process off;
pid FILES/nginx.pid;
events {}
http {
    access_log off;
    default_type application/json;
    gzip on;
    gzip_min_length 1;
    gzip_types *;
    client_body_temp_path FILES/nginx;
    proxy_temp_path FILES/nginx;
    fastcgi_temp_path FILES/nginx;
    uwsgi_temp_path FILES/nginx;
    scgi_temp_path FILES/nginx;
    server {
        listen 127.0.0.1:PORT;
        root FILES;
    }
}
";

/// The same by Apache httpd.
const APACHE: &str = "
ServerName a.test
Listen 127.0.0.1:PORT
PidFile FILES/apache.pid
ErrorLog /dev/null
DefaultRuntimeDir FILES
Mutex pthread
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
User nobody
Group nogroup
TypesConfig /dev/null
AddType application/json .json
AddOutputFilterByType DEFLATE application/json
DocumentRoot FILES
";

/// A server that runs until the test ends.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Every server that is installed. `files` is what they serve, and where their own files are.
    pub(super) fn all(files: &Path) -> Vec<Self> {
        for (name, text) in [("app.py", WSGI), ("router.php", PHP)] {
            std::fs::write(files.join(name), text).expect("the directory is ours");
        }
        let command = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).current_dir(files);
            command
        };
        let serve = ["-um", "http.server", "0", "--bind", "127.0.0.1"];
        let serve11 = [&serve[..], &["--protocol", "HTTP/1.1"]].concat();
        let workers = ["--worker-class", "gthread", "--threads", "4"];
        let gunicorn = [&["--bind", "127.0.0.1:0", "app:app"], &workers[..]].concat();
        let said = [
            Self::that_says_where("Node", command("node", &["-e", NODE])),
            Self::that_says_where("Python", command("python3", &["-uc", PYTHON])),
            Self::that_says_where("http.server", command("python3", &serve)),
            Self::that_says_where("http.server of HTTP/1.1", command("python3", &serve11)),
            Self::that_says_where("gunicorn", command("gunicorn", &gunicorn)),
            Self::that_says_where("PHP", command("php", &["-S", "127.0.0.1:0", "router.php"])),
        ];
        let configured = [
            Self::on_a_port("nginx", files, NGINX, |file| {
                command("nginx", &["-e", "/dev/null", "-c", file])
            }),
            Self::on_a_port("Apache httpd", files, APACHE, |file| {
                command("apache2", &["-X", "-f", file])
            }),
        ];
        said.into_iter().chain(configured).flatten().collect()
    }

    /// Starts a server that takes any port and says on one of its outputs which.
    fn that_says_where(name: &'static str, mut command: Command) -> Option<Self> {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer);
        let spawned = command.spawn();
        // It holds the other end of the pipe.
        drop(command);
        let Ok(child) = spawned else {
            println!("not shown here: {name}");
            return None;
        };
        let mut lines = BufReader::new(&mut reader);
        let mut said = String::new();
        let port = loop {
            let before = said.len();
            if lines.read_line(&mut said).ok()? == 0 {
                break None;
            }
            let line = said[before..].split_once("http://127.0.0.1:");
            let digits = line.map(|(_, rest)| rest.split(|it: char| !it.is_ascii_digit()));
            let port = digits.and_then(|mut digits| digits.next()?.parse().ok());
            if port.is_some() {
                break port;
            }
        };
        let server = Self {
            name,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0))),
            child,
        };
        if port.is_none() {
            println!("not shown here: {name}, which said: {said}");
            return None;
        }
        // What it says later is read, so that it doesn't wait for us.
        std::thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        Some(server)
    }

    /// Starts a server that must be given the number of a port, which is a free one.
    fn on_a_port(
        name: &'static str,
        files: &Path,
        config: &str,
        command: impl Fn(&str) -> Command,
    ) -> Option<Self> {
        let file = files.join(name);
        let file = file.to_str().expect("a plain path");
        for _ in 0..MAX_STARTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = free.local_addr().expect("it is bound");
            let config = config
                .replace("PORT", &address.port().to_string())
                .replace("FILES", &files.display().to_string());
            std::fs::write(file, config).expect("the directory is ours");
            drop(free);
            let mut command = command(file);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let Ok(child) = command.spawn() else {
                break;
            };
            let mut server = Self {
                name,
                address,
                child,
            };
            let listens = within(PATIENCE, || {
                let has_ended = server.child.try_wait().ok().flatten().is_some();
                let listens = TcpStream::connect(address).is_ok();
                (has_ended || listens).then_some(!has_ended)
            });
            if listens == Some(true) {
                return Some(server);
            }
        }
        println!("not shown here: {name}");
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && matches!(self.child.try_wait(), Ok(None))
        {
            // Some have children, which end with them where they are asked to.
            let _ = kill_process(pid, Signal::TERM);
            within(Duration::from_secs(2), || {
                self.child.try_wait().ok().flatten()
            });
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
