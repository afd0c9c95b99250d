//! What has to hold for any bytes. `tests/fuzz_corpora.rs` runs the same on kept inputs.

use bytes::Bytes;
use http::{HeaderValue, header};
use interpose::message::chunked::{BadChunk, Chunks, Step};
use interpose::message::coding::{Codings, Room};
use interpose::message::framing::Length;
use interpose::message::head::{self, Limits};
use interpose::message::{Fields, Query};

#[path = "targets/config.rs"]
mod config;
#[path = "targets/document.rs"]
mod document;
#[path = "targets/handler.rs"]
mod handler;
#[path = "targets/readings.rs"]
mod readings;
pub use config::config;
pub use document::document;
pub use handler::{directive, event, path};
pub use readings::readings;

const LIMITS: Limits = Limits {
    bytes: 4096,
    fields: 32,
    parameters: 32,
};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 11] = [
    ("head", head),
    ("connection", connection),
    ("chunked", chunked),
    ("coding", coding),
    ("query", query),
    ("document", document),
    ("directive", directive),
    ("event", event),
    ("path", path),
    ("readings", readings),
    ("config", config),
];

/// A head that passes is read by another parser in the same way, to the byte.
pub fn head(data: &[u8]) {
    let Ok(Some(end)) = head::end(data, 0, &LIMITS) else {
        return;
    };
    let Ok(checked) = head::read(&Bytes::copy_from_slice(&data[..end]), &LIMITS) else {
        return;
    };
    let plain = with_plain_target(&data[..end]);
    let mut places = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut places);
    let parsed = request.parse(&plain).expect("a head that passed the check");
    assert_eq!(parsed, httparse::Status::Complete(end));

    let values = |name: &'static str| {
        request
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    };
    assert!(values("host").count() <= 1);
    let codings: Vec<_> = values("transfer-encoding").collect();
    let length = values("content-length").next();
    match checked.length {
        Length::Chunked => {
            assert!(matches!(codings[..], [one] if one.eq_ignore_ascii_case(b"chunked")));
            assert!(length.is_none());
        }
        Length::Known(known) => {
            let said = length.expect("where the length comes from");
            let first = said.split(|&byte| byte == b',').next().unwrap_or(said);
            let first = std::str::from_utf8(first.trim_ascii()).expect("digits");
            assert_eq!(first.parse(), Ok(known));
            assert!(codings.is_empty());
        }
        Length::Unsaid => assert!(codings.is_empty() && length.is_none()),
    }
    for cut in 0..end {
        assert_eq!(
            head::end(&data[..cut], 0, &LIMITS),
            Ok(None),
            "cut at {cut}"
        );
    }
}

/// The same head with nothing unusual in its target: many bytes that we let pass, as they
/// came, the other parser refuses.
fn with_plain_target(head: &[u8]) -> Vec<u8> {
    let mut plain = head.to_vec();
    let target = plain.iter_mut().skip_while(|byte| **byte != b' ').skip(1);
    for byte in target.take_while(|byte| **byte != b' ') {
        if !byte.is_ascii_alphanumeric() && !b"/:*".contains(byte) {
            *byte = b'x';
        }
    }
    plain
}

/// What `Connection` names is gone from a head that passes, all else stays as it came and where it
/// was, and what belongs to the message is never named. On the lines: fields, names and values.
pub fn connection(data: &[u8]) {
    let mut head = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
    let lines = data.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty() && !line.contains(&b'\r'));
    for line in lines {
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut places = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut places);
    let Ok(checked) = head::read(&Bytes::copy_from_slice(&head), &LIMITS) else {
        return;
    };
    request.parse(&head).expect("a head that passed the check");
    let sent: Vec<_> = request
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), field.value.trim_ascii()))
        .collect();
    let named: Vec<String> = sent
        .iter()
        .filter(|(name, _)| name == "connection")
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
        .collect();
    for name in &named {
        let is_of_the_message = name.starts_with("content-")
            || matches!(
                name.as_str(),
                "host" | "transfer-encoding" | "etag" | "digest"
            );
        assert!(!is_of_the_message, "{name}");
    }
    let is_option = |name: &str| {
        matches!(
            name,
            "close" | "keep-alive" | "upgrade" | "te" | "http2-settings" | "connection"
        )
    };
    let expected: Vec<_> = sent
        .iter()
        .filter(|(name, _)| name != "connection" && (is_option(name) || !named.contains(name)))
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let left: Vec<_> = checked
        .request
        .fields
        .iter()
        .map(|field| (field.name().as_str(), field.value().as_bytes()))
        .filter(|(name, _)| *name != "connection")
        .collect();
    assert_eq!(left, expected);
    for value in checked.request.fields.get_all("connection") {
        for token in value.as_bytes().split(|&byte| byte == b',') {
            let token = String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase();
            assert!(token.is_empty() || is_option(&token), "{token}");
        }
    }
}

/// A body is the same however it is cut into pieces. The first byte is the pieces' size.
pub fn chunked(data: &[u8]) {
    let Some((&size, body)) = data.split_first() else {
        return;
    };
    let whole = read_chunks(body, body.len().max(1));
    let pieces = read_chunks(body, usize::from(size).max(1));

    assert_eq!(whole, pieces);
}

/// The data of a body, and how many bytes are behind its end where it has one.
fn read_chunks(body: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), BadChunk> {
    let mut chunks = Chunks::default();
    let mut data = Vec::new();
    let mut used = 0;
    for piece in body.chunks(size) {
        let mut rest = piece;
        while !rest.is_empty() {
            let step = chunks.step(rest)?;
            let (Step::Overhead(count) | Step::Data(count) | Step::End(count)) = step;
            assert!(count > 0, "it goes on");
            if let Step::Data(_) = step {
                data.extend_from_slice(&rest[..count]);
            }
            used += count;
            if let Step::End(_) = step {
                return Ok((data, Some(body.len() - used)));
            }
            rest = &rest[count..];
        }
    }
    Ok((data, None))
}

/// There is always room: the limit is what bounds a text here.
struct Boundless;

impl Room for Boundless {
    fn take(&mut self, _: usize) -> bool {
        true
    }

    fn give_back(&mut self, _: usize) {}
}

/// What is decoded comes back when it is encoded and decoded again, within its limit. The
/// first byte chooses the codings.
pub fn coding(data: &[u8]) {
    const LISTS: [&str; 5] = ["gzip", "deflate", "br", "zstd", "zstd, gzip"];
    const LIMIT: usize = 64 * 1024;

    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let list = LISTS[usize::from(choice) % LISTS.len()];
    let mut fields = Fields::default();
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(list));
    let codings = Codings::of(&fields).expect("known codings");

    let body = Bytes::copy_from_slice(body);
    if let Ok(text) = codings.clone().decode(&body, LIMIT, &mut Boundless) {
        assert!(text.len() <= LIMIT);
        assert_comes_back(&codings, &text);
    }
    assert_comes_back(&codings, &body);
}

fn assert_comes_back(codings: &Codings, text: &Bytes) {
    // What is between two codings may be a little longer than the text.
    let limit = text.len() + 1024;
    let encoded = codings.encode(text.clone());
    let back = codings.clone().decode(&encoded, limit, &mut Boundless);
    assert_eq!(back.as_ref(), Ok(text));
}

/// A query keeps its pairs, and one that is written is read back, beside the others. The
/// name and the value to be written stand before the query, each on a line of its own.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let (Some(name), Some(value), Some(raw)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let untouched = Query::parse(raw);
    let spelled: Vec<&str> = raw.split('&').filter(|pair| !pair.is_empty()).collect();
    assert_eq!(untouched.to_string(), spelled.join("&"));

    let mut edited = untouched.clone();
    edited.set(name, &[value]);
    let back = Query::parse(&edited.to_string());

    assert_eq!(back.get_all(name).collect::<Vec<_>>(), [value]);
    for other in untouched.names().into_iter().filter(|other| *other != name) {
        let before: Vec<_> = untouched.get_all(other).collect();
        assert_eq!(back.get_all(other).collect::<Vec<_>>(), before, "{other}");
    }
}
