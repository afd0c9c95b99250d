//! Percent-encoding of paths (RFC 3986 §2.1), undone as those who serve them undo it.

/// Undoes it once. A `%` before anything but two hex digits stands for itself.
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = if byte == b'%' { hex_byte(behind) } else { None };
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    bytes
}

/// The byte that two hex digits stand for.
pub fn hex_byte(digits: &[u8]) -> Option<u8> {
    let nibble = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    let value = nibble(0)? * 16 + nibble(1)?;
    Some(u8::try_from(value).expect("two hex digits are a byte"))
}

/// Whether a path holds a NUL for somebody: decoded once or twice, as `%u0000`, or in the two, three
/// or four bytes that a lenient reader of UTF-8 takes for it (Java writes the two). Programs in C
/// take it for the path's end, so that nobody knows which path they serve.
pub fn hides_nul(path: &[u8]) -> bool {
    let has = |text: &[u8]| {
        text.contains(&0)
            || text.windows(2).any(|two| two == [0xc0, 0x80])
            || text.windows(3).any(|three| three == [0xe0, 0x80, 0x80])
            || text.windows(4).any(|four| four == [0xf0, 0x80, 0x80, 0x80])
            || text
                .windows(6)
                .any(|six| six.eq_ignore_ascii_case(b"%u0000"))
    };
    if path.is_ascii() && memchr::memchr(b'%', path).is_none() {
        return path.contains(&0);
    }
    let once = decoded(path);
    has(path) || has(&once) || memchr::memchr(b'%', &once).is_some() && has(&decoded(&once))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hex_digits_are_a_byte_and_nothing_else_is() {
        for (text, plain) in [
            ("%61%2f%2F", "a//"),
            ("%2561", "%61"),
            ("%zz%4", "%zz%4"),
            ("%", "%"),
            ("%%41", "%A"),
        ] {
            assert_eq!(decoded(text.as_bytes()), plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_nul_is_found_however_it_is_written() {
        for path in [
            &b"/a%00"[..],
            b"/%00a",
            b"/a%2500",
            b"/a%25%30%30",
            b"/a%%30%30",
            b"/a%u0000b",
            b"/a%U0000",
            b"/a%25u0000",
            b"/a%C0%80",
            b"/a\xc0\x80",
            b"/a%25c0%2580",
            b"/a%E0%80%80",
            b"/a\xe0\x80\x80b",
            b"/a%f0%80%80%80",
            b"/a%25f0%2580%2580%2580",
        ] {
            assert!(hides_nul(path), "{}", String::from_utf8_lossy(path));
        }
        for path in [
            &b"/a"[..],
            b"/%0",
            b"/%0a0",
            b"/%01",
            b"/a%252500",
            b"/caf\xc3\xa9%20",
            b"/%u0001",
            b"/%e0%a0%80%f0%90%80%80",
        ] {
            assert!(!hides_nul(path), "{}", String::from_utf8_lossy(path));
        }
    }
}
