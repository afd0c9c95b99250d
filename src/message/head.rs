//! The head of a request, checked byte by byte before anything else reads it.
//!
//! Whatever two recipients could read in two ways is refused here, so that what is
//! behind us sees exactly the requests that we saw ([RFC 9112 §11.2]). Knows no
//! connection: it is given the bytes of one head.

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode, header};

use super::capitals::has_underscore;
use super::fields::BadField;
use super::framing::{self, Length, Unframed};
use super::namesakes;
use super::percent;
use super::{Body, Fields, Request};

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes, request line and fields together.
    pub bytes: usize,
    /// The most fields.
    pub fields: usize,
    /// The most parameters of the query.
    pub parameters: usize,
}

/// A sound head.
#[derive(Debug)]
pub struct Head {
    /// What is asked for; its body is [`Body::Streamed`] or empty.
    pub request: Request,
    /// How long the body is; [`Length::Unsaid`] is none.
    pub length: Length,
    /// Whether it is HTTP/1.0: such a client reads no chunks and gets no interim response.
    pub is_http10: bool,
}

impl Head {
    /// Whether the client means to use its connection again ([RFC 9112 §9.3]).
    pub fn keeps_alive(&self) -> bool {
        let says = |token| framing::has_token(&self.request.fields, &header::CONNECTION, token);
        !says("close") && (!self.is_http10 || says("keep-alive"))
    }

    /// Whether the client sends its body only once it is told to go on
    /// ([RFC 9110 §10.1.1]).
    pub fn awaits_continue(&self) -> bool {
        !self.is_http10
            && self.request.body == Body::Streamed
            && framing::has_token(&self.request.fields, &header::EXPECT, "100-continue")
    }
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not written as a head has to be.
    #[error("malformed head: {0}")]
    Malformed(&'static str),
    /// It isn't clear where the request ends.
    #[error("{0}")]
    Unframed(#[from] Unframed),
    /// `TRACE` and `CONNECT` are not for a gateway.
    #[error("a method that is not served")]
    Method,
    /// It did not arrive in time.
    #[error("the head did not arrive in time")]
    TimedOut,
    /// It is longer than its limit, or has too many fields.
    #[error("the head is too large")]
    TooLarge,
    /// Its query has more parameters than are allowed.
    #[error("the query has too many parameters")]
    Parameters,
    /// It is no HTTP/1.0 or HTTP/1.1.
    #[error("a version that is not spoken here")]
    Version,
    /// It has passed through us too often.
    #[error("the request goes in circles")]
    Loop,
    /// Nobody can say which path those behind us would serve.
    #[error("the path can be read in too many ways")]
    TooManyReadings,
    /// There is no memory for it among the other heads, or its place is needed.
    #[error("there is no room for the head now")]
    NoRoom,
}

impl Fault {
    /// The status it is told with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Unframed(_) | Self::TooManyReadings => {
                StatusCode::BAD_REQUEST
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Parameters => StatusCode::URI_TOO_LONG,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Finds the end of a head: the place behind its empty line, `None` while it isn't
/// there yet. Nothing before `from` is looked at again.
///
/// # Errors
///
/// [`Fault::TooLarge`] once it can't fit any more, [`Fault::Malformed`] for a line end
/// other than CR LF.
pub fn end(bytes: &[u8], from: usize, limits: &Limits) -> Result<Option<usize>, Fault> {
    for at in memchr::memchr_iter(b'\n', &bytes[from..]) {
        let at = from + at;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(Fault::Malformed("a line ends without CR LF"));
        }
        if bytes[..=at].ends_with(b"\r\n\r\n") {
            return if at < limits.bytes {
                Ok(Some(at + 1))
            } else {
                Err(Fault::TooLarge)
            };
        }
    }
    if bytes.len() >= limits.bytes {
        return Err(Fault::TooLarge);
    }
    Ok(None)
}

/// Looks at the beginning of a head while the rest is on its way, each byte once: what can't
/// become one, such as the first bytes of TLS, is not waited for.
#[derive(Debug, Default)]
pub struct Beginning {
    /// How many bytes have been looked at.
    seen: usize,
    /// Whether the method is behind them, and the request line.
    has_method: bool,
    has_line: bool,
}

impl Beginning {
    /// Looks at the `bytes` that have come so far.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that the head will have, whatever follows.
    pub fn look(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.has_line || bytes == b"\r" {
            // An empty line may stand before a request.
            return Ok(());
        }
        let new = &bytes[self.seen..];
        if let Some(end) = memchr::memchr(b'\n', new) {
            self.has_line = true;
            let line = &bytes[..self.seen + end];
            return RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line)).map(drop);
        }
        if !self.has_method {
            let end = memchr::memchr(b' ', new);
            self.has_method = end.is_some();
            let method = &new[..end.unwrap_or(new.len())];
            let is_empty = self.seen == 0 && method.is_empty() && self.has_method;
            if is_empty || !method.iter().copied().all(is_token) {
                return Err(Fault::Malformed("the method is no token"));
            }
        }
        self.seen = bytes.len();
        Ok(())
    }
}

/// Reads one whole head, its empty line included.
///
/// # Errors
///
/// The first [`Fault`] there is.
pub fn read(head: &Bytes, limits: &Limits) -> Result<Head, Fault> {
    let text = head
        .strip_suffix(b"\r\n")
        .filter(|text| text.ends_with(b"\r\n"))
        .ok_or(Fault::Malformed("it has no end"))?;
    let mut lines = split_lines(text);
    let line = RequestLine::parse(lines.next().unwrap_or_default())?;
    if parameters(line.text) > limits.parameters {
        return Err(Fault::Parameters);
    }
    let mut fields = parse_fields(head, lines, limits)?;
    line.check_host(&fields)?;
    if let Target::Absolute { authority, .. } = line.target
        && !fields.has(&header::HOST)
    {
        // HTTP/1.0: what is behind us reads HTTP/1.1, where the host is a field.
        let host = HeaderValue::from_maybe_shared(head.slice_ref(authority));
        let host = host.map_err(|_| Fault::Malformed("the target is none"))?;
        fields.receive(header::HOST, b"Host", host);
    }
    if matches!(line.method, b"TRACE" | b"CONNECT") {
        return Err(Fault::Method);
    }
    let length = body_length(&fields, line.is_http10)?;
    if fields.has(&header::CONNECTION) {
        framing::take_off_named(&mut fields)
            .map_err(|_| Fault::Malformed("Connection names a field of the message"))?;
    }
    let method =
        Method::from_bytes(line.method).map_err(|_| Fault::Malformed("the method is no token"))?;
    let mut request = Request::receive(method, head.slice_ref(line.text), fields);
    if !matches!(length, Length::Known(0) | Length::Unsaid) {
        request.body = Body::Streamed;
    }
    Ok(Head {
        request,
        length,
        is_http10: line.is_http10,
    })
}

/// How many parameters the query of a target may have, empty ones among them.
fn parameters(target: &[u8]) -> usize {
    memchr::memchr(b'?', target).map_or(0, |query| {
        1 + memchr::memchr_iter(b'&', &target[query..]).count()
    })
}

/// The lines of a head, each of which ends with CR LF. A CR or LF without the other stays
/// in its line, where it is refused.
fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r\n").unwrap_or(line))
}

struct RequestLine<'a> {
    method: &'a [u8],
    /// The target as it was sent.
    text: &'a [u8],
    target: Target<'a>,
    is_http10: bool,
}

/// The forms of a request's target ([RFC 9112 §3.2]).
enum Target<'a> {
    /// A path, or `*`.
    Origin,
    /// A whole address.
    Absolute {
        authority: &'a [u8],
        /// The port where the authority names none.
        port: u16,
    },
    /// Of `CONNECT`: not looked at.
    Authority,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(text), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Fault::Malformed("the request line has not three words"));
        };
        if method.is_empty() || !method.iter().copied().all(is_token) {
            return Err(Fault::Malformed("the method is no token"));
        }
        let is_http10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', b'2'..=b'9', b'.', b'0'..=b'9'] => {
                return Err(Fault::Version);
            }
            _ => return Err(Fault::Malformed("the version is none")),
        };
        let target = Target::parse(method, text)?;
        Ok(Self {
            method,
            text,
            target,
            is_http10,
        })
    }

    /// One `Host`, well formed, and the one that the target names ([RFC 9112 §3.2]).
    fn check_host(&self, fields: &Fields) -> Result<(), Fault> {
        let mut hosts = fields.all(&header::HOST);
        let Some(host) = hosts.next() else {
            return if self.is_http10 {
                Ok(())
            } else {
                Err(Fault::Malformed("Host is missing"))
            };
        };
        if hosts.next().is_some() {
            return Err(Fault::Malformed("there are two Host fields"));
        }
        if !is_host(host.as_bytes()) {
            return Err(Fault::Malformed("Host names no host"));
        }
        match self.target {
            Target::Absolute { authority, port }
                if !is_same_host(authority, host.as_bytes(), port) =>
            {
                Err(Fault::Malformed("Host and target differ"))
            }
            Target::Absolute { .. } | Target::Origin | Target::Authority => Ok(()),
        }
    }
}

impl<'a> Target<'a> {
    fn parse(method: &[u8], target: &'a [u8]) -> Result<Self, Fault> {
        const BAD: Fault = Fault::Malformed("the target is none");
        if method == b"CONNECT" {
            return Ok(Self::Authority);
        }
        // A fragment is the client's own business; some would cut it off.
        if target.contains(&b'#') || !target.iter().copied().all(is_in_target) {
            return Err(BAD);
        }
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        if percent::hides_nul(&target[..end]) {
            return Err(Fault::Malformed("the path holds a NUL"));
        }
        match target {
            b"*" if method == b"OPTIONS" => Ok(Self::Origin),
            [b'/', ..] => Ok(Self::Origin),
            _ => absolute(target).ok_or(BAD),
        }
    }
}

/// Whether a byte may stand in a target: whatever can't end it or its line, and is no
/// control. Some programs send more than [RFC 3986] allows, in encodings of their own too.
fn is_in_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

/// An `http` or `https` address.
fn absolute(target: &[u8]) -> Option<Target<'_>> {
    let scheme = target.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = target.split_at(scheme);
    let port = if scheme.eq_ignore_ascii_case(b"http") {
        80
    } else if scheme.eq_ignore_ascii_case(b"https") {
        443
    } else {
        return None;
    };
    let rest = rest.strip_prefix(b"://")?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let authority = &rest[..end];
    is_host(authority).then_some(Target::Absolute { authority, port })
}

/// Whether two hosts, each with or without a port, are the same, where `usual` is the port of
/// one that names none ([RFC 9110 §4.2.3]).
fn is_same_host(one: &[u8], other: &[u8], usual: u16) -> bool {
    let (host, port) = split_port(one);
    let (other_host, other_port) = split_port(other);
    host.eq_ignore_ascii_case(other_host) && port.unwrap_or(usual) == other_port.unwrap_or(usual)
}

/// A sound host without its port, and that, where there is one.
fn split_port(host: &[u8]) -> (&[u8], Option<u16>) {
    let colon = memchr::memrchr(b':', host).filter(|&at| !host[at..].contains(&b']'));
    let Some(colon) = colon else {
        return (host, None);
    };
    let port = std::str::from_utf8(&host[colon + 1..]).ok();
    (&host[..colon], port.and_then(|port| port.parse().ok()))
}

/// A host with or without a port: no user, no list, no path.
fn is_host(text: &[u8]) -> bool {
    if is_plain_host(text) {
        return true;
    }
    let Ok(authority) = Authority::try_from(text) else {
        return false;
    };
    let host = authority.host();
    let port = &authority.as_str()[host.len().min(authority.as_str().len())..];
    let has_sound_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || digits
                    .parse::<u16>()
                    .is_ok_and(|_| !digits.starts_with('+'))
        }
        None => port.is_empty(),
    };
    !host.is_empty() && !host.contains([',', '@']) && !text.contains(&b'@') && has_sound_port
}

/// What most hosts are, seen at a glance: letters, digits, dots and dashes, and a port perhaps.
fn is_plain_host(text: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        !name.is_empty() && name.iter().all(is_plain)
    };
    match memchr::memchr(b':', text) {
        None => is_name(text),
        Some(colon) => {
            let port = &text[colon + 1..];
            let is_number = matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
            let number = |digits: &[u8]| {
                let digits = digits.iter().map(|digit| u32::from(digit - b'0'));
                digits.fold(0, |sum, digit| sum * 10 + digit)
            };
            is_number && number(port) <= u16::MAX.into() && is_name(&text[..colon])
        }
    }
}

fn parse_fields<'a>(
    head: &Bytes,
    lines: impl Iterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Result<Fields, Fault> {
    let mut fields = Fields::with_capacity(16);
    for (count, line) in lines.enumerate() {
        if count == limits.fields {
            return Err(Fault::TooLarge);
        }
        parse_field(head, line, &mut fields)?;
    }
    Ok(fields)
}

fn parse_field(head: &Bytes, line: &[u8], fields: &mut Fields) -> Result<(), Fault> {
    let colon = memchr::memchr(b':', line).ok_or(Fault::Malformed("a field has no colon"))?;
    let (name, value) = line.split_at(colon);
    // What is behind us may read an underscore as a dash.
    if has_underscore(name) {
        let dashed = namesakes::dashed(name).to_ascii_lowercase();
        if matches!(&dashed[..], b"content-length" | b"transfer-encoding") {
            return Err(Fault::Malformed("a field looks like one that frames"));
        }
    }
    fields
        .receive_within(head, name, without_blanks(&value[1..]))
        .map_err(|error| match error {
            // A blank before the colon and a folded line both end here.
            BadField::Name => Fault::Malformed("a field's name is no token"),
            BadField::Value => Fault::Malformed("a field's value has control characters"),
        })
}

/// A value without the blanks around it ([RFC 9110 §5.5]). A CR is none, nor is any other
/// control that is white space elsewhere.
fn without_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// How long the body is; stricter than what a response is granted.
fn body_length(fields: &Fields, is_http10: bool) -> Result<Length, Fault> {
    let length = framing::length(fields)?;
    if length == Length::Chunked && (is_http10 || fields.has(&header::CONTENT_LENGTH)) {
        return Err(Fault::Malformed("the body is framed twice"));
    }
    Ok(length)
}

/// The characters of a token ([RFC 9110 §5.6.2]).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 1024,
        fields: 10,
        parameters: 4,
    };

    fn checked(head: &str) -> Result<Length, Fault> {
        read(&Bytes::copy_from_slice(head.as_bytes()), &LIMITS).map(|head| head.length)
    }

    #[test]
    fn a_query_has_so_many_parameters_at_most() {
        let asked =
            |query: &str| checked(&format!("GET /&&&&&{query} HTTP/1.1\r\nHost: a\r\n\r\n"));

        assert_eq!(asked("?a=1&b&c&d"), Ok(Length::Unsaid));
        assert_eq!(asked("?a=1&b&c&d&e"), Err(Fault::Parameters));
        assert_eq!(asked("?&&&&"), Err(Fault::Parameters));
    }

    #[test]
    fn sound_heads_pass() {
        let sound = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Length::Unsaid),
            ("GET / HTTP/1.0\r\n\r\n", Length::Unsaid),
            (
                "GET /a?b=%20&c HTTP/1.1\r\nhOST: a.b:80\r\n\r\n",
                Length::Unsaid,
            ),
            (
                "GET /zür/{x}|y HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
                Length::Unsaid,
            ),
            ("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", Length::Unsaid),
            ("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", Length::Unsaid),
            (
                "GET HTTP://A.b:80/ HTTP/1.1\r\nHost: a.B\r\n\r\n",
                Length::Unsaid,
            ),
            (
                "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
                Length::Unsaid,
            ),
            (
                "GET http://[::1]/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
                Length::Unsaid,
            ),
            (
                "GET http://a:/ HTTP/1.1\r\nHost: a:080\r\n\r\n",
                Length::Unsaid,
            ),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Length::Unsaid),
            ("GET /?a=%00 HTTP/1.1\r\nHost: a\r\n\r\n", Length::Unsaid),
            (
                "M-SEARCH / HTTP/1.1\r\nHost: a\r\nX-Weird_~: \u{e9}\t1\r\nEmpty:\r\n\r\n",
                Length::Unsaid,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
                Length::Known(3),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\n",
                Length::Known(3),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                Length::Chunked,
            ),
        ];
        for (head, body) in sound {
            assert_eq!(checked(head), Ok(body), "{head:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let unsound = [
            "GET /\r\n\r\n",
            "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /admin%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /admin%2500.txt HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
            "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://[::1]/ HTTP/1.1\r\nHost: [::2]\r\n\r\n",
            "GET http://a/\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?\u{1} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:port\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: \ra\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{c}chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: content-encoding\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Host\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: Content-Length\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for head in unsound {
            let fault = checked(head).expect_err(head);
            assert_eq!(fault.status(), StatusCode::BAD_REQUEST, "{head:?}: {fault}");
        }
    }

    #[test]
    fn every_byte_that_ends_nothing_may_stand_in_a_target() {
        for byte in 0..=u8::MAX {
            for place in ["/a~", "/?a~", "http://h/a~?b", "http://h?~"] {
                let [before, behind] = [0, 1].map(|part| place.split('~').nth(part).expect("two"));
                let target = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
                let head = [b"GET ", &target[..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();

                let read = read(&Bytes::from(head), &LIMITS);

                let passes = byte > b' ' && byte != 0x7f && byte != b'#';
                let target = target.escape_ascii();
                assert_eq!(read.is_ok(), passes, "{target}");
            }
        }
    }

    #[test]
    fn a_whole_address_of_http_1_0_says_its_host() {
        let head = Bytes::from_static(b"GET http://A.b:81/c HTTP/1.0\r\nX: 1\r\n\r\n");

        let head = read(&head, &LIMITS).expect("sound");

        assert_eq!(head.request.fields.get_str("host"), Some("A.b:81"));
        assert_eq!(head.request.path, "/c");
    }

    #[test]
    fn what_can_become_no_head_is_seen_at_once() {
        let looked_at = |bytes: &[u8], step: usize| {
            let mut beginning = Beginning::default();
            let ends = (0..bytes.len()).step_by(step).skip(1).chain([bytes.len()]);
            ends.map(|end| (end, beginning.look(&bytes[..end])))
                .find(|(_, looked)| looked.is_err())
                .map(|(end, _)| end)
        };

        for (bytes, at) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00"[..], 1),
            (b"\0\0\0\x08", 1),
            (b"SSH-2.0-OpenSSH_9.2\r\n", 20),
            (b"\x05\x01\0", 1),
            (b"GE\xffT / HTTP", 3),
            (b"\rGET", 2),
            (b" GET / HTTP/1.1", 1),
            (b"EHLO a.test\r\n", 13),
            (b"GET / HTTP/0.9\r\n", 16),
            (b"GET /a b HTTP/1.1\r\nHost", 19),
        ] {
            let shown = bytes.escape_ascii();
            assert_eq!(looked_at(bytes, 1), Some(at), "{shown}");
            assert!(looked_at(bytes, bytes.len()).is_some(), "{shown}");
        }
        for step in [1, 3, 100] {
            let sound = b"M-SEARCH /z\xfc HTTP/1.1\r\nHost : \0\r\n";
            assert_eq!(looked_at(sound, step), None);
        }
    }

    #[test]
    fn what_is_not_served_says_so() {
        let trace = checked("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
        let connect = checked("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
        let preface = checked("PRI * HTTP/2.0\r\n\r\n");

        assert_eq!(trace, Err(Fault::Method));
        assert_eq!(connect, Err(Fault::Method));
        assert_eq!(preface, Err(Fault::Version));
    }

    #[test]
    fn a_head_ends_with_its_empty_line_and_not_before() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";

        for known in 0..head.len() - 4 {
            let found = end(&head[..known], known.saturating_sub(1), &LIMITS);
            assert_eq!(found, Ok((known == head.len() - 4).then_some(known)));
        }
        assert_eq!(end(head, 0, &LIMITS), Ok(Some(head.len() - 4)));
    }

    #[test]
    fn a_bare_line_feed_is_refused_at_once() {
        let fault = end(b"GET / HTTP/1.1\nHost", 0, &LIMITS).expect_err("no CR");

        assert_eq!(fault.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_head_over_its_limits_is_too_large() {
        let fields = "X: 1\r\n".repeat(LIMITS.fields);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let long = vec![b'a'; LIMITS.bytes];

        assert_eq!(checked(&many), Err(Fault::TooLarge));
        assert_eq!(end(&long, 0, &LIMITS), Err(Fault::TooLarge));
    }
}
