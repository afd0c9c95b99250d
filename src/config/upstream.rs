//! The address of the upstream: `http://` or `https://`, a host and a port.

use std::fmt;

use url::Host;

use super::refusal::Refusal;
use super::value;

/// An upstream as one key names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is spoken to over TLS.
    pub is_tls: bool,
    /// Its host and port.
    pub origin: Origin,
}

/// A host and a port, such as `127.0.0.1:9000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A name in lower case, or an address.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

impl Origin {
    /// Its address, spoken to over TLS or not.
    pub fn url(&self, is_tls: bool) -> url::Url {
        let scheme = if is_tls { "https" } else { "http" };
        url::Url::parse(&format!("{scheme}://{self}")).expect("a host and a port make an address")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The name that a server's certificate must hold: a host name, or an IP address
/// without brackets. Never empty: pingora takes an empty name for a wish not to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(String);

impl ServerName {
    pub(super) fn of(host: &Host) -> Self {
        Self(match host {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads `upstream_tls.server_name`.
pub(super) fn server_name(text: &str) -> Result<ServerName, Refusal> {
    value::host(text).map(|host| ServerName::of(&host))
}

/// Reads `upstream`.
///
/// A base path is refused: the path of a request is forwarded as sent.
pub(super) fn url(text: &str) -> Result<Url, Refusal> {
    // `url` is as lenient as a browser and would read `http:host` and `http:///host`.
    let is_tls = text.starts_with("https://");
    if !is_tls && !text.starts_with("http://") {
        return Err(Refusal::NoUpstream);
    }
    let url = url::Url::parse(text).map_err(|_| Refusal::NoUpstream)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UpstreamUser);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::UpstreamPath {
            text: text.to_owned(),
        });
    }
    let host = url
        .host()
        .map(|host| host.to_owned())
        .filter(value::names_one_host)
        .ok_or(Refusal::NoUpstream)?;
    let port = url
        .port_or_known_default()
        .filter(|port| *port != 0)
        .ok_or(Refusal::NoUpstream)?;
    Ok(Url {
        is_tls,
        origin: Origin { host, port },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_read() {
        for (text, is_tls, origin) in [
            ("http://127.0.0.1:9000", false, "127.0.0.1:9000"),
            ("http://API.example.com/", false, "api.example.com:80"),
            ("https://api.example.com", true, "api.example.com:443"),
            ("https://[::1]:8443", true, "[::1]:8443"),
        ] {
            let url = url(text).expect(text);
            assert_eq!(
                (url.is_tls, url.origin.to_string().as_str()),
                (is_tls, origin)
            );
        }
    }

    #[test]
    fn what_names_no_service_is_refused() {
        for text in [
            "",
            "127.0.0.1:9000",
            "localhost:9000",
            "ftp://a",
            "http://",
            "http:a",
            "http://a:0",
            "http://*",
        ] {
            assert!(matches!(url(text), Err(Refusal::NoUpstream)), "{text:?}");
        }
    }

    #[test]
    fn a_path_a_query_or_a_fragment_is_refused() {
        for text in ["http://a/rest", "http://a/?b", "http://a#b"] {
            assert!(
                matches!(url(text), Err(Refusal::UpstreamPath { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_password_is_refused_without_showing_it() {
        for text in ["http://user:hunter2@a/rest", "http://user:hunter2@a b"] {
            let refusal = url(text).expect_err(text);
            assert!(
                !format!("{refusal} {refusal:?}").contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_server_name_has_neither_brackets_nor_a_dot_at_its_end() {
        for (text, name) in [
            ("api.example.com.", "api.example.com"),
            ("[::1]", "::1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(server_name(text).expect(text).as_str(), name);
        }
    }

    #[test]
    fn a_server_name_is_never_empty() {
        for text in ["", ".", " "] {
            assert!(server_name(text).is_err(), "{text:?}");
        }
    }
}
