//! What clients may ask, as it is configured.

use super::support::client::{connect, request};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

fn with_field(field: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n").into()
}

#[test]
fn heads_and_connections_have_the_limits_that_are_set() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .config(
            "[limits]\nhead_size = \"1KiB\"\nmax_headers = 3\nmax_parameters = 2\nmax_requests_per_connection = 2\n",
        )
        .start();

    let long = format!("X-Long: {}\r\n", "a".repeat(1000));
    assert_eq!(sidecar.exchange(&with_field(&long)).status(), 431);
    let many = "X: 1\r\n".repeat(3);
    assert_eq!(sidecar.exchange(&with_field(&many)).status(), 431);

    assert_eq!(sidecar.get("/?a=1&b=2").status(), 200);
    assert_eq!(sidecar.get("/?a=1&b=2&c=3").status(), 414);

    let mut client = connect(sidecar.proxy);
    for kept in ["keep-alive", "close"] {
        client.send(&request("GET", "/", "")).unwrap();
        let response = client.response("GET").unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.head.value("Connection"), Some(kept));
    }
}

#[test]
fn a_client_that_asks_for_nothing_or_stops_has_as_long_as_is_set() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nidle_timeout = \"50ms\"\nbody_timeout = \"50ms\"\n")
        .start();

    assert_eq!(connect(sidecar.proxy).rest().unwrap(), b"");
    let stops = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na";
    assert_eq!(sidecar.exchange(stops).status(), 408);
}

#[test]
fn the_api_is_told_of_the_proxy_where_that_is_switched_on() {
    for (config, via) in [("", None), ("via = \"on\"\n", Some("1.1 interpose"))] {
        let upstream = Upstream::answering(|_| json("{}"));
        let sidecar = Sidecar::before(upstream.url()).config(config).start();

        sidecar.get("/");

        assert_eq!(upstream.requests()[0].head.value("Via"), via, "{config}");
    }
}

#[test]
fn a_request_a_tunnel_and_heads_have_the_limits_that_are_set() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nrequest_timeout = \"100ms\"\nmax_connections = 2\nbuffer_memory = \"1MiB\"\n")
        .start();

    // Its body would have a minute.
    let stops = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na";
    assert_eq!(sidecar.exchange(stops).status(), 408);

    let mut idle = [connect(sidecar.proxy), connect(sidecar.proxy)];
    for wire in &mut idle {
        wire.send(&request("GET", "/", "")).unwrap();
        assert_eq!(wire.response("GET").unwrap().status(), 200);
    }
    assert_eq!(sidecar.get("/").status(), 200);
    let [mut first, _second] = idle;
    assert_eq!(first.rest().unwrap_or_default(), b"");
}

#[test]
fn an_old_name_of_a_key_ends_the_start_with_the_present_one() {
    let ended = Sidecar::before("http://127.0.0.1:9")
        .config("[limits]\nconnections = 5\n")
        .run();

    assert_eq!(ended.code, Some(64), "{}", ended.said);
    let renamed = "limits.connections: was renamed to limits.max_connections";
    assert!(ended.said.contains(renamed), "{}", ended.said);
}

#[test]
fn https_that_is_not_believed_is_logged_once_with_the_way_out() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url()).start();

    for scheme in ["http", "https", "https", "http, https"] {
        sidecar.exchange(&with_field(&format!("X-Forwarded-Proto: {scheme}\r\n")));
    }

    let says = |line: &str| line.contains("list it there") && line.contains("trusted_proxies");
    sidecar.logs(says);
    let lines = sidecar.log().lines();
    assert_eq!(lines.iter().filter(|line| says(line)).count(), 1);
    for request in upstream.requests() {
        assert_eq!(request.head.value("X-Forwarded-Proto"), Some("http"));
    }

    let sidecar = Sidecar::before(upstream.url())
        .config("trusted_proxies = [\"127.0.0.1\"]\n")
        .start();
    sidecar.exchange(&with_field("X-Forwarded-Proto: https\r\n"));
    assert!(!sidecar.log().has(says));
    let believed = upstream.requests().pop().expect("a request");
    assert_eq!(believed.head.value("X-Forwarded-Proto"), Some("https"));
}
