//! Where the plain part of a string ends.

use wide::u8x16;

/// The offset, from `at` on, of the first byte that does not stand for itself in a string: a quote,
/// a backslash or a control; the text's length where there is none.
#[inline]
pub(super) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = text.get(at..at + 16).and_then(<[u8]>::first_chunk) {
        let special = special(u8x16::new(*bytes));
        if special != 0 {
            return at + special.trailing_zeros() as usize;
        }
        at += 16;
    }
    last_plain_end(text, at)
}

/// The same for the last bytes of a text.
#[cold]
fn last_plain_end(text: &[u8], at: usize) -> usize {
    let is_special = |&b: &u8| b == b'"' || b == b'\\' || b < 0x20;
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// A bit for each byte that doesn't stand for itself, the lowest for the first.
#[inline]
fn special(bytes: u8x16) -> u32 {
    const LAST_CONTROL: u8x16 = u8x16::new([0x1F; 16]);
    let is_control = bytes.max(LAST_CONTROL).simd_eq(LAST_CONTROL);
    let is_quote = bytes.simd_eq(u8x16::new([b'"'; 16]));
    let is_backslash = bytes.simd_eq(u8x16::new([b'\\'; 16]));
    (is_control | is_quote | is_backslash).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::plain_end;

    #[test]
    fn every_byte_at_every_place_is_told_apart() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let end = if is_special { place } else { length };
                    assert_eq!(plain_end(&text, 0), end, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        for place in 0..20 {
            let mut text = [vec![b'a'; place], b"\"\\\x1f\"".to_vec()].concat();
            text.resize(40, 0xFF);
            assert_eq!(plain_end(&text, 0), place);
            assert_eq!(plain_end(&text, place + 1), place + 1);
        }
    }
}
