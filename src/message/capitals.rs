//! What the bytes of a field's name are, eight at a time: which letters are capitals, and whether
//! there is an underscore.
//!
//! Names are compared in lower case and written as they were sent: this is all that is between.

/// Which bytes of a name are capital letters, the first byte in the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capitals(u64);

/// The longest name that has its capitals in a word, in bytes.
const LONGEST: usize = u64::BITS as usize;

/// A byte in all eight places of a word.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

impl Capitals {
    /// Those of a name as it was sent; `None` where it is too long.
    pub(super) fn of(sent: &[u8]) -> Option<Self> {
        let capitals = words(sent)?.map(|(word, at)| places(within(word, b'A', b'Z')) << at);
        Some(Self(capitals.fold(0, |all, some| all | some)))
    }

    /// Those that a name in lower case has in `Title-Case`; `None` where it is too long.
    pub(super) fn of_title(name: &[u8]) -> Option<Self> {
        let (mut letters, mut dashes) = (0, 0);
        for (word, at) in words(name)? {
            letters |= places(within(word, b'a', b'z')) << at;
            dashes |= places(within(word, b'-', b'-')) << at;
        }
        Some(Self(letters & (dashes << 1 | 1)))
    }

    /// Raises them in a name in lower case.
    pub(super) fn raise(self, name: &mut [u8]) {
        let mut left = self.0;
        while left != 0 {
            if let Some(letter) = name.get_mut(left.trailing_zeros() as usize) {
                letter.make_ascii_uppercase();
            }
            left &= left - 1;
        }
    }
}

/// Whether there is a `_` in a name.
pub(super) fn has_underscore(name: &[u8]) -> bool {
    match words(name) {
        Some(mut words) => words.any(|(word, _)| within(word, b'_', b'_') & eight(0x80) != 0),
        None => name.contains(&b'_'),
    }
}

/// A name's bytes, eight in a word, the first one lowest, and how many stand before them; the last
/// word is filled up with zeros. `None` where the name is too long.
fn words(name: &[u8]) -> Option<impl Iterator<Item = (u64, u32)>> {
    if name.len() > LONGEST {
        return None;
    }
    let (whole, rest) = name.as_chunks::<8>();
    let rest_word = match name.last_chunk::<8>() {
        // Read once more with what stands before it, which goes quicker than byte by byte.
        Some(last) if !rest.is_empty() => u64::from_le_bytes(*last) >> (8 * (8 - rest.len())),
        Some(_) => 0,
        None => rest
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let words = whole.iter().map(|eight| u64::from_le_bytes(*eight));
    let rest = (!rest.is_empty()).then_some(rest_word);
    Some(words.chain(rest).zip((0..).step_by(8)))
}

/// The places of the bytes whose highest bit is set.
fn places(marks: u64) -> u64 {
    // Gathers them in the highest byte: the factor moves the bit of byte n, at 8n, to 56 + n.
    ((marks & eight(0x80)) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Sets the highest bit of each byte that is from `first` to `last`, which are ASCII.
fn within(bytes: u64, first: u8, last: u8) -> u64 {
    let low = bytes & eight(0x7f);
    let from_first = low + eight(0x80 - first);
    let beyond_last = low + eight(0x7f - last);
    from_first & !beyond_last & !bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(capitals: Option<Capitals>, name: &str) -> String {
        let mut name = name.to_ascii_lowercase().into_bytes();
        capitals.expect("it is short").raise(&mut name);
        String::from_utf8(name).expect("text")
    }

    #[test]
    fn every_byte_at_every_place_is_told_from_a_capital() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut name = [b'x'; 20];
                name[at] = byte;
                let expected = u64::from(byte.is_ascii_uppercase()) << at;
                assert_eq!(Capitals::of(&name), Some(Capitals(expected)), "{byte} {at}");
            }
        }
    }

    #[test]
    fn an_underscore_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..70 {
                for length in [at + 1, at + 4, at + 9] {
                    let mut name = vec![b'x'; length];
                    name[at] = byte;
                    assert_eq!(has_underscore(&name), byte == b'_', "{byte} {at} {length}");
                }
            }
        }
    }

    #[test]
    fn a_name_gets_its_capitals_back() {
        for name in [
            "ETag",
            "x-lower",
            "X-UPPER-9a",
            "-a-",
            "",
            "Content-Security-Policy",
        ] {
            assert_eq!(raised(Capitals::of(name.as_bytes()), name), name);
        }
    }

    #[test]
    fn a_title_has_a_capital_behind_each_dash() {
        for title in [
            "Content-Type",
            "X--9a",
            "-A-",
            "Etag",
            "Www-Authenticate-A-B-C",
        ] {
            let name = title.to_ascii_lowercase();
            assert_eq!(raised(Capitals::of_title(name.as_bytes()), title), title);
        }
    }

    #[test]
    fn a_name_of_64_bytes_has_them_in_a_word_and_a_longer_one_has_not() {
        let name = "A".repeat(65);

        assert_eq!(
            Capitals::of(&name.as_bytes()[..64]),
            Some(Capitals(u64::MAX))
        );
        assert_eq!(Capitals::of(name.as_bytes()), None);
        assert_eq!(Capitals::of_title(name.as_bytes()), None);
    }
}
