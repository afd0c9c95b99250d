//! Who is at the other end: a name and the addresses it stands for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pingora_core::upstreams::peer::HttpPeer;
use url::{Host, Url};

use super::Reach;

/// How long the addresses of a name are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(5);

/// A host and a port, by TCP or TLS.
pub struct Peer {
    /// As it stands in `Host` and in the log: `api.test:8080`.
    authority: String,
    host: Host<String>,
    port: u16,
    /// The name its certificate has to carry, where it is spoken to over TLS.
    server_name: Option<String>,
    /// Which addresses may be connected to where handlers chose it.
    reach: Option<Reach>,
    known: Mutex<Option<Known>>,
    /// Counts on with each address that could not be reached, so that the next
    /// connection begins with another one.
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Known {
    since: Instant,
    addresses: Addresses,
}

/// What a name stands for; never empty.
pub(super) type Addresses = Arc<[Arc<Address>]>;

/// One address of a peer.
#[derive(Debug)]
pub(super) struct Address {
    /// As pingora connects to it, in plain text.
    pub(super) peer: HttpPeer,
    /// The same for connections that can stand for each other.
    pub(super) key: u64,
}

/// An address that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} is no http or https address with a host")]
pub struct BadPeer {
    url: String,
}

impl Peer {
    /// The peer that `url` names; its path is not looked at. Its certificate has to carry
    /// `server_name`, or without one the host.
    ///
    /// # Errors
    ///
    /// [`BadPeer`] for other schemes.
    pub fn new(url: &Url, server_name: Option<&str>) -> Result<Self, BadPeer> {
        let bad = || BadPeer {
            url: url.to_string(),
        };
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(bad()),
        };
        let host = url.host().ok_or_else(bad)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(bad)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let server_name = match (server_name, &host) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Host::Ipv6(address)) => address.to_string(),
            (_, Host::Ipv4(_) | Host::Domain(_)) => host.to_string(),
        };
        Ok(Self {
            authority,
            host,
            port,
            server_name: tls.then_some(server_name),
            reach: None,
            known: Mutex::new(None),
            turn: AtomicUsize::new(0),
        })
    }

    /// A peer that handlers chose: connected to only where `reach` allows the address, which
    /// is looked at once it is resolved and not resolved again.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn foreign(url: &Url, reach: Reach) -> Result<Self, BadPeer> {
        Ok(Self {
            reach: Some(reach),
            ..Self::new(url, None)?
        })
    }

    /// As it stands in `Host` and in the log.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name its certificate has to carry; `None` where it is spoken to in plain text.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The address to connect to next.
    pub(super) fn preferred<'a>(&self, addresses: &'a Addresses) -> &'a Arc<Address> {
        &addresses[self.turn.load(Ordering::Relaxed) % addresses.len()]
    }

    /// Passes over the present address, which could not be reached.
    pub fn pass_over(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// All addresses, each of which is worth a try.
    ///
    /// # Errors
    ///
    /// The name has no address, and none is remembered.
    pub(super) async fn addresses(&self) -> io::Result<Addresses> {
        let known = self.known().clone();
        if let Some(known) = &known
            && (self.is_literal() || known.since.elapsed() < FRESH)
        {
            return Ok(Arc::clone(&known.addresses));
        }
        match (self.resolve().await, known) {
            (Ok(addresses), _) => {
                *self.known() = Some(Known {
                    since: Instant::now(),
                    addresses: Arc::clone(&addresses),
                });
                Ok(addresses)
            }
            // A name server that is down for a moment doesn't take the upstream along.
            (Err(_), Some(known)) => Ok(known.addresses),
            (Err(error), None) => Err(error),
        }
    }

    async fn resolve(&self) -> io::Result<Addresses> {
        let addresses: Addresses = match &self.host {
            Host::Ipv4(address) => [self.at((IpAddr::V4(*address), self.port).into())].into(),
            Host::Ipv6(address) => [self.at((IpAddr::V6(*address), self.port).into())].into(),
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((name.as_str(), self.port)).await?;
                let allowed = self.allowed(name, found.collect())?;
                allowed.into_iter().map(|it| self.at(it)).collect()
            }
        };
        if addresses.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        Ok(addresses)
    }

    /// Those of a name's addresses that may be connected to.
    fn allowed(&self, name: &str, found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let reach = self.reach.as_ref();
        let (allowed, refused): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|address| reach.is_none_or(|reach| reach.allows(name, *address)));
        match refused.first() {
            Some(address) if allowed.is_empty() => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{name} stands for {}, which is not public; list it in [hosts] allow, with port {} or \
                     without one, or its network in networks",
                    address.ip(),
                    address.port()
                ),
            )),
            Some(_) | None => Ok(allowed),
        }
    }

    fn at(&self, address: SocketAddr) -> Arc<Address> {
        // TLS comes on top of what pingora opens.
        let peer = HttpPeer::new(address, false, String::new());
        let mut key = DefaultHasher::new();
        (address, &self.server_name).hash(&mut key);
        let key = key.finish();
        Arc::new(Address { peer, key })
    }

    fn is_literal(&self) -> bool {
        matches!(self.host, Host::Ipv4(_) | Host::Ipv6(_))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(url: &str) -> Result<Peer, BadPeer> {
        let url: Url = url.parse().expect("an address");
        Peer::new(&url, None)
    }

    #[test]
    fn a_peer_is_known_by_host_and_port() {
        let authority = |url| peer(url).expect("a peer").authority().to_owned();

        assert_eq!(authority("http://api.test/path"), "api.test");
        assert_eq!(authority("https://api.test:8443"), "api.test:8443");
        assert_eq!(authority("http://[::1]:80/"), "[::1]");
    }

    #[test]
    fn the_server_name_is_never_empty() {
        let name = |url, name: Option<&str>| {
            let url: Url = url;
            let peer = Peer::new(&url, name).expect("a peer");
            peer.server_name.expect("it is https")
        };
        let url = |text: &str| text.parse().expect("an address");

        assert_eq!(name(url("https://api.test"), None), "api.test");
        assert_eq!(name(url("https://api.test"), Some("")), "api.test");
        assert_eq!(name(url("https://10.0.0.1"), Some("other")), "other");
        assert_eq!(name(url("https://[::1]"), None), "::1");
    }

    #[test]
    fn other_schemes_are_no_peers() {
        assert!(peer("ftp://api.test").is_err());
        assert!(peer("unix:/run/api.sock").is_err());
    }

    #[tokio::test]
    async fn a_name_that_handlers_chose_stands_for_public_addresses_only() {
        let url: Url = "http://api.test".parse().expect("an address");
        let peer = Peer::foreign(&url, Reach::default()).expect("a peer");
        let at = |text: &str| SocketAddr::new(text.parse().expect("an address"), 80);
        let (public, metadata) = (at("93.184.216.34"), at("169.254.169.254"));

        let both = peer.allowed("api.test", vec![metadata, public]);
        let none = peer.allowed("api.test", vec![metadata]);

        assert_eq!(both.expect("one is public"), [public]);
        let error = none.expect_err("none is public").to_string();
        assert!(
            error.contains("api.test stands for 169.254.169.254"),
            "{error}"
        );
        let own = Peer::new(&url, None).expect("a peer");
        assert_eq!(
            own.allowed("api.test", vec![metadata]).expect("configured"),
            [metadata]
        );
    }

    #[tokio::test]
    async fn an_address_that_is_passed_over_is_followed_by_the_next() {
        let peer = peer("http://localhost:9").expect("a peer");
        let addresses = peer.addresses().await.expect("localhost has addresses");
        let first = Arc::clone(peer.preferred(&addresses));

        peer.pass_over();
        let second = peer.preferred(&addresses);

        assert_eq!(Arc::ptr_eq(&first, second), addresses.len() == 1);
    }
}
