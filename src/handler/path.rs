//! The path of a request, as patterns and events see it.
//!
//! Upstreams differ in how they read a path, and a handler that refuses
//! `/admin` must not be passed by with `/a/../admin`, `//admin;x` or
//! `/%61dmin`. So a path is brought to one form first. Where upstreams differ
//! in a way that can't be guessed (`%2F`, `%5C`: a character of a segment or the
//! end of one?), a path has several readings, and one that matches is enough.
//!
//! The path that is forwarded stays as it was sent; nothing here writes it.

use std::slice::Iter;

/// Most paths have no more segments than this.
const USUAL_SEGMENTS: usize = 8;

/// A path brought to one form, in each of its readings.
///
/// Borrows the segments of a path that is in that form already.
#[derive(Debug, Clone)]
pub struct NormalPath<'a> {
    readings: Readings<'a>,
}

#[derive(Debug, Clone)]
enum Readings<'a> {
    /// Nothing had to be changed: the segments as they stand.
    Plain(Vec<&'a str>),
    /// The segments of each reading, decoded.
    Decoded(Vec<Vec<String>>),
}

/// The segments of one reading, in order.
#[derive(Debug, Clone)]
pub struct Segments<'a>(Source<'a>);

#[derive(Debug, Clone)]
enum Source<'a> {
    Plain(Iter<'a, &'a str>),
    Decoded(Iter<'a, String>),
}

/// Which of the doubtful characters end a segment in one reading.
#[derive(Debug, Clone, Copy)]
struct Separators {
    escaped_slash: bool,
    backslash: bool,
}

impl<'a> NormalPath<'a> {
    /// At most so many readings: `%2F` and `%5C`, each read both ways.
    pub(super) const MAX_READINGS: usize = 4;

    /// Normalises the path in `target`: a request target as it was sent, a query included.
    ///
    /// Percent-decoded once, then dot segments resolved; runs of `/` made one;
    /// what follows a literal `;` in a segment and a `/` at the end dropped.
    /// Bytes that are not UTF-8 stand as U+FFFD, a `%` before anything but two
    /// hex digits as itself.
    pub fn new(target: &'a [u8]) -> Self {
        let path = target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let readings = plain(path).map_or_else(
            || Readings::Decoded(decoded_readings(path)),
            Readings::Plain,
        );
        Self { readings }
    }

    /// The segments of each reading; the first takes `%2F` and `%5C` for characters.
    pub fn readings(&self) -> impl Iterator<Item = Segments<'_>> {
        let (plain, decoded) = match &self.readings {
            Readings::Plain(segments) => (Some(Source::Plain(segments.iter())), &[][..]),
            Readings::Decoded(readings) => (None, &readings[..]),
        };
        let decoded = decoded
            .iter()
            .map(|reading| Source::Decoded(reading.iter()));
        plain.into_iter().chain(decoded).map(Segments)
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match &mut self.0 {
            Source::Plain(segments) => segments.next().copied(),
            Source::Decoded(segments) => segments.next().map(String::as_str),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Source::Plain(segments) => segments.size_hint(),
            Source::Decoded(segments) => segments.size_hint(),
        }
    }
}

impl ExactSizeIterator for Segments<'_> {}

/// One segment of a path or a pattern, percent-decoded once.
pub(super) fn percent_decoded(segment: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = if byte == b'%' { hex_byte(behind) } else { None };
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let nibble = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    let value = nibble(0)? * 16 + nibble(1)?;
    Some(u8::try_from(value).expect("two hex digits are a byte"))
}

/// The segments of a path that is in its normal form already.
fn plain(path: &[u8]) -> Option<Vec<&str>> {
    let is_doubtful = |byte: &u8| matches!(byte, b'%' | b';' | b'\\');
    let inner = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.as_bytes().iter().any(is_doubtful) {
        return None;
    }
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let mut segments = Vec::with_capacity(USUAL_SEGMENTS);
    for segment in inner.split('/') {
        if matches!(segment, "" | "." | "..") {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

fn decoded_readings(path: &[u8]) -> Vec<Vec<String>> {
    let both_ways = |doubtful: bool| {
        if doubtful {
            &[false, true][..]
        } else {
            &[false]
        }
    };
    let has_escape = |escape: &[u8]| {
        path.windows(escape.len())
            .any(|window| window.eq_ignore_ascii_case(escape))
    };
    let mut readings = Vec::new();
    for &escaped_slash in both_ways(has_escape(b"%2F")) {
        for &backslash in both_ways(has_escape(b"%5C") || path.contains(&b'\\')) {
            readings.push(read(
                path,
                Separators {
                    escaped_slash,
                    backslash,
                },
            ));
        }
    }
    readings
}

fn read(path: &[u8], separators: Separators) -> Vec<String> {
    let mut resolved = Vec::new();
    for raw in split(path, separators) {
        // A parameter may itself hold an escaped `;`, so it is cut before the decoding.
        let name = raw.split(|&byte| byte == b';').next().unwrap_or_default();
        let segment = percent_decoded(name);
        match segment.as_str() {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(segment),
        }
    }
    resolved
}

fn split(path: &[u8], separators: Separators) -> Vec<&[u8]> {
    let mut segments = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < path.len() {
        match separators.length_at(&path[at..]) {
            Some(length) => {
                segments.push(&path[start..at]);
                at += length;
                start = at;
            }
            None => at += 1,
        }
    }
    segments.push(&path[start..]);
    segments
}

impl Separators {
    /// The length of the separator that `rest` begins with.
    fn length_at(self, rest: &[u8]) -> Option<usize> {
        match rest {
            [b'/', ..] => Some(1),
            [b'\\', ..] if self.backslash => Some(1),
            [b'%', b'2', b'F' | b'f', ..] if self.escaped_slash => Some(3),
            [b'%', b'5', b'C' | b'c', ..] if self.backslash => Some(3),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Vec<String> {
        NormalPath::new(path.as_bytes())
            .readings()
            .map(|segments| segments.collect::<Vec<_>>().join("|"))
            .collect()
    }

    #[test]
    fn a_path_is_brought_to_one_form() {
        for (path, form) in [
            ("/", ""),
            ("", ""),
            ("/?a=/b", ""),
            ("/orders", "orders"),
            ("/orders/", "orders"),
            ("/orders/42?x=/../y;z", "orders|42"),
            ("//orders///42//", "orders|42"),
            ("/orders/./42/.", "orders|42"),
            ("/orders/../admin", "admin"),
            ("/../../admin", "admin"),
            ("/orders/%2e%2E/admin", "admin"),
            ("/orders/..;x/admin", "admin"),
            ("/orders;v=1/42;a;b", "orders|42"),
            ("/;x/orders", "orders"),
            ("/orders%3Bv=1", "orders;v=1"),
            ("/%6Frders", "orders"),
            ("/%256Frders", "%6Frders"),
            ("/a%zz%4", "a%zz%4"),
            ("/caf%C3%A9/café", "café|café"),
            ("/%ff", "\u{fffd}"),
            ("/...", "..."),
            ("/a%00b", "a\0b"),
            ("*", "*"),
        ] {
            assert_eq!(readings(path), [form], "{path}");
        }
    }

    #[test]
    fn an_escaped_slash_and_a_backslash_are_read_both_ways() {
        for (path, forms) in [
            ("/a%2Fb", &["a/b", "a|b"][..]),
            ("/a%2fb", &["a/b", "a|b"]),
            ("/a%5Cb", &["a\\b", "a|b"]),
            ("/a\\b", &["a\\b", "a|b"]),
            ("/x/..%2Fadmin", &["x|../admin", "admin"]),
            ("/a;p%2Fb", &["a", "a|b"]),
            ("/a%2Fb%5Cc", &["a/b\\c", "a/b|c", "a|b\\c", "a|b|c"]),
            ("/a%252Fb", &["a%2Fb"]),
        ] {
            assert_eq!(readings(path), forms, "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_not_decoded() {
        for path in ["/", "/orders/42?x=%20", "/a.b/c-d/", "/café"] {
            let normal = NormalPath::new(path.as_bytes());

            assert!(matches!(normal.readings, Readings::Plain(_)), "{path}");
        }
    }

    /// Every path of up to six of these pieces: all that normalising looks at.
    #[test]
    fn a_normal_form_has_no_empty_and_no_dot_segments_and_is_its_own_normal_form() {
        let pieces = ["/", "a", ".", "..", ";", "%2e"];
        for number in 0..pieces.len().pow(6) {
            let path: String = (0..6)
                .map(|digit| pieces[number / pieces.len().pow(digit) % pieces.len()])
                .collect();

            let form = readings(&path).remove(0).replace('|', "/");

            let odd = |segment: &str| matches!(segment, "" | "." | "..");
            assert!(
                form.is_empty() || !form.split('/').any(odd),
                "{path}: {form}"
            );
            assert_eq!(
                readings(&format!("/{form}")),
                [form.replace('/', "|")],
                "{path}"
            );
        }
    }

    /// A plain path skips the decoding; both ways must come to the same.
    #[test]
    fn the_short_cut_for_plain_paths_changes_nothing() {
        let pieces = ["/", "a", ".", "b.c", "//"];
        for number in 0..pieces.len().pow(6) {
            let path: String = (0..6)
                .map(|digit| pieces[number / pieces.len().pow(digit) % pieces.len()])
                .collect();

            let decoded = decoded_readings(path.as_bytes()).remove(0);

            assert_eq!(readings(&path), [decoded.join("|")], "{path}");
        }
    }
}
