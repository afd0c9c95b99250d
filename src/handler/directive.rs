//! Directives: what a handler says about itself.
//!
//! The same words stand in a file's leading comments (`@timeout 20ms`) and in
//! its `NAME.json` (`"timeout": "20ms"`); both are read by [`Directive::parse`].

use std::time::Duration;

use super::event::{EventError, EventName};
use super::pattern::{Match, MatchError};

/// The word a directive begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// `@match [METHODS] PATTERN`; may stand several times.
    Match,
    /// `@event NAME`
    Event,
    /// `@active false`
    Active,
    /// `@timeout 20ms`
    Timeout,
    /// `@onError skip`
    OnError,
    /// `@body none|full`
    Body,
}

/// One directive with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// Runs where the pattern matches; several mean any of them.
    Match(Match),
    /// Runs on this event.
    Event(EventName),
    /// Whether the handler runs at all.
    Active(bool),
    /// The handler's own time limit, in place of the configured one.
    Timeout(Duration),
    /// What its failure does to the transaction.
    OnError(OnError),
    /// Whether it sees bodies, whatever its text looks like.
    Body(BodyPlan),
}

/// What a handler's failure does to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Fails it too.
    #[default]
    Fail,
    /// Nothing: the handler's edits are undone and the next one runs.
    Skip,
}

/// Whether a handler is planned with bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPlan {
    /// It runs on the heads of a streamed transaction.
    None,
    /// Bodies are buffered for it.
    Full,
}

/// Why a directive's value can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// A pattern.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// An event's name.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Neither `true` nor `false`.
    #[error("@active takes `true` or `false`, not `{0}`")]
    Active(String),
    /// No whole number with a unit, or zero.
    #[error("@timeout takes a whole number above 0 and `ms` or `s`, such as `20ms`, not `{0}`")]
    Timeout(String),
    /// Not `skip`.
    #[error("@onError takes `skip`, not `{0}`")]
    OnError(String),
    /// Neither `none` nor `full`.
    #[error("@body takes `none` or `full`, not `{0}`")]
    Body(String),
}

impl Word {
    /// All words, as they are explained to people.
    pub const ALL: [Self; 6] = [
        Self::Match,
        Self::Event,
        Self::Active,
        Self::Timeout,
        Self::OnError,
        Self::Body,
    ];

    /// The word spelled exactly so, without its `@`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }

    /// The word without its `@`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Event => "event",
            Self::Active => "active",
            Self::Timeout => "timeout",
            Self::OnError => "onError",
            Self::Body => "body",
        }
    }

    /// The word that `text`, which is none, was probably meant to be: one letter
    /// left out, added, changed or swapped with the next, whatever the case.
    pub fn one_slip_from(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|word| is_at_most_one_slip(text.as_bytes(), word.as_str().as_bytes()))
    }
}

fn is_at_most_one_slip(left: &[u8], right: &[u8]) -> bool {
    let alike = |(l, r): &(&u8, &u8)| l.eq_ignore_ascii_case(r);
    let start = left.iter().zip(right).take_while(alike).count();
    let (left, right) = (&left[start..], &right[start..]);
    match (left, right) {
        ([a, b, left @ ..], [c, d, right @ ..])
            if left.eq_ignore_ascii_case(right)
                && a.eq_ignore_ascii_case(d)
                && b.eq_ignore_ascii_case(c) =>
        {
            true
        }
        ([], []) => true,
        ([], [_, rest @ ..]) | ([_, rest @ ..], []) => rest.is_empty(),
        ([_, left_rest @ ..], [_, right_rest @ ..]) => {
            left_rest.eq_ignore_ascii_case(right_rest)
                || left_rest.eq_ignore_ascii_case(right)
                || left.eq_ignore_ascii_case(right_rest)
        }
    }
}

impl Directive {
    /// Reads `value` as `word` wants it.
    pub fn parse(word: Word, value: &str) -> Result<Self, DirectiveError> {
        Ok(match (word, value) {
            (Word::Match, _) => Self::Match(Match::parse(value)?),
            (Word::Event, _) => Self::Event(EventName::parse(value)?),
            (Word::Active, "true") => Self::Active(true),
            (Word::Active, "false") => Self::Active(false),
            (Word::Active, _) => return Err(DirectiveError::Active(value.to_owned())),
            (Word::Timeout, _) => Self::Timeout(
                parse_duration(value).ok_or_else(|| DirectiveError::Timeout(value.to_owned()))?,
            ),
            (Word::OnError, "skip") => Self::OnError(OnError::Skip),
            (Word::OnError, _) => return Err(DirectiveError::OnError(value.to_owned())),
            (Word::Body, "none") => Self::Body(BodyPlan::None),
            (Word::Body, "full") => Self::Body(BodyPlan::Full),
            (Word::Body, _) => return Err(DirectiveError::Body(value.to_owned())),
        })
    }

    /// The word it begins with.
    pub fn word(&self) -> Word {
        match self {
            Self::Match(_) => Word::Match,
            Self::Event(_) => Word::Event,
            Self::Active(_) => Word::Active,
            Self::Timeout(_) => Word::Timeout,
            Self::OnError(_) => Word::OnError,
            Self::Body(_) => Word::Body,
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().ok().filter(|number| *number > 0)?;
    match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_takes_its_values() {
        for (word, value, expected) in [
            (Word::Active, "false", Directive::Active(false)),
            (Word::Active, "true", Directive::Active(true)),
            (
                Word::Timeout,
                "20ms",
                Directive::Timeout(Duration::from_millis(20)),
            ),
            (
                Word::Timeout,
                "2 s",
                Directive::Timeout(Duration::from_secs(2)),
            ),
            (Word::OnError, "skip", Directive::OnError(OnError::Skip)),
            (Word::Body, "none", Directive::Body(BodyPlan::None)),
            (Word::Body, "full", Directive::Body(BodyPlan::Full)),
            (
                Word::Match,
                "/x",
                Directive::Match(Match::parse("/x").unwrap()),
            ),
            (
                Word::Event,
                "db.get",
                Directive::Event(EventName::parse("db.get").unwrap()),
            ),
        ] {
            assert_eq!(
                Directive::parse(word, value),
                Ok(expected),
                "{word:?} {value}"
            );
        }
    }

    #[test]
    fn other_values_are_refused_with_what_is_wanted() {
        for (word, value, message) in [
            (
                Word::Active,
                "no",
                "@active takes `true` or `false`, not `no`",
            ),
            (Word::OnError, "", "@onError takes `skip`, not ``"),
            (
                Word::Body,
                "some",
                "@body takes `none` or `full`, not `some`",
            ),
            (Word::Event, "db.", "an event's name has no empty parts"),
            (
                Word::Match,
                "x",
                "@match needs a pattern that begins with `/`, such as `GET /orders/**`",
            ),
        ] {
            let error = Directive::parse(word, value).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        for value in [
            "",
            "20",
            "ms",
            "0ms",
            "-1s",
            "1.5s",
            "20MS",
            "1h",
            "99999999999999999999s",
        ] {
            assert_eq!(
                Directive::parse(Word::Timeout, value),
                Err(DirectiveError::Timeout(value.to_owned()))
            );
        }
    }

    #[test]
    fn a_word_one_slip_away_is_recognised() {
        for (slip, word) in [
            ("onerror", Word::OnError),
            ("ONERROR", Word::OnError),
            ("onErorr", Word::OnError),
            ("mach", Word::Match),
            ("matchh", Word::Match),
            ("metch", Word::Match),
            ("amtch", Word::Match),
            ("timeuot", Word::Timeout),
            ("events", Word::Event),
            ("ctive", Word::Active),
            ("boby", Word::Body),
        ] {
            assert_eq!(Word::parse(slip), None, "{slip}");
            assert_eq!(Word::one_slip_from(slip), Some(word), "{slip}");
        }
    }

    #[test]
    fn other_words_are_no_slips() {
        for other in [
            "param", "ts-check", "returns", "license", "metadata", "m", "bdoy2", "",
        ] {
            assert_eq!(Word::one_slip_from(other), None, "{other}");
        }
    }
}
