//! Handler names and their order.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A handler's name: its file's name without directory, kind and ending, such as `10-auth`.
///
/// 1 to 255 bytes without control characters. Two names are equal only when
/// they are spelled alike; see [`HandlerName::alphabetical`] for their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HandlerName(Arc<str>);

/// Why a text is no handler name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left before the kind and the ending.
    #[error("a handler needs a name before its kind and ending")]
    Empty,
    /// Longer than 255 bytes.
    #[error("a handler's name has at most 255 bytes")]
    TooLong,
    /// Holds a line break or another control character.
    #[error("a handler's name holds no control characters")]
    Control,
}

impl HandlerName {
    /// Takes `text` as a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > 255 {
            return Err(NameError::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The name as it is spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Alphabetical order: bytewise with ASCII letters lower-cased, so `_` stands
    /// before `a`, `a` before `B`, and `10-x` before `9-x`.
    ///
    /// Names that differ in case only are `Equal` here; whoever sorts breaks the tie.
    pub fn alphabetical(&self, other: &Self) -> Ordering {
        fn lowered(name: &str) -> impl Iterator<Item = u8> {
            name.bytes().map(|byte| byte.to_ascii_lowercase())
        }
        lowered(&self.0).cmp(lowered(&other.0))
    }

    /// The digits the name begins with, such as `10` of `10-auth`; empty where there are none.
    pub fn number(&self) -> &str {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        &self.0[..digits]
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HandlerName {
        HandlerName::parse(text).unwrap()
    }

    #[test]
    fn names_order_alphabetically_without_regard_to_case() {
        let expected = ["10-x", "9-x", "_a", "a", "B", "b2", "c", "é"];

        let mut names: Vec<_> = expected.iter().rev().map(|text| name(text)).collect();
        names.sort_by(HandlerName::alphabetical);

        let sorted: Vec<_> = names.iter().map(HandlerName::as_str).collect();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn a_name_has_1_to_255_bytes_and_no_control_characters() {
        assert_eq!(HandlerName::parse(""), Err(NameError::Empty));
        assert_eq!(
            HandlerName::parse(&"x".repeat(256)),
            Err(NameError::TooLong)
        );
        assert_eq!(HandlerName::parse("a\nb"), Err(NameError::Control));
        assert!(HandlerName::parse(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn the_number_is_what_digits_a_name_begins_with() {
        assert_eq!(name("010-auth").number(), "010");
        assert_eq!(name("auth-10").number(), "");
    }
}
