//! The path of a request, as patterns and events see it.
//!
//! Upstreams differ in how they read a path, and a handler that refuses `/admin` must not be
//! passed by with a spelling that only its upstream takes for `/admin`. So a path has every reading
//! that [`readings`](super::readings) knows of, and one that matches is enough. A handler that is
//! chosen so may only restrict: what matches in one reading leads elsewhere in another.
//!
//! The path that is forwarded stays as it was sent; nothing here writes it.

use std::slice::Iter;

use crate::message::percent::decoded;

use super::readings::{self, TooManyReadings};

/// Most paths have no more segments than this.
const USUAL_SEGMENTS: usize = 8;

/// A path in each of its readings.
///
/// Borrows the segments of a path that everybody reads alike.
#[derive(Debug, Clone)]
pub struct NormalPath<'a> {
    readings: Readings<'a>,
}

#[derive(Debug, Clone)]
enum Readings<'a> {
    /// Everybody reads it so: the segments as they are sent.
    Plain(Vec<&'a str>),
    /// The segments of each reading.
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

impl<'a> NormalPath<'a> {
    /// Reads the path in `target`: a request target as it was sent, a query included.
    ///
    /// Bytes that are not UTF-8 read as U+FFFD, a `%` before anything but two hex digits as itself.
    ///
    /// # Errors
    ///
    /// [`TooManyReadings`] of a path that was made to have them.
    pub fn new(target: &'a [u8]) -> Result<Self, TooManyReadings> {
        let path = without_query(target);
        let readings = match plain(path) {
            Some(segments) => Readings::Plain(segments),
            None => Readings::Decoded(readings::all_of(path)?),
        };
        Ok(Self { readings })
    }

    /// The path in its first reading alone: the one that decides where a request goes.
    pub fn first(target: &'a [u8]) -> Self {
        let path = without_query(target);
        let readings = match plain(path) {
            Some(segments) => Readings::Plain(segments),
            None => Readings::Decoded(vec![readings::first_of(path)]),
        };
        Self { readings }
    }

    /// The segments of each reading. The first one has its parameters cut, is decoded once, takes
    /// `%2F` and `\` for characters, and has neither empty nor dot segments.
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

/// One segment of a pattern, percent-decoded once.
pub(super) fn percent_decoded(segment: &[u8]) -> String {
    String::from_utf8(decoded(segment))
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn without_query(target: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    &target[..end]
}

/// The segments of a path that everybody reads alike.
fn plain(path: &[u8]) -> Option<Vec<&str>> {
    let is_doubtful = |byte: &u8| matches!(byte, b'%' | b';' | b'\\' | 0x80..);
    if path.iter().any(is_doubtful) {
        return None;
    }
    let inner = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        // `//` has more readings than `/`.
        return (path.len() < 2).then(Vec::new);
    }
    let mut segments = Vec::with_capacity(USUAL_SEGMENTS);
    for segment in inner.split('/') {
        // An empty one, one of dots, or a name that Windows cuts short.
        if segment.is_empty() || segment.ends_with('.') {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Vec<String> {
        NormalPath::new(path.as_bytes())
            .expect("few readings")
            .readings()
            .map(|segments| segments.collect::<Vec<_>>().join("|"))
            .collect()
    }

    fn first(path: &str) -> String {
        let path = NormalPath::first(path.as_bytes());
        let mut readings = path.readings();
        let first = readings.next().expect("there is one");
        assert!(readings.next().is_none());
        first.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_first_reading_is_one_that_most_would_take() {
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
            ("/a%2Fb", "a/b"),
            ("/a%5Cb\\c", "a\\b\\c"),
            ("*", "*"),
        ] {
            assert_eq!(first(path), form, "{path}");
            assert_eq!(readings(path)[0], form, "{path}");
        }
    }

    #[test]
    fn a_plain_path_has_one_reading_and_is_not_decoded() {
        for path in ["/", "/orders/42?x=%20", "/a.b/c-d/", "/.well-known/x~y"] {
            let normal = NormalPath::new(path.as_bytes()).expect("one reading");

            assert!(matches!(normal.readings, Readings::Plain(_)), "{path}");
        }
    }

    /// A plain path skips the table; both ways must come to the same.
    #[test]
    fn the_short_cut_for_plain_paths_changes_nothing() {
        let pieces = ["/", "a", ".", "b.c", "//"];
        let mut plain_ones = 0;
        for number in 0..pieces.len().pow(6) {
            let path: String = (0..6)
                .map(|digit| pieces[number / pieces.len().pow(digit) % pieces.len()])
                .collect();
            let normal = NormalPath::new(path.as_bytes()).expect("few readings");
            let Readings::Plain(segments) = &normal.readings else {
                continue;
            };

            let read = readings::all_of(path.as_bytes()).expect("few readings");

            plain_ones += 1;
            assert_eq!(read, std::slice::from_ref(segments), "{path}");
        }
        assert!(plain_ones > 100);
    }
}
