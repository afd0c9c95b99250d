//! The writer: puts a text together from the spans of documents and from new values.
//!
//! A program opens and closes containers and says, child by child, what stands in them. In the
//! [`Layout::Source`] a container that comes from a document keeps its blanks: where two children
//! that were neighbours are neighbours still, all that stood between them is copied; where they are
//! not, each brings the blanks it had before it.

use std::ops::Range;
use std::rc::Rc;

use super::blanks::{self, Blanks};
use super::memory::Charge;
use super::out::{Out, Written};
use super::string::{mend, quote, string_end};
use super::{Document, Kind, Node};

/// Where a value or a member comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The document.
    pub document: Rc<Document>,
    /// The value in it, or the member's key.
    pub node: Node,
}

/// What is done about blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// What comes from a document keeps its own; what is new follows its surroundings.
    Source,
    /// There are none.
    Compact,
    /// Those of `JSON.stringify`: a line for each member, indented by the given text once a level.
    Indented(Vec<u8>),
}

/// What a text is put together as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One piece.
    Whole,
    /// Pieces. Long spans of documents whose text [may be shared](Document::parse_within) are not
    /// copied.
    Pieces {
        /// How long a shared span is at least, in bytes. Pieces of other text are twice as long.
        shared: usize,
    },
}

/// A container that is being written.
#[derive(Debug)]
struct Frame {
    closing: u8,
    origin: Option<Source>,
    is_empty: bool,
    /// Children of `origin` to be copied, as a span of its document.
    kept: Option<Range<usize>>,
    /// Behind a child of `origin`: the offset, and the node that follows.
    resume: Option<(usize, Node)>,
    /// Whether new children stand without blanks. Saves to look for a style where there is none.
    is_bare: bool,
    /// The style of new children, once it is known.
    blanks: Option<Blanks>,
}

/// Why a text could not be written to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is longer than it may be.
    Long,
    /// There is no memory for it.
    Memory,
}

/// A text in the making.
///
/// Once it has overflown it stays as it is, whatever else is written; [`Self::check`] tells.
#[derive(Debug)]
pub struct Writer {
    out: Out,
    layout: Layout,
    frames: Vec<Frame>,
}

impl Writer {
    /// An empty text; room for `capacity` bytes is made at once.
    pub fn new(layout: Layout, form: Form, capacity: usize) -> Self {
        Self::within(layout, form, capacity, usize::MAX, Charge::on(None))
    }

    /// The same, for a text of at most `longest` bytes; `charge` grows by what it takes besides
    /// what is shared.
    pub fn within(
        layout: Layout,
        form: Form,
        capacity: usize,
        longest: usize,
        charge: Charge,
    ) -> Self {
        Self {
            out: Out::new(form, capacity, longest, charge),
            layout,
            frames: Vec::new(),
        }
    }

    /// Whether all that was written is there.
    ///
    /// # Errors
    ///
    /// Why it isn't.
    #[inline]
    pub fn check(&self) -> Result<(), Overflow> {
        self.out.check()
    }

    /// The finished text, as far as it [is there](Self::check).
    pub fn finish(self) -> Vec<u8> {
        self.finish_charged().0.joined()
    }

    /// The finished text, as far as it [is there](Self::check), and what it takes.
    pub fn finish_charged(self) -> (Written, Charge) {
        debug_assert!(
            self.frames.is_empty(),
            "each container that was opened is closed"
        );
        self.out.finish()
    }

    /// Copies what stands before the root of a document: a byte order mark, blanks.
    pub fn before_root(&mut self, document: &Document) {
        if self.layout == Layout::Source {
            self.out
                .extend_from_slice(&document.text()[..document.start(document.root())]);
        }
    }

    /// Copies the blanks behind the root of a document.
    pub fn after_root(&mut self, document: &Document) {
        if self.layout == Layout::Source {
            self.out
                .extend_from_slice(&document.text()[document.span(document.root()).end..]);
        }
    }

    /// Opens an object; `origin` is the one it was.
    pub fn open_object(&mut self, origin: Option<Source>) {
        self.open(b'{', b'}', origin);
    }

    /// Opens an array; `origin` is the one it was.
    pub fn open_array(&mut self, origin: Option<Source>) {
        self.open(b'[', b']', origin);
    }

    fn open(&mut self, opening: u8, closing: u8, origin: Option<Source>) {
        let is_bare = match (&self.layout, &origin) {
            (Layout::Compact, _) => true,
            (Layout::Indented(_), _) => false,
            (Layout::Source, Some(Source { document, .. })) => document.is_compact,
            (Layout::Source, None) => self.frames.last().is_none_or(|around| around.is_bare),
        };
        self.out.push(opening);
        self.frames.push(Frame {
            closing,
            origin,
            is_empty: true,
            kept: None,
            resume: None,
            is_bare,
            blanks: None,
        });
    }

    /// Closes the innermost container.
    pub fn close(&mut self) {
        self.write_kept();
        self.tail();
        if let Some(frame) = self.frames.pop() {
            self.out.push(frame.closing);
        }
    }

    /// Writes what stands before a closing bracket.
    fn tail(&mut self) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let origin = frame
            .origin
            .as_ref()
            .filter(|_| self.layout == Layout::Source);
        if let Some(Source { document, node }) = origin {
            let closing = document.closing(*node);
            if let Some((offset, _)) = frame.resume.filter(|&(_, next)| next == closing) {
                let end = document.start(closing);
                self.out.extend_from_slice(&document.text()[offset..end]);
                return;
            }
            let was_empty = document.count(*node) == 0;
            if frame.is_empty == was_empty {
                self.out.extend_from_slice(blanks::tail(document, *node));
                return;
            }
        }
        if !frame.is_empty {
            self.style(|blanks| &blanks.tail);
        }
    }

    /// Writes a child of the container's origin as it is: an element, or a member by its key.
    pub fn keep(&mut self, document: &Document, child: Node) {
        self.keep_run(document, child, child);
    }

    /// Writes children of the container's origin as they are, from `first` to `last`, which may be
    /// the same.
    ///
    /// What is kept one behind the other is copied in one go.
    pub fn keep_run(&mut self, document: &Document, first: Node, last: Node) {
        let can_copy = !matches!(self.layout, Layout::Indented(_));
        let resume = document.end(self.value_of(last));
        match self.frames.last_mut() {
            Some(Frame {
                kept: Some(kept),
                resume: Some(place),
                ..
            }) if place.1 == first => {
                *place = resume;
                kept.end = resume.0;
            }
            Some(Frame {
                origin: Some(_), ..
            }) if can_copy => {
                self.separate(document, first);
                if let Some(frame) = self.frames.last_mut() {
                    frame.kept = Some(document.start(first)..resume.0);
                    frame.resume = Some(resume);
                }
            }
            Some(_) | None => {
                let mut child = first;
                while child <= last {
                    self.source_child(document, child);
                    self.copy(document, self.value_of(child));
                    child = document.after(self.value_of(child));
                }
            }
        }
    }

    /// Begins a child of the container's origin, an element or a member by its key; its value is
    /// written next.
    pub fn source_child(&mut self, document: &Document, child: Node) {
        self.separate(document, child);
        let value = self.value_of(child);
        if self.layout == Layout::Source {
            self.out
                .extend_from_slice(&document.text()[document.start(child)..document.start(value)]);
        } else if self.in_object() {
            self.out.extend_from_slice(document.spelling(child));
            self.colon();
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.resume = Some(document.end(value));
        }
    }

    /// Begins a new member; its value is written next. `key` is as [`quote`] takes it.
    pub fn new_member(&mut self, key: &[u8]) {
        self.separate_new();
        quote(&mut self.out, key);
        self.colon();
    }

    /// Begins a new element; its value is written next.
    pub fn new_element(&mut self) {
        self.separate_new();
    }

    /// Writes a value of a document as it is.
    pub fn copy(&mut self, document: &Document, node: Node) {
        match &self.layout {
            Layout::Source => copy_span(&mut self.out, document, document.span(node)),
            Layout::Compact => copy_compact(&mut self.out, document, document.span(node)),
            Layout::Indented(_) => self.copy_indented(document, node),
        }
    }

    /// Writes a scalar in the given spelling.
    pub fn spelled(&mut self, spelling: &[u8]) {
        self.out.extend_from_slice(spelling);
    }

    /// Writes a scalar in a spelling that a JavaScript string holds, so that unpaired surrogates
    /// may stand in it.
    pub fn spelled_by_script(&mut self, spelling: &[u8]) {
        mend(&mut self.out, spelling);
    }

    /// Writes a string; `text` is as [`quote`] takes it.
    pub fn string(&mut self, text: &[u8]) {
        quote(&mut self.out, text);
    }

    fn copy_indented(&mut self, document: &Document, node: Node) {
        match document.kind(node) {
            Kind::Object => self.open_object(None),
            Kind::Array => self.open_array(None),
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                self.out.extend_from_slice(document.spelling(node));
                return;
            }
        }
        for child in document.children(node) {
            self.source_child(document, child);
            self.copy(document, self.value_of(child));
        }
        self.close();
    }

    /// Writes what stands before a child of the origin.
    fn separate(&mut self, document: &Document, child: Node) {
        if self.layout != Layout::Source {
            self.separate_new();
            return;
        }
        self.write_kept();
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let is_first_here = std::mem::replace(&mut frame.is_empty, false);
        if let Some((offset, _)) = frame.resume.filter(|&(_, next)| next == child) {
            self.out
                .extend_from_slice(&document.text()[offset..document.start(child)]);
            return;
        }
        if !is_first_here {
            self.out.push(b',');
        }
        let was_first = frame
            .origin
            .as_ref()
            .is_some_and(|origin| document.children(origin.node).next() == Some(child));
        match (is_first_here, was_first) {
            (true, true) | (false, false) => {
                self.out.extend_from_slice(blanks::before(document, child));
            }
            (true, false) => self.style(|blanks| &blanks.head),
            (false, true) => self.style(|blanks| &blanks.lead),
        }
    }

    fn separate_new(&mut self) {
        self.write_kept();
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.resume = None;
        if std::mem::replace(&mut frame.is_empty, false) {
            self.style(|blanks| &blanks.head);
        } else {
            self.out.push(b',');
            self.style(|blanks| &blanks.lead);
        }
    }

    fn write_kept(&mut self) {
        let Some(Frame {
            kept,
            origin: Some(Source { document, .. }),
            ..
        }) = self.frames.last_mut()
        else {
            return;
        };
        let Some(kept) = kept.take() else { return };
        if self.layout == Layout::Compact {
            copy_compact(&mut self.out, document, kept);
        } else {
            copy_span(&mut self.out, document, kept);
        }
    }

    fn value_of(&self, child: Node) -> Node {
        if self.in_object() {
            child.value()
        } else {
            child
        }
    }

    /// Whether the innermost container is an object, whose children are known by their keys.
    fn in_object(&self) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| frame.closing == b'}')
    }

    fn colon(&mut self) {
        self.style(|blanks| &blanks.before_colon);
        self.out.push(b':');
        self.style(|blanks| &blanks.after_colon);
    }

    /// Writes a part of the innermost container's style.
    fn style(&mut self, part: impl Fn(&Blanks) -> &Vec<u8>) {
        if self.frames.last().is_none_or(|frame| frame.is_bare) {
            return;
        }
        let innermost = self.frames.len() - 1;
        let blanks = self.blanks(innermost);
        self.out.extend_from_slice(part(&blanks));
        self.frames[innermost].blanks = Some(blanks);
    }

    /// The style of a container, taken out of its frame if it was known.
    fn blanks(&mut self, frame: usize) -> Blanks {
        if let Some(known) = self.frames[frame].blanks.take() {
            return known;
        }
        let around = match (&self.layout, frame.checked_sub(1)) {
            (Layout::Indented(gap), None) => Blanks::indented(gap),
            (Layout::Source | Layout::Compact, None) => Blanks::default(),
            (Layout::Source | Layout::Compact | Layout::Indented(_), Some(outer)) => {
                let blanks = self.blanks(outer);
                let nested = blanks.nested();
                self.frames[outer].blanks = Some(blanks);
                nested
            }
        };
        match &self.frames[frame].origin {
            Some(Source { document, node }) if self.layout == Layout::Source => {
                Blanks::of(document, *node, around)
            }
            Some(_) | None => around,
        }
    }
}

fn copy_span(out: &mut Out, document: &Document, span: Range<usize>) {
    if document.is_lent {
        out.extend_from_span(document.text(), span);
    } else {
        out.extend_from_slice(&document.text()[span]);
    }
}

fn copy_compact(out: &mut Out, document: &Document, span: Range<usize>) {
    let text = &document.text()[span];
    if document.is_compact {
        out.extend_from_slice(text);
    } else {
        strip_blanks(out, text);
    }
}

/// Appends a piece of JSON without the blanks outside its strings.
fn strip_blanks(out: &mut Out, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|b| matches!(b, b'"' | b' ' | b'\n' | b'\r' | b'\t'))
    {
        let (plain, found) = rest.split_at(at);
        let (string, behind) = if found[0] == b'"' {
            found.split_at(string_end(found))
        } else {
            (&[][..], &found[1..])
        };
        out.extend_from_slice(plain);
        out.extend_from_slice(string);
        rest = behind;
    }
    out.extend_from_slice(rest);
}
