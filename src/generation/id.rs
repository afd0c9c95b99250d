//! The name of a generation.

use std::fmt;
use std::str::FromStr;

/// A generation's name: the first six bytes of its files' SHA-256, shown as 12 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GenerationId(pub [u8; 6]);

/// A text that is not 12 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a generation's id is 12 hex digits in lower case")]
pub struct ParseGenerationIdError;

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for GenerationId {
    type Err = ParseGenerationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.len() == 12
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return Err(ParseGenerationIdError);
        }
        let number = u64::from_str_radix(text, 16).expect("twelve hex digits are a number");
        let [_, _, id @ ..] = number.to_be_bytes();
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_what_it_shows() {
        let id = GenerationId([0x00, 0x1f, 0xa0, 0xff, 0x10, 0x09]);

        assert_eq!(id.to_string(), "001fa0ff1009");
        assert_eq!("001fa0ff1009".parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "001fa0ff100",
            "001fa0ff10090",
            "001FA0FF1009",
            "+01fa0ff1009",
            "é01fa0ff100",
        ] {
            assert_eq!(
                text.parse::<GenerationId>(),
                Err(ParseGenerationIdError),
                "{text}"
            );
        }
    }
}
