//! The variables that Kubernetes sets in every pod for each Service it knows.
//!
//! A Service called `interpose` or `interpose-…` brings `INTERPOSE_SERVICE_HOST`,
//! `INTERPOSE_PORT_8080_TCP` and more. Nobody wrote those for us, so they must
//! not be refused as unknown settings.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>

use std::ffi::OsStr;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Whether a variable is such a link, from its name behind `INTERPOSE_` and its value.
pub(super) fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || (rest.ends_with("_PORT") && is_socket_url(value))
        || rest
            .split_once("_PORT_")
            .is_some_and(|(_, tail)| is_port_and_protocol(tail))
}

/// `tcp://10.0.0.1:80`; a person who writes `INTERPOSE_PORT=80` is told that
/// there is no such setting.
fn is_socket_url(value: &OsStr) -> bool {
    let scheme = value.to_str().and_then(|value| value.split_once("://"));
    scheme.is_some_and(|(scheme, _)| PROTOCOLS.contains(&scheme.to_uppercase().as_str()))
}

/// `8080_TCP`, `8080_TCP_ADDR`.
fn is_port_and_protocol(tail: &str) -> bool {
    let mut parts = tail.split('_');
    let is_port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
    is_port
        && parts
            .next()
            .is_some_and(|protocol| PROTOCOLS.contains(&protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_services_with_our_name_are_recognised() {
        for (rest, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("PORT", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP_ADDR", "10.0.0.1"),
            ("DEMO_SERVICE_HOST", "10.0.0.1"),
            ("DEMO_PORT_53_UDP_PROTO", "udp"),
        ] {
            assert!(is_service_link(rest, OsStr::new(value)), "{rest}");
        }
    }

    #[test]
    fn settings_and_slips_are_no_links() {
        for (rest, value) in [
            ("LISTEN", "127.0.0.1:80"),
            ("PORT", "8080"),
            ("PORT_TCP", "80"),
            ("SERVICE", "crm"),
            ("LIMITS__HANDLER_TIME", "20ms"),
        ] {
            assert!(!is_service_link(rest, OsStr::new(value)), "{rest}");
        }
    }
}
