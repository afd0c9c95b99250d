//! Single values: what a text means and which texts mean nothing.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use http::HeaderName;
use ipnet::IpNet;
use url::Host;

use super::refusal::Refusal;
use super::suggest;
use crate::message::percent;
use crate::transaction::AllowedHost;

/// Reads an IP address and a port, which may be 0.
pub(super) fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| Refusal::NoAddress {
        text: text.to_owned(),
        may_be_off: false,
    })
}

/// Reads an [`address`], or `off` as none.
pub(super) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, Refusal> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::NoAddress {
        text: text.to_owned(),
        may_be_off: true,
    })
}

/// Reads one of a closed list of words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Refusal> {
    let words = || choices.iter().map(|(word, _)| *word);
    choices
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| Refusal::NoChoice {
            text: text.to_owned(),
            choices: words().collect(),
            nearest: suggest::nearest(text, words()).map(str::to_owned),
        })
}

/// Reads `on` or `true`, `off` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Refusal> {
    let choices = [
        ("on", true),
        ("off", false),
        ("true", true),
        ("false", false),
    ];
    choice(text, &choices)
}

/// Reads a whole number from 1 to `most`.
pub(super) fn count(most: usize) -> impl Fn(&str) -> Result<NonZeroUsize, Refusal> {
    move |text| {
        text.parse()
            .ok()
            .filter(|count: &NonZeroUsize| count.get() <= most)
            .ok_or_else(|| Refusal::NoCount {
                text: text.to_owned(),
                most,
            })
    }
}

/// Reads a [`count`], or `off` as 0.
pub(super) fn count_or_off(most: usize) -> impl Fn(&str) -> Result<usize, Refusal> {
    move |text| match text {
        "off" => Ok(0),
        _ => count(most)(text).map(NonZeroUsize::get),
    }
}

/// Reads a network such as `10.0.0.0/8`; an address alone is a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| Refusal::NoNetwork {
            text: text.to_owned(),
        })?,
    };
    if network == network.trunc() {
        Ok(network)
    } else {
        Err(Refusal::HostBits {
            text: text.to_owned(),
            network: network.trunc(),
        })
    }
}

/// Reads a host name or an IP address, with or without brackets.
pub(super) fn host(text: &str) -> Result<Host, Refusal> {
    let host = match text.parse() {
        Ok(IpAddr::V4(address)) => Some(Host::Ipv4(address)),
        Ok(IpAddr::V6(address)) => Some(Host::Ipv6(address)),
        Err(_) => Host::parse(text).ok(),
    };
    host.filter(names_one_host).ok_or_else(|| Refusal::NoHost {
        text: text.to_owned(),
    })
}

/// What `url` lets pass and no server could be called by.
pub(super) fn names_one_host(host: &Host) -> bool {
    match host {
        Host::Domain(name) => !name.contains('*') && !name.trim_end_matches('.').is_empty(),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

/// Reads a [`host`], with a port behind a colon where only that one is meant.
pub(super) fn allowed_host(text: &str) -> Result<AllowedHost, Refusal> {
    if let Ok(host) = host(text) {
        return Ok(AllowedHost { host, port: None });
    }
    let with_port = text.rsplit_once(':').and_then(|(name, port)| {
        Some(AllowedHost {
            host: host(name).ok()?,
            port: Some(port.parse().ok().filter(|port| *port != 0)?),
        })
    });
    with_port.ok_or_else(|| Refusal::NoHost {
        text: text.to_owned(),
    })
}

/// Reads the name of a header field, in any case.
pub(super) fn header_name(text: &str) -> Result<HeaderName, Refusal> {
    text.parse().map_err(|_| Refusal::NoHeaderName {
        text: text.to_owned(),
    })
}

/// Reads a path that begins with `/` and is nothing but a path.
pub(super) fn path(text: &str) -> Result<String, Refusal> {
    let is_foreign = |c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control();
    let hides_nul = percent::hides_nul(text.as_bytes());
    if text.starts_with('/') && !text.contains(is_foreign) && !hides_nul {
        Ok(text.to_owned())
    } else {
        Err(Refusal::NoPath {
            text: text.to_owned(),
        })
    }
}

/// Reads a name that can be the first part of an event's name.
pub(super) fn service_name(text: &str) -> Result<String, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::NoServiceName {
            text: text.to_owned(),
        })
    }
}

/// Reads the name of a file, without a directory.
pub(super) fn file_name(text: &str) -> Result<String, Refusal> {
    if matches!(text, "" | "." | "..") || text.contains(['/', '\0']) {
        return Err(Refusal::NoFileName {
            text: text.to_owned(),
        });
    }
    Ok(text.to_owned())
}

/// Reads a text that is not empty.
pub(super) fn word(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_address_and_a_port() {
        for text in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:8080"] {
            assert_eq!(address(text).expect(text).to_string(), text);
        }
        for text in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "::1:8080",
            "localhost:80",
            "off",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn off_is_no_listener() {
        assert_eq!(address_or_off("off").expect("a listener may be off"), None);
    }

    #[test]
    fn a_word_that_is_no_choice_is_refused_with_all_choices() {
        let refusal = choice("jsn", &[("text", 0), ("json", 1)]).expect_err("no choice");

        assert_eq!(
            refusal.to_string(),
            "\"jsn\" is not one of text, json; did you mean \"json\"?"
        );
    }

    #[test]
    fn a_count_is_from_one_to_its_largest() {
        assert_eq!(count(4)("4").expect("in range").get(), 4);
        for text in ["0", "5", "-1", "two", ""] {
            assert!(count(4)(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        assert_eq!(network("::1").expect("an address").to_string(), "::1/128");
        assert_eq!(
            network("10.0.0.0/8").expect("a network").to_string(),
            "10.0.0.0/8"
        );
    }

    #[test]
    fn a_network_with_host_bits_is_refused_with_the_network() {
        let refusal = network("10.1.2.3/8").expect_err("host bits");

        assert_eq!(
            refusal.to_string(),
            "\"10.1.2.3/8\" names a host in a network; did you mean \"10.0.0.0/8\"?"
        );
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn an_allowed_host_may_name_one_port() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("127.1:80", "127.0.0.1", Some(80)),
            ("::1", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("API.example.com:443", "api.example.com", Some(443)),
        ] {
            let allowed = allowed_host(text).expect(text);
            assert_eq!(
                (allowed.host.to_string().as_str(), allowed.port),
                (host, port)
            );
        }
    }

    #[test]
    fn patterns_and_urls_are_no_hosts() {
        for text in [
            "",
            "*",
            "*.example.com",
            "http://a",
            "a/b",
            "a:b",
            "a:0",
            "u@a",
            ".",
        ] {
            assert!(allowed_host(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash_and_has_no_query() {
        assert_eq!(path("/a/b").expect("a path"), "/a/b");
        for text in ["", "a", "/a?b", "/a#b", "/a b", "http://a/"] {
            assert!(path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_name_has_no_directory() {
        assert_eq!(file_name(".commit").expect("a name"), ".commit");
        for text in ["", ".", "..", "a/b", "/a"] {
            assert!(file_name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_service_name_fits_into_an_event_name() {
        assert_eq!(service_name("crm-2_b").expect("a name"), "crm-2_b");
        for text in ["", "a.b", "{a}", "a b", "ä"] {
            assert!(service_name(text).is_err(), "{text:?}");
        }
    }
}
