//! Documents: JSON texts that are read in place and written back byte for byte.
//!
//! A [`Document`] is the text and an index over it (`index`); nothing is decoded before somebody
//! asks. What a program changes is noted beside it ([`Members`]), and a [`Writer`] puts the new
//! text together from the spans of the old one and the few values that are new. So numbers keep
//! their digits, strings their escapes, members their order, and blanks their places.
//!
//! Nothing here knows JavaScript. What a reader would get wrong: a document never changes, and a
//! member's *key* is a [`Node`] as well; the value's node is [`Node::value`] of it.

mod blanks;
mod edit;
mod error;
mod index;
mod memory;
mod number;
mod out;
mod plain;
mod spelling;
mod string;
mod write;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;

use bytes::Bytes;

pub use edit::{Members, Slot, State};
pub use error::{Fault, ParseError};
pub use memory::{Budget, Charge, Full};
pub use number::is_same as is_same_number;
pub use out::{Piece, Written};
pub use spelling::Spelled;
pub use string::Text;
pub use write::{Form, Layout, Overflow, Source, Writer};

use index::Token;
use spelling::Spellings;

/// The most containers that may stand inside each other.
pub const MAX_DEPTH: usize = 128;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// A value or a key of a document, by its place in it.
///
/// Nodes are numbered in the order of the text, the root is the first. A node of one document means
/// nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

impl Node {
    /// Its number: how many nodes stand before it.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The value of the member whose key this is.
    #[must_use]
    pub fn value(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`; keys are strings too.
    String,
    /// A number.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// What stands behind a member's value or an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// The next member's key, or the next element.
    Sibling(Node),
    /// The end of the container.
    End {
        /// Its closing bracket.
        closing: Node,
        /// How many members or elements it has.
        count: usize,
    },
}

/// A JSON text and its index.
#[derive(Debug)]
pub struct Document {
    text: Bytes,
    /// Whether pieces of the text may be kept longer than the document.
    is_lent: bool,
    tokens: Vec<Token>,
    is_compact: bool,
    spellings: Spellings,
    label: Cell<u32>,
    /// What index and spellings take.
    charge: Charge,
}

impl Document {
    /// Indexes a text: one value, [RFC 8259] to the letter, at most [`MAX_DEPTH`] deep. A byte
    /// order mark may stand before it.
    ///
    /// # Errors
    ///
    /// The first place at which the text is not such a value.
    pub fn parse(text: Bytes) -> Result<Self, ParseError> {
        Self::parse_within(text, Charge::on(None))
    }

    /// The same; `charge` grows by what the document takes besides its text, which somebody else
    /// counts as long as any piece of it is kept: writers may [share](Form::Pieces) them.
    ///
    /// # Errors
    ///
    /// [`Fault::Memory`] and [`Fault::Time`] too, before there is none.
    pub fn parse_within(text: Bytes, charge: Charge) -> Result<Self, ParseError> {
        let start = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        simdutf8::compat::from_utf8(&text)
            .map_err(|error| ParseError::at(&text, error.valid_up_to(), Fault::Encoding))?;
        let index = index::scan(&text, start, &charge)
            .map_err(|(offset, fault)| ParseError::at(&text, offset, fault))?;
        Ok(Self {
            text,
            is_lent: true,
            tokens: index.tokens,
            is_compact: index.is_compact,
            spellings: Spellings::new(index.odd_numbers),
            label: Cell::new(0),
            charge,
        })
    }

    /// Whether a text is one JSON value, without an index of it. Costs no memory, and about half as
    /// long as [parsing](Self::parse).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn check(text: &[u8]) -> Result<(), ParseError> {
        simdutf8::compat::from_utf8(text)
            .map_err(|error| ParseError::at(text, error.valid_up_to(), Fault::Encoding))?;
        let mark = text.starts_with(BYTE_ORDER_MARK);
        let start = if mark { BYTE_ORDER_MARK.len() } else { 0 };
        index::check(text, start).map_err(|(offset, fault)| ParseError::at(text, offset, fault))
    }

    /// The same of a copy of a text, which `charge` grows by as well.
    ///
    /// # Errors
    ///
    /// As [`Self::parse_within`].
    pub fn parse_copy(text: &[u8], charge: Charge) -> Result<Self, ParseError> {
        charge.grow(text.len())?;
        let document = Self::parse_within(Bytes::copy_from_slice(text), charge)?;
        Ok(Self {
            is_lent: false,
            ..document
        })
    }

    /// The document's one value.
    pub fn root(&self) -> Node {
        Node(0)
    }

    /// The whole text, with all that stands around the root.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Whether the text begins with a byte order mark.
    pub fn has_byte_order_mark(&self) -> bool {
        self.text.starts_with(BYTE_ORDER_MARK)
    }

    /// What `node` is.
    pub fn kind(&self, node: Node) -> Kind {
        match self.text[self.start(node)] {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The bytes of `node`, brackets or quotes included.
    pub fn spelling(&self, node: Node) -> &[u8] {
        &self.text[self.span(node)]
    }

    /// How many members or elements the container `node` has.
    pub fn count(&self, node: Node) -> usize {
        self.token(self.closing(node)).extent as usize
    }

    /// The keys of an object or the elements of an array, in the order of the text, duplicates and
    /// all.
    pub fn children(&self, container: Node) -> impl Iterator<Item = Node> + '_ {
        let is_object = self.kind(container) == Kind::Object;
        let end = self.closing(container);
        let first = Node(container.0 + 1);
        std::iter::successors((first < end).then_some(first), move |&child| {
            let next = self.after(if is_object { child.value() } else { child });
            (next < end).then_some(next)
        })
    }

    /// The number `node` as the nearest double; beyond the doubles it is infinite.
    pub fn number(&self, node: Node) -> f64 {
        number::read(self.spelling(node))
    }

    /// What the string or key `node` stands for.
    pub fn string(&self, node: Node) -> Text<'_> {
        string::read(self.inner(node))
    }

    /// Whether the string or key `node` stands for a text: UTF-8 in which an unpaired surrogate may
    /// stand as if it were a character.
    pub fn stands_for(&self, node: Node, wtf8: &[u8]) -> bool {
        string::stands_for(self.inner(node), wtf8)
    }

    /// What stands between the quotes of the string or key `node`.
    pub fn inner(&self, node: Node) -> &[u8] {
        let Token { start, extent } = self.token(node);
        &self.text[start as usize + 1..(start + extent) as usize - 1]
    }

    /// Whether there are numbers that JavaScript might spell in another way.
    pub fn has_odd_numbers(&self) -> bool {
        !self.spellings.is_empty()
    }

    /// How the document spells the number `value`.
    ///
    /// # Errors
    ///
    /// There is no memory to find out.
    pub fn spelled(&self, value: f64) -> Result<Spelled<&[u8]>, Full> {
        Ok(match self.spellings.find(self, value)? {
            Spelled::AsUsual => Spelled::AsUsual,
            Spelled::Alike(node) => Spelled::Alike(self.spelling(node)),
            Spelled::Variously(node) => Spelled::Variously(self.spelling(node)),
            Spelled::Several => Spelled::Several,
        })
    }

    /// Whether a number of the document may be another than the double that it reads as.
    pub fn has_rounded_numbers(&self) -> bool {
        self.spellings.may_be_rounded(self)
    }

    /// What a program has labelled the document with; 0 before it does.
    pub fn label(&self) -> u32 {
        self.label.get()
    }

    /// Labels the document, for the program's own use.
    pub fn set_label(&self, label: u32) {
        self.label.set(label);
    }

    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// The node with a number, where there is one.
    pub fn node(&self, number: usize) -> Option<Node> {
        let node = u32::try_from(number).ok().map(Node)?;
        (number < self.tokens.len()).then_some(node)
    }

    /// The key of the member whose value this is; `None` for an element and for the root.
    pub fn key(&self, value: Node) -> Option<Node> {
        let before = &self.text[..self.start(value)];
        let last = before.iter().rfind(|byte| !byte.is_ascii_whitespace());
        (last == Some(&b':')).then(|| Node(value.0 - 1))
    }

    /// Whether a value stands in the container, at any depth.
    pub fn holds(&self, container: Node, value: Node) -> bool {
        container < value && value < self.closing(container)
    }

    /// What stands behind the value of a member, or an element.
    pub fn behind(&self, value: Node) -> Behind {
        let next = self.after(value);
        match self.text[self.start(next)] {
            b'}' | b']' => Behind::End {
                closing: next,
                count: self.token(next).extent as usize,
            },
            _ => Behind::Sibling(next),
        }
    }

    /// Whether two scalars or keys are spelled alike.
    pub fn is_spelled_alike(&self, one: Node, other: Node) -> bool {
        let (one, other) = (self.token(one), self.token(other));
        one.extent == other.extent
            && self.is_same_text(
                one.start as usize,
                other.start as usize,
                one.extent as usize,
            )
    }

    /// Compares two pieces of the text. They are a few bytes long mostly, for which a call of
    /// `memcmp` takes longer.
    fn is_same_text(&self, one: usize, other: usize, length: usize) -> bool {
        let padded = length.next_multiple_of(8);
        let (Some(one_padded), Some(other_padded)) = (
            self.text.get(one..one + padded),
            self.text.get(other..other + padded),
        ) else {
            return self.text[one..one + length] == self.text[other..other + length];
        };
        let mut pairs = one_padded
            .as_chunks::<8>()
            .0
            .iter()
            .zip(other_padded.as_chunks::<8>().0);
        let difference = |(one, other): (&[u8; 8], &[u8; 8])| {
            u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other)
        };
        // What is padding in the last word is shifted out.
        let last = pairs.next_back().map_or(0, difference) << (8 * (padded - length));
        last == 0 && pairs.all(|pair| difference(pair) == 0)
    }

    /// The node behind `node` and all it holds: its sibling, or the closing bracket around them.
    fn after(&self, node: Node) -> Node {
        self.end(node).1
    }

    /// The offset behind `node` and all it holds, and the node that follows.
    fn end(&self, node: Node) -> (usize, Node) {
        let Token { start, extent } = self.token(node);
        match self.text[start as usize] {
            b'{' | b'[' => (
                self.token(Node(extent - 1)).start as usize + 1,
                Node(extent),
            ),
            _ => (start as usize + extent as usize, Node(node.0 + 1)),
        }
    }

    /// The closing bracket of the container `node`.
    fn closing(&self, node: Node) -> Node {
        Node(self.token(node).extent - 1)
    }

    fn span(&self, node: Node) -> Range<usize> {
        self.start(node)..self.end(node).0
    }

    fn start(&self, node: Node) -> usize {
        self.token(node).start as usize
    }

    fn token(&self, node: Node) -> Token {
        self.tokens[node.0 as usize]
    }
}
