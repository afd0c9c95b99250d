//! Who may use the admin listener.
//!
//! On loopback anybody who isn't a browser that some page sent here; elsewhere, and
//! wherever one is configured, whoever shows the token: as a bearer token or, where a webhook
//! calls that can't send one, as `api_key` in the query.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// What a caller has to show.
pub struct Access {
    /// The address that is listened on.
    pub address: SocketAddr,
    /// The SHA-256 of the token, where one is asked for: comparing hashes takes the same
    /// time wherever two tokens differ.
    token: Option<[u8; 32]>,
}

impl Access {
    /// Access to `address` for those who show `token`, or for everybody there.
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self {
            address,
            token: token.map(hash),
        }
    }

    fn check(&self, request: &Request) -> Result<(), (StatusCode, &'static str)> {
        let headers = request.headers();
        match (self.token, shown(request)) {
            (Some(expected), Some(shown)) if hash(&shown) == expected => {}
            (Some(_), _) => return Err((StatusCode::UNAUTHORIZED, "a bearer token is needed")),
            (None, _) => self.check_host(headers)?,
        }
        if let Some(origin) = headers.get(header::ORIGIN)
            && !self.is_own_origin(origin.to_str().unwrap_or(""))
        {
            return Err((
                StatusCode::FORBIDDEN,
                "requests from other sites are refused",
            ));
        }
        let changes = request.method() != Method::GET && request.method() != Method::HEAD;
        if changes && has_body(headers) && !is_json(headers) {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a body has to be application/json",
            ));
        }
        Ok(())
    }

    /// A name that isn't ours in `Host` is a page's that had it resolved to this address.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        if self.is_own_host(host) {
            Ok(())
        } else {
            Err((
                StatusCode::MISDIRECTED_REQUEST,
                "this host is not served here",
            ))
        }
    }

    /// A page's origin names its port unless that is the scheme's own (RFC 6454 §6.2): without one
    /// it is a page of port 80.
    fn is_own_origin(&self, origin: &str) -> bool {
        let Some(host) = origin.strip_prefix("http://") else {
            return false;
        };
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            Some(_) | None => (host, Some(80)),
        };
        port == Some(self.address.port()) && self.is_own_name(name)
    }

    fn is_own_host(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse() == Ok(self.address.port()) => name,
            Some(_) | None => host,
        };
        self.is_own_name(name)
    }

    fn is_own_name(&self, name: &str) -> bool {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address == self.address.ip(),
            Err(_) => bare.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// Lets a request through or answers it.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.check(&request) {
        Ok(()) => next.run(request).await,
        Err((status, reason)) => (status, format!("{reason}\n")).into_response(),
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The token that a caller shows.
fn shown(request: &Request) -> Option<Cow<'_, str>> {
    bearer(request.headers())
        .map(Cow::Borrowed)
        .or_else(|| api_key(request))
}

/// The token in the query of a cache call. Nowhere else: queries end up in logs.
fn api_key(request: &Request) -> Option<Cow<'_, str>> {
    let path = request.uri().path();
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    path.starts_with("/system/cache")
        .then(|| request.uri().query())
        .flatten()
        .map(|query| url::form_urlencoded::parse(query.as_bytes()))?
        .find_map(|(name, value)| (name == "api_key").then_some(value))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0")
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    essence
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(token: Option<&str>, method: Method, fields: &[(&str, &str)]) -> Option<u16> {
        let access = Access::new("127.0.0.1:9465".parse().expect("an address"), token);
        let mut request = axum::http::Request::builder().method(method).uri("/reload");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).expect("a request");
        access
            .check(&request)
            .err()
            .map(|(status, _)| status.as_u16())
    }

    #[test]
    fn on_loopback_nobody_but_a_foreign_page_is_refused() {
        for host in [
            "127.0.0.1:9465",
            "localhost:9465",
            "[::1]:9465",
            "localhost",
        ] {
            assert_eq!(
                refused(None, Method::POST, &[("host", host)]),
                None,
                "{host}"
            );
        }
        assert_eq!(
            refused(None, Method::GET, &[("host", "evil.test")]),
            Some(421)
        );
        assert_eq!(refused(None, Method::GET, &[]), Some(421));
        let foreign = [("host", "localhost"), ("origin", "http://evil.test")];
        assert_eq!(refused(None, Method::POST, &foreign), Some(403));
        let own = [("host", "localhost"), ("origin", "http://localhost:9465")];
        assert_eq!(refused(None, Method::POST, &own), None);
    }

    /// A page on port 80 of this machine is another one's.
    #[test]
    fn an_origin_is_our_own_only_with_our_port() {
        for (origin, status) in [
            ("http://127.0.0.1:9465", None),
            ("http://[::1]:9465", None),
            ("http://localhost", Some(403)),
            ("http://127.0.0.1", Some(403)),
            ("http://[::1]", Some(403)),
            ("http://localhost:80", Some(403)),
            ("http://localhost:", Some(403)),
            ("http://localhost:9466", Some(403)),
            ("https://localhost:9465", Some(403)),
            ("http://localhost:9465/", Some(403)),
            ("null", Some(403)),
        ] {
            let fields = [("host", "localhost:9465"), ("origin", origin)];
            assert_eq!(refused(None, Method::POST, &fields), status, "{origin}");
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        assert_eq!(
            refused(Some("s3cret"), Method::GET, &[("host", "localhost")]),
            Some(401)
        );
        assert_eq!(
            refused(
                Some("s3cret"),
                Method::GET,
                &[("authorization", "Bearer wrong")]
            ),
            Some(401)
        );
        assert_eq!(
            refused(
                Some("s3cret"),
                Method::GET,
                &[("authorization", "bearer s3cret")]
            ),
            None
        );
    }

    #[test]
    fn the_body_of_a_change_is_json() {
        let form = [
            ("host", "localhost"),
            ("content-length", "3"),
            ("content-type", "text/plain"),
        ];
        assert_eq!(refused(None, Method::POST, &form), Some(415));
        let json = [
            ("host", "localhost"),
            ("content-length", "3"),
            ("content-type", "application/json; charset=utf-8"),
        ];
        assert_eq!(refused(None, Method::POST, &json), None);
    }
}
