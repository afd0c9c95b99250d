//! How those who may be behind us read a path, where they differ.
//!
//! A handler that refuses `/admin` must not be passed by with `/x/..;/admin`, `/\x/admin` or
//! `/%2561dmin`. Which of these lead to `/admin` depends on who serves them, and nobody knows who
//! does. So a path is read in every way that is known of a server, a framework or a library, and
//! one reading that matches is enough.
//!
//! [`STEPS`] is the one table of these ways, in the order in which they are taken. Each step is
//! taken and left out, so that a proxy that takes one and a server that takes another are covered
//! together. Most steps change nothing of most paths: few readings are left. What has more than
//! [`MAX_READINGS`] was made to be read in many ways, and is refused.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::message::percent::{decoded, hex_byte};

/// The most readings that a path may have.
const MAX_READINGS: usize = 64;

/// The most bytes that they may have together.
const MAX_BYTES: usize = 256 * 1024;

/// Stands for a `/` that is a character of its segment. No path has a NUL: it is refused before.
const SLASH_WITHIN: u8 = 0;

/// A path that can be read in too many ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path can be read in too many ways")]
pub struct TooManyReadings;

/// A place in the order of reading, and what is done there.
struct Step {
    /// Whether some do none of it.
    is_optional: bool,
    ways: &'static [Way],
}

/// What some do with a path; `None` where that changes nothing.
struct Way {
    /// Who does so.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and for a test's message")
    )]
    reader: &'static str,
    read: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn some(ways: &'static [Way]) -> Step {
    Step {
        is_optional: true,
        ways,
    }
}

const fn all(ways: &'static [Way]) -> Step {
    Step {
        is_optional: false,
        ways,
    }
}

/// Every way of reading a path, in order.
const STEPS: [Step; 18] = [
    some(&[
        Way {
            reader: "WHATWG URL (Node's `new URL`): a host follows `//`, `/\\` or more of them",
            read: without_host,
        },
        Way {
            reader: "PHP's parse_url, Python's urlsplit: a host follows `//` and ends with `/`",
            read: without_authority,
        },
    ]),
    some(&[
        Way {
            reader: "Tomcat, Spring, Jetty: `;` and what follows it in a segment is a parameter",
            read: without_parameters,
        },
        Way {
            reader: "Fastify: the query begins at the first `;`",
            read: up_to_semicolon,
        },
    ]),
    some(&[Way {
        reader: "WHATWG URL, IIS, Tomcat with allowBackslash: `\\` is a `/`",
        read: with_slashes,
    }]),
    some(&[Way {
        reader: "Apache: runs of `/` are one, before anything is decoded",
        read: merged,
    }]),
    some(&[
        Way {
            reader: "WHATWG URL: dot segments, `%2e` too, before anything else is decoded",
            read: resolved_as_written,
        },
        Way {
            reader: "Jetty: dot segments before anything is decoded",
            read: resolved,
        },
    ]),
    all(&[
        Way {
            reader: "Tomcat with passthrough, Apache with NoDecode: `%2F` is a character of its segment",
            read: decoded_within_segments,
        },
        Way {
            reader: "nginx, Go, PHP, WSGI: `%2F` is a `/`",
            read: decoded_with_slashes,
        },
    ]),
    some(&[
        Way {
            reader: "IIS; a proxy that decodes before a server that does: a second time",
            read: decoded_within_segments,
        },
        Way {
            reader: "the same, where `%2F` is a `/`",
            read: decoded_again_with_slashes,
        },
    ]),
    some(&[Way {
        reader: "IIS and ASP: `%u0061`",
        read: with_code_units,
    }]),
    some(&[Way {
        reader: "IIS: the wide forms of ASCII",
        read: with_narrow_forms,
    }]),
    some(&[Way {
        reader: "old Java and PHP: ASCII in more bytes of UTF-8 than it needs",
        read: with_overlong_ascii,
    }]),
    some(&[Way {
        reader: "a URL parser that is given a decoded path: query, fragment, line breaks and blanks",
        read: parsed_again,
    }]),
    some(&[Way {
        reader: "nginx before Tomcat: `%3B` begins a parameter, `\\` within it or not",
        read: without_parameters,
    }]),
    some(&[Way {
        reader: "IIS, Java's File on Windows: an escaped `\\` is a `/`",
        read: with_slashes,
    }]),
    some(&[
        Way {
            reader: "Node's `new URL(decodeURIComponent())`",
            read: without_host,
        },
        Way {
            reader: "PHP's parse_url(urldecode())",
            read: without_authority,
        },
    ]),
    some(&[Way {
        reader: "Jetty, WebLogic: `%3B` begins a parameter",
        read: without_parameters,
    }]),
    some(&[Way {
        reader: "Windows: dots and blanks at the end of a name",
        read: without_trailing_dots,
    }]),
    some(&[
        Way {
            reader: "nginx with merge_slashes, Apache, Tomcat, Go's path.Clean: runs of `/` are one, then dot segments",
            read: merged_and_resolved,
        },
        Way {
            reader: "nginx without merge_slashes, Node's `new URL`: dot segments alone",
            read: resolved,
        },
        Way {
            reader: "Spring's StrictHttpFirewall off, Rails, wsgiref: runs of `/` alone",
            read: merged,
        },
    ]),
    some(&[
        Way {
            reader: "Jetty: parameters once the dot segments are resolved",
            read: without_parameters,
        },
        Way {
            reader: "nginx before Tomcat: parameters, then what they hid of dot segments",
            read: without_parameters_resolved,
        },
    ]),
];

/// The segments of each reading of `path`. The first is the one that decides where a request goes.
///
/// # Errors
///
/// [`TooManyReadings`]
pub(super) fn all_of(path: &[u8]) -> Result<Vec<Vec<String>>, TooManyReadings> {
    let mut readings = Distinct::default();
    readings.add(path.to_vec())?;
    for step in &STEPS {
        readings.take(step)?;
    }
    let mut all = vec![first_of(path)];
    for reading in &readings.list {
        let segments = segments(reading);
        if !all.contains(&segments) {
            all.push(segments);
        }
    }
    Ok(all)
}

/// The reading that decides where a request goes: parameters cut, decoded once, `%2F` and `\`
/// characters, runs of `/` one, dot segments resolved.
pub(super) fn first_of(path: &[u8]) -> Vec<String> {
    let cut = without_parameters(path);
    let path = cut.as_deref().unwrap_or(path);
    let decoded = decoded_within_segments(path);
    let path = decoded.as_deref().unwrap_or(path);
    let resolved = merged_and_resolved(path);
    segments(resolved.as_deref().unwrap_or(path))
}

/// Different readings, in the order they were found.
#[derive(Default)]
struct Distinct {
    list: Vec<Vec<u8>>,
    hashes: Vec<u64>,
    bytes: usize,
}

impl Distinct {
    /// Adds what a step makes of each reading.
    fn take(&mut self, step: &Step) -> Result<(), TooManyReadings> {
        let count = self.list.len();
        let mut place = 0;
        for _ in 0..count {
            let mut is_changed = false;
            for way in step.ways {
                if let Some(read) = (way.read)(&self.list[place]) {
                    is_changed = true;
                    self.add(read)?;
                }
            }
            if is_changed && !step.is_optional {
                self.bytes -= self.list.remove(place).len();
                self.hashes.remove(place);
            } else {
                place += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, reading: Vec<u8>) -> Result<(), TooManyReadings> {
        let mut hasher = DefaultHasher::new();
        reading.hash(&mut hasher);
        let hash = hasher.finish();
        let mut known = self.hashes.iter().zip(&self.list);
        if known.any(|(known, other)| *known == hash && *other == reading) {
            return Ok(());
        }
        self.bytes += reading.len();
        if self.list.len() == MAX_READINGS || self.bytes > MAX_BYTES.max(reading.len()) {
            return Err(TooManyReadings);
        }
        self.hashes.push(hash);
        self.list.push(reading);
        Ok(())
    }
}

/// A reading as patterns see it: empty segments stay where they were not merged, but for the one
/// behind a `/` at the end.
fn segments(reading: &[u8]) -> Vec<String> {
    let inner = reading.strip_prefix(b"/").unwrap_or(reading);
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    if inner.is_empty() {
        return Vec::new();
    }
    let text = |segment: &[u8]| {
        let mut bytes = segment.to_vec();
        for byte in &mut bytes {
            if *byte == SLASH_WITHIN {
                *byte = b'/';
            }
        }
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    };
    inner.split(|&byte| byte == b'/').map(text).collect()
}

/// Without the host that `//`, `/\` or more of them begin.
fn without_host(path: &[u8]) -> Option<Vec<u8>> {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let slashes = path.iter().take_while(|byte| is_slash(byte)).count();
    if slashes < 2 {
        return None;
    }
    let host = &path[slashes..];
    let end = host.iter().position(is_slash);
    Some(end.map_or_else(|| b"/".to_vec(), |end| host[end..].to_vec()))
}

/// Without what stands between `//` and the next `/`.
fn without_authority(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"//")?;
    let end = memchr::memchr(b'/', rest);
    Some(end.map_or_else(|| b"/".to_vec(), |end| rest[end..].to_vec()))
}

/// Each segment up to its first `;`.
fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b';', path)?;
    let mut is_parameter = false;
    let kept = path.iter().copied().filter(|&byte| {
        is_parameter = byte != b'/' && (is_parameter || byte == b';');
        !is_parameter
    });
    Some(kept.collect())
}

fn without_parameters_resolved(path: &[u8]) -> Option<Vec<u8>> {
    let cut = without_parameters(path)?;
    Some(merged_and_resolved(&cut).unwrap_or(cut))
}

fn up_to_semicolon(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b';', path).map(|end| path[..end].to_vec())
}

fn with_slashes(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', path)?;
    let turned = path
        .iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte });
    Some(turned.collect())
}

fn merged(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(path, b"//")?;
    let mut merged = path.to_vec();
    merged.dedup_by(|next, before| (*next, *before) == (b'/', b'/'));
    Some(merged)
}

fn merged_and_resolved(path: &[u8]) -> Option<Vec<u8>> {
    match merged(path) {
        Some(merged) => Some(resolved(&merged).unwrap_or(merged)),
        None => resolved(path),
    }
}

fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    resolve(path, |segment| match segment {
        b"." => Some(Dots::Here),
        b".." => Some(Dots::Up),
        _ => None,
    })
}

/// With `%2e` for a dot.
fn resolved_as_written(path: &[u8]) -> Option<Vec<u8>> {
    let is_dot = |text: &[u8]| text == b"." || text.eq_ignore_ascii_case(b"%2e");
    resolve(path, |segment| {
        if segment.len() > "%2e%2e".len() {
            return None;
        }
        let is_up = |at| is_dot(&segment[..at]) && is_dot(&segment[at..]);
        if (1..segment.len()).any(is_up) {
            return Some(Dots::Up);
        }
        is_dot(segment).then_some(Dots::Here)
    })
}

/// What a segment of dots asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Here,
    Up,
}

/// Removes dot segments (RFC 3986 §5.2.4); none leads above the root. An empty segment is one.
fn resolve(path: &[u8], dots: impl Fn(&[u8]) -> Option<Dots>) -> Option<Vec<u8>> {
    let inner = path.strip_prefix(b"/")?;
    if !inner
        .split(|&byte| byte == b'/')
        .any(|segment| dots(segment).is_some())
    {
        return None;
    }
    let mut resolved = Vec::with_capacity(path.len());
    let mut ends_in_slash = false;
    for segment in inner.split(|&byte| byte == b'/') {
        let asked = dots(segment);
        ends_in_slash = asked.is_some();
        match asked {
            None => {
                resolved.push(b'/');
                resolved.extend_from_slice(segment);
            }
            Some(Dots::Here) => {}
            Some(Dots::Up) => {
                let before = memchr::memrchr(b'/', &resolved).unwrap_or(0);
                resolved.truncate(before);
            }
        }
    }
    if ends_in_slash || resolved.is_empty() {
        resolved.push(b'/');
    }
    Some(resolved)
}

fn decoded_within_segments(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', path)?;
    let mut guarded = path.to_vec();
    let mut plain = 0;
    let mut at = 0;
    while at < path.len() {
        let is_slash = path[at..]
            .get(..3)
            .is_some_and(|three| three.eq_ignore_ascii_case(b"%2f"));
        guarded[plain] = if is_slash { SLASH_WITHIN } else { path[at] };
        plain += 1;
        at += if is_slash { 3 } else { 1 };
    }
    guarded.truncate(plain);
    let decoded = decoded(&guarded);
    (decoded != path).then_some(decoded)
}

fn decoded_with_slashes(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', path)?;
    let decoded = decoded(path);
    (decoded != path).then_some(decoded)
}

/// What the first decoding left of a `/` is one now.
fn decoded_again_with_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = decoded_with_slashes(path)?;
    for byte in &mut decoded {
        if *byte == SLASH_WITHIN {
            *byte = b'/';
        }
    }
    Some(decoded)
}

fn with_code_units(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', path)?;
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        let unit = match rest {
            [b'%', b'u' | b'U', digits @ ..] => {
                hex_byte(digits).zip(digits.get(2..).and_then(hex_byte))
            }
            _ => None,
        };
        let Some((high, low)) = unit else {
            read.push(byte);
            rest = behind;
            continue;
        };
        let unit = u32::from(high) << 8 | u32::from(low);
        let letter = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut bytes = [0; 4];
        read.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
        rest = &rest["%u0061".len()..];
    }
    (read.len() < path.len()).then_some(read)
}

/// U+FF01 to U+FF5E, which are `!` to `~` as wide as Chinese characters.
fn with_narrow_forms(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(0xef, path)?;
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        let narrow = match *rest {
            [0xef, 0xbc, last @ 0x81..=0xbf, ..] => Some(last - 0x80 + b' '),
            [0xef, 0xbd, last @ 0x80..=0x9e, ..] => Some(last - 0x80 + b'`'),
            _ => None,
        };
        read.push(narrow.unwrap_or(byte));
        rest = if narrow.is_some() { &rest[3..] } else { behind };
    }
    (read.len() < path.len()).then_some(read)
}

fn with_overlong_ascii(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr3(0xc0, 0xc1, 0xe0, path).or_else(|| memchr::memchr(0xf0, path))?;
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        let (plain, length) = match *rest {
            [high @ (0xc0 | 0xc1), low @ 0x80..=0xbf, ..]
            | [0xe0, high @ (0x80 | 0x81), low @ 0x80..=0xbf, ..]
            | [0xf0, 0x80, high @ (0x80 | 0x81), low @ 0x80..=0xbf, ..] => {
                let length = match byte {
                    0xe0 => 3,
                    0xf0 => 4,
                    _ => 2,
                };
                ((high & 1) << 6 | low & 0x3f, length)
            }
            _ => {
                read.push(byte);
                rest = behind;
                continue;
            }
        };
        read.push(plain);
        rest = &rest[length..];
    }
    (read.len() < path.len()).then_some(read)
}

fn parsed_again(path: &[u8]) -> Option<Vec<u8>> {
    let is_blank_at_the_end = path
        .last()
        .is_some_and(|last| *last <= b' ' && *last != SLASH_WITHIN);
    if !is_blank_at_the_end
        && memchr::memchr2(b'?', b'#', path).is_none()
        && memchr::memchr3(b'\t', b'\n', b'\r', path).is_none()
    {
        return None;
    }
    let is_left_out = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r');
    let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    let kept: Vec<u8> = path[..end]
        .iter()
        .copied()
        .filter(|byte| !is_left_out(byte))
        .collect();
    let end = kept
        .iter()
        .rposition(|&byte| byte > b' ' || byte == SLASH_WITHIN);
    let kept = &kept[..end.map_or(0, |end| end + 1)];
    (kept.len() < path.len()).then(|| kept.to_vec())
}

fn without_trailing_dots(path: &[u8]) -> Option<Vec<u8>> {
    let is_at_an_end = |byte: &u8| *byte == b'.' || (*byte <= b' ' && *byte != SLASH_WITHIN);
    let mut segments = path.split(|&byte| byte == b'/');
    if !segments.any(|segment| segment.last().is_some_and(is_at_an_end)) {
        return None;
    }
    let mut read = Vec::with_capacity(path.len());
    for (place, segment) in path.split(|&byte| byte == b'/').enumerate() {
        if place > 0 {
            read.push(b'/');
        }
        let is_blank = |byte: &u8| *byte <= b' ' && *byte != SLASH_WITHIN;
        let end = segment.iter().rposition(|byte| !is_blank(byte));
        let name = &segment[..end.map_or(0, |end| end + 1)];
        if matches!(name, b"." | b"..") {
            read.extend_from_slice(name);
            continue;
        }
        let is_dropped = |byte: &u8| *byte == b'.' || is_blank(byte);
        let end = name.iter().rposition(|byte| !is_dropped(byte));
        read.extend_from_slice(&name[..end.map_or(0, |end| end + 1)]);
    }
    (read.len() < path.len()).then_some(read)
}

#[cfg(test)]
mod tests;
