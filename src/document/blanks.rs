//! Blanks: what stands between the members of a container, and so would stand around a new one.

use super::{Document, Kind, Node};

/// The most bytes of blanks that are taken for a style. A document may have megabytes of them
/// between two members; they are copied where they stand, and not again for each new one.
const LONGEST: usize = 256;

/// The blanks of a container's style.
#[derive(Debug, Clone, Default)]
pub(super) struct Blanks {
    /// Behind the opening bracket.
    pub(super) head: Vec<u8>,
    /// Behind a comma.
    pub(super) lead: Vec<u8>,
    /// Before a colon.
    pub(super) before_colon: Vec<u8>,
    /// Behind a colon.
    pub(super) after_colon: Vec<u8>,
    /// Before the closing bracket.
    pub(super) tail: Vec<u8>,
}

impl Blanks {
    /// `JSON.stringify`'s style: each member on a line of its own, indented by one `gap` a level.
    pub(super) fn indented(gap: &[u8]) -> Self {
        let line = [b"\n", gap].concat();
        Self {
            head: line.clone(),
            lead: line,
            before_colon: Vec::new(),
            after_colon: b" ".to_vec(),
            tail: b"\n".to_vec(),
        }
    }

    /// The style for a new container within one of this style.
    pub(super) fn nested(&self) -> Self {
        let unit = self
            .lead
            .strip_prefix(self.tail.as_slice())
            .filter(|_| self.tail.contains(&b'\n'));
        let (head, lead, tail) = match unit {
            Some(unit) => {
                let line = [&self.lead, unit].concat();
                (line.clone(), line, self.lead.clone())
            }
            None if self.lead.contains(&b'\n') => Default::default(),
            None => (Vec::new(), self.lead.clone(), Vec::new()),
        };
        Self {
            head,
            lead,
            before_colon: self.before_colon.clone(),
            after_colon: self.after_colon.clone(),
            tail,
        }
    }

    /// The style of a container of a document; `around` is that for a new one there and fills in
    /// what it has no example of.
    pub(super) fn of(document: &Document, container: Node, around: Self) -> Self {
        let mut children = document.children(container);
        let Some(first) = children.next() else {
            return around;
        };
        let text = document.text();
        let head = style(&text[document.start(container) + 1..document.start(first)]);
        let tail = style(tail(document, container));
        let (before_colon, after_colon) = match document.kind(container) {
            Kind::Object => {
                let colon = &text[document.span(first).end..document.start(first.value())];
                let at = colon
                    .iter()
                    .position(|&b| b == b':')
                    .expect("a colon stands between a key and its value");
                (style(&colon[..at]), style(&colon[at + 1..]))
            }
            _ => (around.before_colon, around.after_colon),
        };
        let lead = match children.next() {
            Some(second) => style(before(document, second)),
            None if head.contains(&b'\n') => head.clone(),
            None if after_colon == b" " => b" ".to_vec(),
            None => around.lead,
        };
        Self {
            head,
            lead,
            before_colon,
            after_colon,
            tail,
        }
    }
}

fn style(blanks: &[u8]) -> Vec<u8> {
    blanks[..blanks.len().min(LONGEST)].to_vec()
}

/// The blanks right before a node.
pub(super) fn before(document: &Document, node: Node) -> &[u8] {
    let text = &document.text()[..document.start(node)];
    let is_blank = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t');
    let count = text.iter().rev().take_while(|b| is_blank(b)).count();
    &text[text.len() - count..]
}

/// The blanks right before the closing bracket of a container.
pub(super) fn tail(document: &Document, container: Node) -> &[u8] {
    before(document, document.closing(container))
}
