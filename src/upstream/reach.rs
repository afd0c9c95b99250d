//! Which addresses the names of other hosts may stand for.
//!
//! A name that is listed says nothing of the address it resolves to, today or tomorrow. Public
//! addresses are fine; whatever lies inside a machine, a link or a private network is refused
//! unless the operator has listed it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// What names may stand for besides public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Addresses that handlers may call by themselves, each at one port or, without one, at every.
    pub addresses: Vec<(IpAddr, Option<u16>)>,
    /// Networks that names may stand for addresses of.
    pub networks: Vec<IpNet>,
}

impl Reach {
    /// Whether `name` may stand for this address, and be called at this port of it. That one port of
    /// a machine is listed says nothing of the others.
    pub(super) fn allows(&self, name: &str, address: SocketAddr) -> bool {
        let (address, port) = (address.ip().to_canonical(), address.port());
        // RFC 6761 §6.3: it never stands for anything else.
        let is_local_name = name == "localhost" || name.ends_with(".localhost");
        is_public(address)
            || (is_local_name && address.is_loopback())
            || self.addresses.iter().any(|(listed, only)| {
                listed.to_canonical() == address && only.is_none_or(|only| only == port)
            })
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// Whether an address is of the Internet at large, by the registries of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_for_protocols = (a, b, c) == (192, 0, 0);
    let is_for_benchmarks = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || is_shared
        || is_for_protocols
        || is_for_benchmarks
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

/// Only global unicast is, and of that what doesn't carry an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = (0x2000..0x4000).contains(&a);
    let is_6to4 = a == 0x2002;
    let is_for_protocols = a == 0x2001 && (b < 0x200 || b == 0xdb8);
    is_global && !is_6to4 && !is_for_protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn at(text: &str) -> SocketAddr {
        (address(text), 80).into()
    }

    #[test]
    fn what_is_not_public_is_refused_unless_listed() {
        let reach = Reach::default();
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
        ] {
            assert!(!reach.allows("api.test", at(text)), "{text}");
        }
        for text in ["93.184.216.34", "172.32.0.1", "2606:4700::1111"] {
            assert!(reach.allows("api.test", at(text)), "{text}");
        }
    }

    #[test]
    fn what_is_listed_may_be_reached() {
        let reach = Reach {
            addresses: vec![
                (address("127.0.0.1"), None),
                (address("10.9.9.9"), Some(8080)),
            ],
            networks: vec!["10.1.0.0/16".parse().expect("a network")],
        };

        for (text, is_allowed) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.1.2.3", true),
            ("10.2.2.3", false),
        ] {
            assert_eq!(reach.allows("api.test", at(text)), is_allowed, "{text}");
        }
    }

    #[test]
    fn localhost_is_what_its_name_says() {
        let reach = Reach::default();

        assert!(reach.allows("localhost", at("::1")));
        assert!(!reach.allows("localhost", at("10.0.0.1")));
        assert!(!reach.allows("localhost.test", at("127.0.0.1")));
    }
}
