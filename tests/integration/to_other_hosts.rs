//! Calls that handlers make to other hosts: listed ones only, whatever they are called and whatever
//! their names stand for.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};
use url::form_urlencoded;

use super::support::eventually::eventually;
use super::support::namespace::own_namespaces;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json, response};

/// A handler that asks `other` for something.
fn asking_for(other: &str) -> ScriptDir {
    let text = format!(
        "// @match /ask\nreturn SysUtility.restPost('{other}/rates', {{ day: 1 }}, null, {{ a: 1.5 }});\n"
    );
    ScriptDir::with(&[("10-ask.request.js", &text)])
}

#[test]
fn a_host_that_is_not_allowed_is_500_and_the_log_names_handler_and_host() {
    let (upstream, other) = (
        Upstream::answering(|_| json("{}")),
        Upstream::answering(|_| json("{}")),
    );
    let scripts = asking_for(&other.url());
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"rates.example.test\", \"127.0.0.1:1\"]\n")
        .start();

    let refused = sidecar.get("/ask");

    assert_eq!(refused.status(), 500);
    assert_eq!(refused.json()["errorMessage"], "Internal Server Error");
    sidecar.logs(|line| line.contains("\"10-ask\"") && line.contains("127.0.0.1"));
    assert!(other.connections().is_empty());
}

/// A handler that asks whom its client wants it to, by each of the ways there are.
const ASKS_ANYBODY: &str = "// @match /ask
const { to, by } = req.urlParameters;
if (by === 'fetch') return (await fetch(to)).status;
if (by === 'api') return platform.api.get(to);
return SysUtility.restGet(to);
";

#[test]
fn no_spelling_of_an_address_gets_round_the_list() {
    let (upstream, other) = (
        Upstream::answering(|_| json("{}")),
        Upstream::answering(|_| json("{}")),
    );
    let port = other.address.port();
    let scripts = ScriptDir::with(&[("10-ask.request.js", ASKS_ANYBODY)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"rates.example.test\"]\n")
        .start();
    let mut asked = 0;
    for host in [
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "127.0.0.1.",
        "127。0。0。1",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "rates.example.test@127.0.0.1",
        "rates.example.test:80@127.0.0.1",
        "rates.example.test.",
        "169.254.169.254",
        "2852039166",
        "0251.0376.0251.0376",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "metadata.google.internal",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
    ] {
        for by in ["SysUtility", "api", "fetch"] {
            let to = format!("http://{host}:{port}/rates");
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();

            let refused = sidecar.get(&format!("/ask?by={by}&to={to}"));

            assert_eq!(refused.status(), 500, "{host} by {by}");
            assert_eq!(refused.json()["errorMessage"], "Internal Server Error");
            asked += 1;
        }
    }
    eventually("a line for each", || {
        let lines = sidecar.log().lines();
        let told = lines
            .iter()
            .filter(|line| line.contains("\"10-ask\"") && line.contains("is not allowed"));
        (told.count() == asked).then_some(())
    });
    assert!(other.connections().is_empty());
}

#[test]
fn a_listed_name_is_looked_up_for_each_call_and_stands_for_no_address_that_is_not_listed() {
    let upstream = Upstream::answering(|_| json("{}"));
    let other = Upstream::answering(|_| json("{\"rate\": 1.10}"));
    let site = tempfile::tempdir().unwrap();
    let names = site.path().join("hosts");
    let stands_for = |address: &str| fs::write(&names, format!("{address} rates.test\n")).unwrap();
    stands_for("127.0.0.1");
    let setup = format!("mount --bind '{}' /etc/hosts", names.display());
    let Some(words) = own_namespaces(&setup) else {
        return;
    };
    let scripts = asking_for(&format!("http://rates.test:{}", other.address.port()));
    let sidecar = Sidecar::before(upstream.url())
        .within(&words.iter().map(String::as_str).collect::<Vec<_>>())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"rates.test\"]\nnetworks = [\"127.0.0.1/32\"]\n")
        .start();

    for address in [
        "127.0.0.2",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "::",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
    ] {
        stands_for("127.0.0.1");
        assert_eq!(sidecar.get("/ask").text(), "{\"rate\": 1.10}");

        stands_for(address);
        assert_eq!(sidecar.get("/ask").status(), 502, "{address}");
        let told = format!("rates.test stands for {address}, which is not public");
        sidecar.logs(|line| line.contains("\"10-ask\"") && line.contains(&told));
    }
}

#[test]
fn a_client_that_bears_a_listed_name_gets_no_call_that_is_meant_for_it() {
    let upstream = Upstream::answering(|_| json("{\"rate\": 0}"));
    let other = Upstream::answering(|_| json("{\"rate\": 1.10}"));
    let scripts = asking_for(&other.url());
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"127.0.0.1\"]\n")
        .start();

    let request = format!("GET /ask HTTP/1.1\r\nHost: {}\r\n\r\n", other.address);
    let answer = sidecar.exchange(request.as_bytes());

    assert_eq!(answer.text(), "{\"rate\": 1.10}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Upstream::answering(|_| json("{}"));
    let location = format!("Location: {}/secret\r\n", elsewhere.url());
    let other = Upstream::answering(move |_| response("302 Found", &location, ""));
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = asking_for(&other.url());
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"127.0.0.1\"]\n")
        .start();

    assert_eq!(sidecar.get("/ask").status(), 502);
    assert!(elsewhere.connections().is_empty());
}

#[test]
fn the_address_that_a_client_is_connected_to_is_this_api_though_it_is_listed() {
    let upstream = Upstream::answering(|_| json("{\"rate\": 0}"));
    let scripts = ScriptDir::with(&[(
        "10-ask.request.js",
        "// @match /ask\nreturn SysUtility.restGet(req.baseUrl + 'rates');\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[hosts]\nallow = [\"127.0.0.1\", \"localhost\"]\n")
        .start();

    for host in ["127.0.0.1", "localhost"] {
        let host = format!("{host}:{}", sidecar.proxy.port());
        let request = format!("GET /ask HTTP/1.1\r\nHost: {host}\r\nCookie: s=1\r\n\r\n");

        assert_eq!(sidecar.exchange(request.as_bytes()).text(), "{\"rate\": 0}");
        let asked = upstream.requests().pop().unwrap();
        // What goes to another host has none.
        assert_eq!(asked.head.value("Cookie"), Some("s=1"), "{host}");
    }
}

#[test]
fn an_allowed_host_is_called_without_the_clients_authentication() {
    let (upstream, other) = (
        Upstream::answering(|_| json("{}")),
        Upstream::answering(|_| json("{\"rate\": 1.10}")),
    );
    let scripts = asking_for(&other.url());
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!("[hosts]\nallow = [\"{}\"]\n", other.address))
        .start();

    let answer = sidecar.exchange(
        b"GET /ask HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer t\r\nCookie: s=1\r\n\r\n",
    );

    assert_eq!(answer.text(), "{\"rate\": 1.10}");
    let asked = other.requests().remove(0);
    assert_eq!(asked.head.start_line, "POST /rates?day=1 HTTP/1.1");
    assert_eq!(asked.text(), "{\"a\":1.5}");
    let host = other.address.to_string();
    assert_eq!(asked.head.value("Host"), Some(host.as_str()));
    assert_eq!(asked.head.value("Authorization"), None);
    assert_eq!(asked.head.value("Cookie"), None);
    assert!(upstream.requests().is_empty());
}

/// Answers every request with `{}` over TLS, by a certificate for 127.0.0.1 that is its own
/// authority; the certificate in PEM.
fn encrypted() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let mut read = Vec::new();
                let mut piece = [0; 1024];
                while let Ok(size @ 1..) = tls.read(&mut piece) {
                    read.extend_from_slice(&piece[..size]);
                    if read.ends_with(b"\r\n\r\n") {
                        read.clear();
                        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                        if tls
                            .write_all(answer.as_bytes())
                            .and_then(|()| tls.flush())
                            .is_err()
                        {
                            return;
                        }
                    }
                }
            });
        }
    });
    (address, made.cert.pem())
}

#[test]
fn other_hosts_have_a_trust_of_their_own() {
    let (address, certificate) = encrypted();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("believed.pem");
    fs::write(&file, certificate).unwrap();
    let file = file.display().to_string();
    let text = format!("// @match /ask\nreturn SysUtility.restGet('https://{address}/rates');\n");
    let scripts = ScriptDir::with(&[("10-ask.request.js", &text)]);
    let asks = |believed: &str| {
        let config = format!("[{believed}]\nca_file = {file:?}\n");
        let config = match believed {
            "hosts" => format!("{config}allow = [\"127.0.0.1\"]\n"),
            _ => format!("[hosts]\nallow = [\"127.0.0.1\"]\n{config}"),
        };
        let sidecar = Sidecar::before(format!("https://{address}"))
            .scripts(scripts.path())
            .config(&config)
            .start();
        let statuses = (sidecar.get("/").status(), sidecar.get("/ask").status());
        (statuses, sidecar)
    };

    let (statuses, sidecar) = asks("hosts");
    assert_eq!(statuses, (502, 200));
    sidecar.logs(|line| line.contains("upstream failed") && line.contains("TLS: "));

    let (statuses, sidecar) = asks("upstream_tls");
    assert_eq!(statuses, (200, 502));
    sidecar.logs(|line| line.contains("10-ask") && line.contains("TLS: "));
}
