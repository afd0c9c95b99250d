//! Who is at the other ends of a request's way: the client, seen through the proxies
//! that are trusted to tell, and what the upstream is told of the way here.

use std::net::{IpAddr, SocketAddr};

use http::header::VIA;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use super::{Field, Fields};

/// What we call ourselves in `Via` ([RFC 9110 §7.6.3]).
const PSEUDONYM: &str = "1.1 interpose";

/// How often a request may pass through a program like this. Sidecars may be in a row; a
/// request that goes in circles gets here soon.
const MAX_PASSES: u8 = 8;

/// Says how often a request has passed through a program like this. `Via` would say it too,
/// but to some servers it names a proxy that can't be sent compressed responses.
const PASSES: HeaderName = HeaderName::from_static("x-interpose-hops");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address: the connection's, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// The address that the connection itself comes from.
    pub peer: IpAddr,
    /// Whether it came by HTTPS, to us or to a trusted proxy.
    pub https: bool,
    /// Whether the connection itself comes from a trusted proxy.
    pub through_trusted: bool,
}

/// Finds the client behind a connection from `peer`.
///
/// `X-Forwarded-For` is read from its end: each entry that names a trusted proxy
/// is stepped over, the first other one is the client. From an untrusted peer both
/// fields are ignored.
pub fn client(peer: SocketAddr, tls: bool, fields: &Fields, trusted: &[IpNet]) -> Client {
    let peer = peer.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return Client {
            address: peer,
            peer,
            https: tls,
            through_trusted: false,
        };
    }
    let mut address = peer;
    let hops = fields.joined(&X_FORWARDED_FOR).unwrap_or_default();
    for hop in hops.rsplit(',') {
        let Some(told) = parse_hop(hop.trim()) else {
            break;
        };
        address = told;
        if !is_trusted(told, trusted) {
            break;
        }
    }
    let https = fields.joined(&X_FORWARDED_PROTO).map_or(tls, |schemes| {
        let nearest = schemes.rsplit(',').next().unwrap_or("");
        nearest.trim().eq_ignore_ascii_case("https")
    });
    Client {
        address,
        peer,
        https,
        through_trusted: true,
    }
}

/// What there is to tell of a request's way here.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The client.
    pub client: &'a Client,
    /// `Host` as the client sent it.
    pub host: &'a str,
    /// The name of the transaction.
    pub id: &'a str,
    /// How often the request had passed through a program like this before.
    pub passes: u8,
    /// Whether `Via` is told: some services stop compressing when they see it.
    pub via: bool,
}

/// The fields that tell the upstream of a request's way, each to take the place of
/// those of its name. What `fields` say already is kept only from a trusted proxy,
/// `Via` and `X-Request-Id` from everybody. What a handler has written, or taken away, goes out
/// as it left it; `Via` and our count of passes are added to all the same.
pub fn announce(way: &Way<'_>, fields: &Fields) -> impl Iterator<Item = Field> + use<> {
    let kept = |name: &HeaderName| {
        way.client
            .through_trusted
            .then(|| fields.joined(name))
            .flatten()
    };
    let is_free = |name: &HeaderName| !fields.is_edited(name);
    let peer = text(way.client.peer);
    let hops = match kept(&X_FORWARDED_FOR) {
        Some(hops) => format!("{hops}, {peer}"),
        None => peer,
    };
    let scheme = if way.client.https { "https" } else { "http" };
    let proto = kept(&X_FORWARDED_PROTO).is_none().then_some(scheme);
    let host = kept(&X_FORWARDED_HOST).is_none().then_some(way.host);
    let host = host.filter(|host| !host.is_empty());
    let has_id = fields.all(&X_REQUEST_ID).next().is_some();
    let id = (!has_id).then_some(way.id);
    let via = way.via.then(|| match fields.joined(&VIA) {
        Some(before) => HeaderValue::try_from(format!("{before}, {PSEUDONYM}")).ok(),
        None => Some(HeaderValue::from_static(PSEUDONYM)),
    });
    [
        (X_FORWARDED_FOR, HeaderValue::try_from(hops).ok()),
        (X_FORWARDED_PROTO, proto.map(HeaderValue::from_static)),
        (
            X_FORWARDED_HOST,
            host.and_then(|host| HeaderValue::from_str(host).ok()),
        ),
        (
            X_REQUEST_ID,
            id.and_then(|id| HeaderValue::from_str(id).ok()),
        ),
        (PASSES, Some(passed_once_more(way.passes))),
        (VIA, via.flatten()),
    ]
    .map(|(name, value)| {
        let is_ours = name == VIA || name == PASSES || is_free(&name);
        value.filter(|_| is_ours).map(|value| (name, value))
    })
    .into_iter()
    .flatten()
    .map(|(name, value)| Field::new(name, value))
}

/// Whether a field that [`announce`] gave says `http` in the place of a value that says
/// `https`: the peer has taken TLS off, and isn't believed.
pub fn is_scheme_taken_back(name: &HeaderName, before: &HeaderValue, way: &Way<'_>) -> bool {
    let nearest = before.as_bytes().rsplit(|&byte| byte == b',').next();
    *name == X_FORWARDED_PROTO
        && !way.client.https
        && nearest.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// An address as text. Most are of version 4, for which the standard library's formatting costs
/// ten times as much as the digits themselves, once in every request.
fn text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        let digit = |number: u8| char::from(b'0' + number % 10);
        if octet >= 100 {
            text.push(digit(octet / 100));
        }
        if octet >= 10 {
            text.push(digit(octet / 10));
        }
        text.push(digit(octet));
    }
    text
}

/// How often a request has passed through a program like this, as it says.
pub fn passes(fields: &Fields) -> u8 {
    let most = fields
        .all(&PASSES)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|number| std::str::from_utf8(number).ok()?.trim().parse::<u32>().ok())
        .max();
    most.map_or(0, |most| u8::try_from(most).unwrap_or(u8::MAX))
}

/// Whether a request has passed too often.
pub fn goes_in_circles(fields: &Fields) -> bool {
    passes(fields) >= MAX_PASSES
}

/// The field of a request that passes once more.
pub fn pass(passes: u8) -> Field {
    Field::new(PASSES, passed_once_more(passes))
}

fn passed_once_more(passes: u8) -> HeaderValue {
    HeaderValue::from(u16::from(passes) + 1)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// An entry is an address, with or without a port, IPv6 perhaps in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text,
    };
    bare.parse::<IpAddr>()
        .or_else(|_| bare.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use crate::message::Fields;

    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.receive(
                HeaderName::from_static(name),
                name.as_bytes(),
                HeaderValue::from_static(value),
            );
        }
        fields
    }

    fn seen(peer: &str, list: &[(&'static str, &'static str)]) -> (String, bool) {
        let trusted = [
            "127.0.0.1/32".parse().expect("a net"),
            "10.0.0.0/8".parse().expect("a net"),
        ];
        let peer = format!("{peer}:4711").parse().expect("an address");
        let client = client(peer, false, &fields(list), &trusted);
        (client.address.to_string(), client.https)
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        let octets = [0, 1, 9, 10, 11, 99, 100, 101, 199, 200, 209, 255];
        for (at, octet) in octets.into_iter().enumerate() {
            let others = octets.map(|other| [octet, other, octets[11 - at], 127]);
            for address in others.map(IpAddr::from) {
                assert_eq!(text(address), address.to_string());
            }
        }
        assert_eq!(text(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])), "::1");
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let told = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ];

        assert_eq!(seen("192.0.2.1", &told), ("192.0.2.1".to_owned(), false));
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        let told = [
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", "10.1.1.1"),
        ];

        assert_eq!(seen("127.0.0.1", &told), ("1.2.3.4".to_owned(), false));
    }

    #[test]
    fn nonsense_ends_the_walk_and_the_scheme_is_the_nearest_proxys() {
        let told = [
            ("x-forwarded-for", "1.2.3.4, unknown, [10.0.0.2]:99"),
            ("x-forwarded-proto", "http, https"),
        ];

        assert_eq!(seen("127.0.0.1", &told), ("10.0.0.2".to_owned(), true));
    }

    fn told(client: &Client, via: bool, list: &[(&'static str, &'static str)]) -> Vec<String> {
        let way = Way {
            client,
            host: "api.test",
            id: "id-1",
            passes: passes(&fields(list)),
            via,
        };
        announce(&way, &fields(list))
            .map(|field| {
                format!(
                    "{}: {}",
                    field.name(),
                    field.value().to_str().expect("text")
                )
            })
            .collect()
    }

    const UNTRUSTED: Client = Client {
        address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        peer: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        https: false,
        through_trusted: false,
    };

    #[test]
    fn what_an_untrusted_client_says_of_itself_is_replaced() {
        let list = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "other.test"),
            ("x-request-id", "theirs"),
            ("via", "1.0 front"),
        ];

        let expected = [
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-proto: http",
            "x-forwarded-host: api.test",
            "x-interpose-hops: 1",
            "via: 1.0 front, 1.1 interpose",
        ];
        assert_eq!(told(&UNTRUSTED, true, &list), expected);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_added_to() {
        let trusted = Client {
            through_trusted: true,
            ..UNTRUSTED
        };
        let list = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-interpose-hops", "2"),
        ];

        let expected = [
            "x-forwarded-for: 1.2.3.4, 192.0.2.1",
            "x-forwarded-host: api.test",
            "x-request-id: id-1",
            "x-interpose-hops: 3",
        ];
        assert_eq!(told(&trusted, false, &list), expected);
    }

    #[test]
    fn what_a_handler_wrote_or_took_away_goes_out_as_it_is() {
        let list = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-request-id", "theirs"),
            ("via", "1.0 front"),
        ];
        for client in [
            UNTRUSTED,
            Client {
                through_trusted: true,
                ..UNTRUSTED
            },
        ] {
            let way = Way {
                client: &client,
                host: "api.test",
                id: "id-1",
                via: true,
                passes: 0,
            };
            let mut fields = fields(&list);
            for name in ["x-forwarded-for", "x-forwarded-host", "via"] {
                let name: HeaderName = name.parse().expect("a name");
                fields.insert(name, HeaderValue::from_static("written"));
            }
            fields.remove("x-request-id");
            fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
            fields.remove(X_FORWARDED_PROTO);

            let told: Vec<_> = announce(&way, &fields).collect();

            let told = told.iter().map(|it| (it.name(), it.value()));
            let told: Vec<_> = told.filter(|(name, _)| **name != PASSES).collect();
            assert_eq!(
                told,
                [(&VIA, &HeaderValue::from_static("written, 1.1 interpose"))]
            );
        }
    }

    #[test]
    fn a_request_that_has_passed_too_often_goes_in_circles() {
        let circles = |values: &[&'static str]| {
            let list: Vec<_> = values.iter().map(|it| ("x-interpose-hops", *it)).collect();
            goes_in_circles(&fields(&list))
        };

        for few in [
            &[][..],
            &["0"],
            &["7"],
            &["1", "7, 2"],
            &["many"],
            &["-9"],
            &[""],
        ] {
            assert!(!circles(few), "{few:?}");
        }
        for many in [
            &["8"][..],
            &["300"],
            &["4000000000"],
            &["1", "2,9"],
            &[" 8 "],
        ] {
            assert!(circles(many), "{many:?}");
        }
        assert!(!goes_in_circles(&fields(&[(
            "via",
            "1.1 interpose, 1.1 interpose"
        )])));
    }
}
