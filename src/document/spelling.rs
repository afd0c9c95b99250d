//! How a document spells its numbers.
//!
//! A number that a program has moved or copied arrives as a bare double. When every number of the
//! document that reads as that double is spelled alike, that spelling is still known; two spellings
//! would be a guess, so then there is none. Where they are two *numbers*, even its digits are lost.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::memory::{Charge, Full, table};
use super::{Document, Node, number};

/// What is known of the numbers that read as one double, with an example of them.
#[derive(Debug, Clone, Copy)]
struct Known {
    example: Node,
    are: Are,
}

/// How numbers that read alike differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Are {
    SpelledAlike,
    OneNumber,
    SeveralNumbers,
}

type ByValue = HashMap<u64, Known>;

/// How a document spells the numbers that read as one double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled<T> {
    /// In no way that JavaScript would not choose, or it has none.
    AsUsual,
    /// All in this way.
    Alike(T),
    /// One number, in more ways than this one.
    Variously(T),
    /// There are several numbers that read so.
    Several,
}

/// The numbers of a document that JavaScript might spell in another way, found by their value.
///
/// The maps are made when first asked for, one for whole numbers and one for the rest: a program
/// that adds a counter to a price list never pays for the prices.
#[derive(Debug)]
pub(super) struct Spellings {
    odd: Vec<Node>,
    whole: OnceCell<ByValue>,
    fractions: OnceCell<ByValue>,
}

impl Spellings {
    /// `odd` are all numbers with a fraction, an exponent or more digits than a double keeps, and
    /// every `-0`.
    pub(super) fn new(odd: Vec<Node>) -> Self {
        Self {
            odd,
            whole: OnceCell::new(),
            fractions: OnceCell::new(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.odd.is_empty()
    }

    /// How `document` spells the number `value`, by an example.
    pub(super) fn find(&self, document: &Document, value: f64) -> Result<Spelled<Node>, Full> {
        if self.odd.is_empty() {
            return Ok(Spelled::AsUsual);
        }
        let by_value = if is_whole(value) {
            made(&self.whole, self.odd.len(), &document.charge, || {
                self.whole(document)
            })
        } else {
            made(&self.fractions, self.odd.len(), &document.charge, || {
                self.collect(document, |spelling| !is_whole(number::read(spelling)))
            })
        };
        let known = by_value?.get(&value.to_bits());
        Ok(known.map_or(Spelled::AsUsual, |known| match known.are {
            Are::SpelledAlike => Spelled::Alike(known.example),
            Are::OneNumber => Spelled::Variously(known.example),
            Are::SeveralNumbers => Spelled::Several,
        }))
    }

    /// Whether one of them may be another number than it reads as.
    pub(super) fn may_be_rounded(&self, document: &Document) -> bool {
        let mut odd = self.odd.iter();
        odd.any(|&node| number::may_be_rounded(document.spelling(node)))
    }

    fn whole(&self, document: &Document) -> ByValue {
        let mut by_value = self.collect(document, number::may_be_whole);
        if by_value.is_empty() {
            return by_value;
        }
        // `5` beside `5.0`: the plain spelling is in no list, so all numbers are looked at.
        let plain = (0..document.tokens.len())
            .filter_map(|at| u32::try_from(at).ok())
            .map(Node)
            .filter(|&node| matches!(document.text[document.start(node)], b'-' | b'0'..=b'9'))
            .filter(|node| self.odd.binary_search(node).is_err());
        for node in plain {
            if let Some(known) = by_value.get_mut(&document.number(node).to_bits()) {
                known.meet(document, node);
            }
        }
        by_value
    }

    fn collect(&self, document: &Document, is_wanted: impl Fn(&[u8]) -> bool) -> ByValue {
        let mut by_value = ByValue::new();
        for &node in self
            .odd
            .iter()
            .filter(|&&node| is_wanted(document.spelling(node)))
        {
            match by_value.entry(document.number(node).to_bits()) {
                Entry::Vacant(place) => {
                    place.insert(Known {
                        example: node,
                        are: Are::SpelledAlike,
                    });
                }
                Entry::Occupied(mut known) => known.get_mut().meet(document, node),
            }
        }
        by_value
    }
}

impl Known {
    /// Takes note of another number that reads alike.
    fn meet(&mut self, document: &Document, node: Node) {
        if self.are == Are::SeveralNumbers || document.is_spelled_alike(self.example, node) {
            return;
        }
        let is_same = number::is_same(document.spelling(self.example), document.spelling(node));
        self.are = if is_same {
            Are::OneNumber
        } else {
            Are::SeveralNumbers
        };
    }
}

/// The map in its place, made if it isn't there: of so many numbers at most.
fn made<'p>(
    place: &'p OnceCell<ByValue>,
    most: usize,
    charge: &Charge,
    make: impl FnOnce() -> ByValue,
) -> Result<&'p ByValue, Full> {
    if let Some(known) = place.get() {
        return Ok(known);
    }
    let most = table::<(u64, Known)>(most);
    // A table that grows is copied from one half its size.
    charge.grow(most + most / 2)?;
    let by_value = place.get_or_init(make);
    let takes = table::<(u64, Known)>(by_value.capacity());
    charge.shrink((most + most / 2).saturating_sub(takes));
    Ok(by_value)
}

fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 || value.is_infinite()
}
