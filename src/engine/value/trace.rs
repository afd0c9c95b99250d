//! Traces: which number of which document a JavaScript number is.
//!
//! A number that a script has read is a bare double, and so is every copy of it. Which number of a
//! text it was is noted in 32 bits of QuickJS's value that QuickJS carries along and never looks at:
//! those above the tag (`JS_VALUE_GET_TAG` in `quickjs.h` takes the lower ones). Whatever a script
//! computes has none there, so a copy can be told from a number that only reads alike.
//!
//! A trace is a hint about the text and never about the value: a number without one is spelled by
//! what it reads as.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::document::{Document, Kind, Node, Source};

/// The mark of one number; none is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trace(u32);

impl Trace {
    /// The one that a number of a document bears; none where the document's were given none.
    pub(super) fn of(document: &Document, node: Node) -> Option<Self> {
        let first = document.label();
        (first != 0).then(|| Self(first + node.number()))
    }

    /// The bits above a value's tag as they are.
    pub(super) fn of_bits(bits: u32) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }
}

/// What a trace leads to.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The number that it was.
    Known(Source),
    /// A number of a document that is gone and had numbers with more digits than a double has.
    Lost,
    /// Nothing that has to be known.
    Unknown,
}

/// The documents whose numbers bear traces.
#[derive(Debug)]
pub(super) struct Traces {
    /// By the trace of their first node.
    documents: BTreeMap<u32, Traced>,
    next: u32,
    /// How many documents there may be before those that are gone are forgotten.
    most: usize,
    /// Whether one with [rounded numbers](Document::has_rounded_numbers) was forgotten.
    has_lost: bool,
}

#[derive(Debug)]
struct Traced {
    document: Weak<Document>,
    size: u32,
    is_rounded: bool,
}

/// As many documents as a call usually has.
const USUAL: usize = 64;

impl Default for Traces {
    fn default() -> Self {
        Self {
            documents: BTreeMap::new(),
            next: 1,
            most: USUAL,
            has_lost: false,
        }
    }
}

impl Traces {
    /// What a document takes in the list, in bytes.
    pub(super) const TAKES: usize = 2 * size_of::<(u32, Traced)>();

    /// Gives the nodes of a document their traces.
    pub(super) fn add(&mut self, document: &Rc<Document>) {
        if self.documents.len() >= self.most {
            self.forget_gone();
            self.most = (2 * self.documents.len()).max(USUAL);
        }
        let size = u32::try_from(document.size()).expect("a document has fewer nodes than 2^32");
        let Some(first) = self.place(size) else {
            return;
        };
        self.next = first + size;
        document.set_label(first);
        let traced = Traced {
            document: Rc::downgrade(document),
            size,
            is_rounded: document.has_rounded_numbers(),
        };
        self.documents.insert(first, traced);
    }

    /// Where there are so many traces that no document has. They begin anew at their end.
    fn place(&self, size: u32) -> Option<u32> {
        let (mut first, mut is_second_round) = (self.next, false);
        loop {
            let Some(end) = first.checked_add(size) else {
                if is_second_round {
                    return None;
                }
                (first, is_second_round) = (1, true);
                continue;
            };
            match self.documents.range(..end).next_back() {
                Some((start, taken)) if start + taken.size > first => first = start + taken.size,
                Some(_) | None => return Some(first),
            }
        }
    }

    /// What number a trace stands for.
    pub(super) fn find(&self, Trace(trace): Trace, value: f64) -> Origin {
        let near = self.documents.range(..=trace).next_back();
        let Some((first, traced)) = near.filter(|(first, it)| trace - **first < it.size) else {
            return if self.has_lost {
                Origin::Lost
            } else {
                Origin::Unknown
            };
        };
        let Some(document) = traced.document.upgrade() else {
            return if traced.is_rounded {
                Origin::Lost
            } else {
                Origin::Unknown
            };
        };
        let node = document.node((trace - first) as usize);
        let is_value = |node: &Node| {
            document.kind(*node) == Kind::Number
                && document.number(*node).to_bits() == value.to_bits()
        };
        match node.filter(is_value) {
            Some(node) => Origin::Known(Source { document, node }),
            None => Origin::Unknown,
        }
    }

    /// Forgets documents that are gone, and that any were.
    pub(super) fn forget(&mut self) {
        self.documents
            .retain(|_, traced| traced.document.strong_count() > 0);
        self.has_lost = false;
    }

    fn forget_gone(&mut self) {
        let mut has_lost = self.has_lost;
        self.documents.retain(|_, traced| {
            let is_gone = traced.document.strong_count() == 0;
            has_lost |= is_gone && traced.is_rounded;
            !is_gone
        });
        self.has_lost = has_lost;
    }
}
