//! A query string that can be edited pair by pair.
//!
//! Pairs that nobody wrote to keep their bytes and their place; a pair that was
//! written is spelled anew, percent-encoded.

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// What stays as it is in a name or value that we spell: RFC 3986 §2.3's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Queries with more pairs than this find them by a table of names; below it a walk is as quick.
const INDEXED_FROM: usize = 16;

/// The parameters of one request.
///
/// Whatever is asked of it or written to it takes a time that doesn't grow with how many there are, listing
/// them aside: clients choose that number.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// In order; nothing where one was taken away.
    pairs: Vec<Option<Pair>>,
    /// The places of the pairs of each name, in order; only where there are many.
    places: Option<HashMap<String, Vec<usize>>>,
    /// How many were taken away.
    gone: usize,
    /// The bytes of all that are there.
    length: usize,
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
        let mut query = Self::default();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            query.push(Pair::parse(pair));
        }
        query
    }

    /// The decoded values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let known = self.places.as_ref().map(|places| {
            let places = places.get(name).map_or(&[][..], Vec::as_slice);
            places.iter().filter_map(|&at| self.pairs[at].as_ref())
        });
        let walked = self.places.is_none().then(|| {
            let is_named = move |pair: &&Pair| pair.name == name;
            self.present().filter(is_named)
        });
        let found = known.into_iter().flatten();
        found
            .chain(walked.into_iter().flatten())
            .map(|pair| pair.value.as_str())
    }

    /// The decoded names in order, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut known = HashSet::with_capacity(self.pairs.len());
        let names = self.present().map(|pair| pair.name.as_str());
        names.filter(|&name| known.insert(name)).collect()
    }

    /// Gives `name` exactly these values, where its pairs stood or else at the
    /// end. No values remove it.
    pub fn set(&mut self, name: &str, values: &[&str]) {
        self.edited = true;
        let places = self.take_places(name);
        let kept = places.len().min(values.len());
        for (&at, &value) in places.iter().zip(values) {
            let is_so = |pair: &Pair| pair.value == value;
            if !self.pairs[at].as_ref().is_some_and(is_so) {
                self.put(at, Some(Pair::spell(name, value)));
            }
        }
        for &at in &places[kept..] {
            self.put(at, None);
            self.gone += 1;
        }
        if kept > 0
            && let Some(known) = &mut self.places
        {
            known.insert(name.to_owned(), places[..kept].to_vec());
        }
        for &value in &values[kept..] {
            self.push(Pair::spell(name, value));
        }
        self.forget_gone();
    }

    /// How long it is as text, in bytes, its separators left out.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.len() == self.gone
    }

    /// Whether anything was written since it was read.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    fn present(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().flatten()
    }

    /// Where the pairs of a name stand; the table, where there is one, no longer has them.
    fn take_places(&mut self, name: &str) -> Vec<usize> {
        if let Some(known) = &mut self.places {
            return known.remove(name).unwrap_or_default();
        }
        let pairs = self.pairs.iter().enumerate();
        let named = pairs.filter(|(_, pair)| pair.as_ref().is_some_and(|pair| pair.name == name));
        named.map(|(at, _)| at).collect()
    }

    /// Adds a pair at the end.
    fn push(&mut self, pair: Pair) {
        let at = self.pairs.len();
        if let Some(places) = &mut self.places {
            places.entry(pair.name.clone()).or_default().push(at);
        }
        self.pairs.push(None);
        self.put(at, Some(pair));
        if self.places.is_none() && self.pairs.len() > INDEXED_FROM {
            self.index();
        }
    }

    fn put(&mut self, at: usize, pair: Option<Pair>) {
        let length = |pair: &Option<Pair>| pair.as_ref().map_or(0, |pair| pair.raw.len());
        self.length = self.length + length(&pair) - length(&self.pairs[at]);
        self.pairs[at] = pair;
    }

    /// Forgets the places of what is gone once they outnumber the rest.
    fn forget_gone(&mut self) {
        if self.gone > INDEXED_FROM && self.gone > self.pairs.len() / 2 {
            self.pairs.retain(Option::is_some);
            self.gone = 0;
            self.index();
        }
    }

    fn index(&mut self) {
        let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(self.pairs.len());
        for (at, pair) in self.pairs.iter().enumerate() {
            if let Some(pair) = pair {
                places.entry(pair.name.clone()).or_default().push(at);
            }
        }
        self.places = Some(places);
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, pair) in self.present().enumerate() {
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

    /// What [`Query`] does, in the plainest way.
    fn set_plainly(pairs: &mut Vec<(String, String)>, name: &str, values: &[&str]) {
        let mut values = values.iter();
        pairs.retain_mut(|(known, value)| {
            known != name || values.next().map(|new| (*new).clone_into(value)).is_some()
        });
        pairs.extend(values.map(|value| (name.to_owned(), (*value).to_owned())));
    }

    #[test]
    fn many_parameters_are_written_as_few_are() {
        let mut state = 7_u64;
        let mut below = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits fit") % limit
        };
        for round in 0..200 {
            let count = below(60);
            let name = |at: usize| format!("n{}", at % 25);
            let mut plain: Vec<_> = (0..count)
                .map(|at| (name(at * 7), at.to_string()))
                .collect();
            let raw: Vec<_> = plain
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mut query = Query::parse(&raw.join("&"));
            for _ in 0..below(80) {
                let name = name(below(30));
                let values = &["x", "y", "z"][..below(4).min(below(4))];
                query.set(&name, values);
                set_plainly(&mut plain, &name, values);

                let expected: Vec<_> = plain.iter().map(|(n, v)| format!("{n}={v}")).collect();
                assert_eq!(query.to_string(), expected.join("&"), "round {round}");
                assert_eq!(query.len(), expected.iter().map(String::len).sum::<usize>());
                assert_eq!(query.is_empty(), expected.is_empty());
                let of_name = plain
                    .iter()
                    .filter(|(n, _)| *n == name)
                    .map(|(_, v)| v.as_str());
                assert!(query.get_all(&name).eq(of_name), "round {round}");
                let mut names: Vec<&str> = Vec::new();
                for (name, _) in &plain {
                    if !names.contains(&name.as_str()) {
                        names.push(name);
                    }
                }
                assert_eq!(query.names(), names);
            }
        }
    }

    #[test]
    fn no_values_remove_a_parameter() {
        let mut query = Query::parse("a=1&b=2&a=3");

        query.set("a", &[]);

        assert_eq!(query.to_string(), "b=2");
    }
}
