//! Cases: a document, and what a handler may do to it.

use std::fmt::Write as _;

/// Where a case's accidents come from.
enum Choices<'d> {
    /// A small generator (xorshift), so that a failure can be found again by its number.
    Number(u64),
    /// Bytes that somebody else chooses. When they are used up, the first of everything is taken.
    Bytes(&'d [u8]),
}

impl Choices<'_> {
    /// A number below `limit`, which is at most 256.
    fn below(&mut self, limit: usize) -> usize {
        match self {
            Self::Number(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                usize::try_from(*state >> 33).expect("31 bits fit") % limit
            }
            Self::Bytes(bytes) => {
                let Some((&first, rest)) = bytes.split_first() else {
                    return 0;
                };
                *bytes = rest;
                usize::from(first) % limit
            }
        }
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn blanks(&mut self, spaced: bool) -> &'static str {
        if spaced {
            self.pick(&["", "", " ", "  ", "\n", "\t", "\r\n  "])
        } else {
            ""
        }
    }

    fn value(&mut self, depth: usize, spaced: bool) -> String {
        match self.below(if depth > 3 { 6 } else { 10 }) {
            0..=2 => self
                .pick(&[
                    "0",
                    "-0",
                    "1",
                    "1.0",
                    "1.00",
                    "10",
                    "1e1",
                    "1E+1",
                    "1.10",
                    "1.1",
                    "-5",
                    "9007199254740993",
                    "1e400",
                    "0.1",
                    "123456789012345678",
                    "2",
                    "2.5",
                    "2.50",
                    "25e-1",
                ])
                .to_owned(),
            3 | 4 => self
                .pick(&[
                    r#""""#,
                    r#""a""#,
                    r#""\u0061""#,
                    r#""\/""#,
                    r#""é""#,
                    r#""\u00E9""#,
                    r#""\ud83d\ude42""#,
                    r#""\ud800""#,
                    r#""a\uDC00\uD83D\uDE42\ud83d""#,
                    r#""x\"y\\z\n""#,
                    "\"🙂\"",
                ])
                .to_owned(),
            5 => self.pick(&["true", "false", "null"]).to_owned(),
            6 | 7 => {
                let items: Vec<String> = (0..self.below(5))
                    .map(|_| self.value(depth + 1, spaced))
                    .collect();
                self.list('[', &items, ']', spaced)
            }
            _ => {
                let count = if self.below(12) == 0 {
                    20
                } else {
                    self.below(6)
                };
                let items: Vec<String> = (0..count).map(|_| self.member(depth, spaced)).collect();
                self.list('{', &items, '}', spaced)
            }
        }
    }

    fn member(&mut self, depth: usize, spaced: bool) -> String {
        let key = self.pick(&[
            r#""a""#,
            r#""a""#,
            r#""b""#,
            r#""c""#,
            r#""d""#,
            r#""\u0061""#,
            r#""1""#,
            r#""10""#,
            r#""__proto__""#,
            r#""é""#,
            r#""""#,
            r#""toString""#,
            r#""length""#,
            r#""4294967295""#,
            r#""k1""#,
            r#""k2""#,
            r#""k3""#,
        ]);
        let (before, after) = (self.blanks(spaced), self.blanks(spaced));
        format!("{key}{before}:{after}{}", self.value(depth + 1, spaced))
    }

    fn list(&mut self, open: char, items: &[String], close: char, spaced: bool) -> String {
        let mut text = String::from(open);
        for (at, item) in items.iter().enumerate() {
            let (before, after) = (self.blanks(spaced), self.blanks(spaced));
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}{before}{item}{after}").expect("a string takes everything");
        }
        if items.is_empty() {
            text += self.blanks(spaced);
        }
        text.push(close);
        text
    }

    /// A document, and which of its members a handler is told of.
    fn document(&mut self) -> (String, Vec<String>) {
        let spaced = self.below(2) == 0;
        let keys: Vec<String> = (0..6).map(|number| format!("k{number}")).collect();
        let member = |key: &String| {
            let blanks = self.blanks(spaced);
            format!("\"{key}\":{blanks}{}", self.value(0, spaced))
        };
        let items: Vec<String> = keys.iter().map(member).collect();
        let text = self.list('{', &items, '}', spaced);
        let allowed = keys[..=self.below(5)].to_vec();
        (text, allowed)
    }
}

/// What the handler's own accidents come from.
pub(super) enum Script {
    /// A number that is not 0.
    Number(u32),
    /// Bytes, the last one first.
    Bytes(Vec<u8>),
}

/// A document, and what a handler may do to it.
pub(in super::super) struct Case {
    /// The document; its root is an object.
    pub(in super::super) text: String,
    /// The members that the handler is told of.
    pub(super) allowed: Vec<String>,
    pub(super) script: Script,
}

impl Case {
    /// The case of a number.
    pub(in super::super) fn of_number(number: u64) -> Self {
        let mut choices = Choices::Number(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (text, allowed) = choices.document();
        let seed = u32::try_from(choices.below(1 << 30)).expect("30 bits fit") + 1;
        Self {
            text,
            allowed,
            script: Script::Number(seed),
        }
    }

    /// A case that bytes choose: the first ones the document, the last ones what is done to it.
    pub(in super::super) fn of_bytes(bytes: &[u8]) -> Self {
        let (text, allowed) = Choices::Bytes(bytes).document();
        Self {
            text,
            allowed,
            script: Script::Bytes(bytes.to_vec()),
        }
    }
}
