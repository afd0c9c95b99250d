//! A query string that can be edited pair by pair.
//!
//! Pairs that nobody wrote to keep their bytes and their place; a pair that was
//! written is spelled anew, percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// What stays as it is in a name or value that we spell: RFC 3986 §2.3's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<Pair>,
    edited: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    /// As it stands, or will stand, in the query string.
    raw: String,
    name: String,
    value: String,
}

impl Query {
    /// Reads a query string, without its `?`. Every text is one: what isn't
    /// UTF-8 once decoded reads with U+FFFD in its place and keeps its bytes.
    pub fn parse(raw: &str) -> Self {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(Pair::parse)
            .collect();
        Self {
            pairs,
            edited: false,
        }
    }

    /// The decoded values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |pair| pair.name == name)
            .map(|pair| pair.value.as_str())
    }

    /// The decoded names in order, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::with_capacity(self.pairs.len());
        for pair in &self.pairs {
            if !names.contains(&pair.name.as_str()) {
                names.push(&pair.name);
            }
        }
        names
    }

    /// Gives `name` exactly these values, where its pairs stood or else at the
    /// end. No values remove it.
    pub fn set(&mut self, name: &str, values: &[&str]) {
        let mut values = values.iter().copied();
        let mut kept: Vec<Pair> = Vec::with_capacity(self.pairs.len() + values.len());
        for pair in self.pairs.drain(..) {
            if pair.name != name {
                kept.push(pair);
            } else if let Some(value) = values.next() {
                kept.push(if pair.value == value {
                    pair
                } else {
                    Pair::spell(name, value)
                });
            }
        }
        kept.extend(values.map(|value| Pair::spell(name, value)));
        self.pairs = kept;
        self.edited = true;
    }

    /// How long it is as text, in bytes, its separators left out.
    pub fn len(&self) -> usize {
        self.pairs.iter().map(|pair| pair.raw.len()).sum()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Whether anything was written since it was read.
    pub fn is_edited(&self) -> bool {
        self.edited
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, pair) in self.pairs.iter().enumerate() {
            if at > 0 {
                f.write_str("&")?;
            }
            f.write_str(&pair.raw)?;
        }
        Ok(())
    }
}

impl Pair {
    fn parse(raw: &str) -> Self {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Self {
            raw: raw.to_owned(),
            name: decode(name),
            value: decode(value),
        }
    }

    fn spell(name: &str, value: &str) -> Self {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        Self {
            raw: format!("{}={}", encoded(name), encoded(value)),
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// Decodes `%XX` and, as forms write them, `+` for a blank.
fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes())
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_query_keeps_every_byte() {
        let raw = "a=%7e&b=1+2&b=%C3%A9&flag&x=%ff";

        let query = Query::parse(raw);

        assert_eq!(query.to_string(), raw);
        assert_eq!(query.names(), ["a", "b", "flag", "x"]);
        assert_eq!(query.get_all("b").collect::<Vec<_>>(), ["1 2", "é"]);
        assert!(!query.is_edited());
    }

    #[test]
    fn a_written_parameter_is_spelled_anew_and_the_others_stay() {
        let mut query = Query::parse("a=%7e&b=1&c=3&b=2");

        query.set("b", &["ö &"]);
        query.set("d", &["x", "y"]);

        assert_eq!(query.to_string(), "a=%7e&b=%C3%B6%20%26&c=3&d=x&d=y");
        assert!(query.is_edited());
    }

    #[test]
    fn no_values_remove_a_parameter() {
        let mut query = Query::parse("a=1&b=2&a=3");

        query.set("a", &[]);

        assert_eq!(query.to_string(), "b=2");
    }
}
