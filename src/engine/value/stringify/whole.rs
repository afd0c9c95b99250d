//! Whole copies: objects and lists that a script made by copying ones of a document, by spread, rest,
//! `Object.assign`, `structuredClone` or `slice`.
//!
//! What holds the numbers of such a copy is new, but they stand under the keys, or at the indexes,
//! where they stood. As long as the copy has half of what was copied, its numbers keep their
//! spelling, as they would in the original.

use super::super::realm::Realm;
use super::super::reference::Ref;
use super::super::trace::Origin;
use crate::document::{Behind, Document, Node, Source};

/// How many containers of documents the numbers of one copy may come from.
const MOST_ORIGINALS: usize = 8;

/// What is known of the original of a new object or list while that is written.
pub(super) struct Copy {
    /// How many members or elements the copy has.
    count: usize,
    original: Option<Original>,
    tried: usize,
}

/// A container of a document that numbers were copied from.
struct Original {
    last: Source,
    /// The index of `last` among the elements; means nothing among members.
    index: usize,
    closing: Node,
    is_copied: bool,
}

impl Copy {
    /// A new object or list of so many members or elements.
    pub(super) fn of(count: usize) -> Self {
        Self {
            count,
            original: None,
            tried: 0,
        }
    }

    /// What a number under `key` was in the original, where it stood under the same one.
    pub(super) fn member(&mut self, realm: &Realm, value: Ref<'_>, key: &[u8]) -> Option<Source> {
        let source = number_of(realm, value)?;
        let had = source.document.key(source.node)?;
        (source.document.stands_for(had, key) && self.is_of_original(&source)).then_some(source)
    }

    /// What a number at `index` was in the original, where it stood at the same one.
    pub(super) fn element(
        &mut self,
        realm: &Realm,
        value: Ref<'_>,
        index: usize,
    ) -> Option<Source> {
        let source = number_of(realm, value)?;
        let is_element = source.document.key(source.node).is_none();
        (is_element && self.is_of_original(&source) && self.index_of(&source)? == index)
            .then_some(source)
    }

    /// Whether the number stands in the original, and enough of that was copied.
    fn is_of_original(&mut self, source: &Source) -> bool {
        let is_inside = |original: &Original| {
            std::rc::Rc::ptr_eq(&original.last.document, &source.document)
                && original.last.node <= source.node
                && source.node < original.closing
        };
        if let Some(original) = self.original.as_ref().filter(|it| is_inside(it)) {
            return original.is_copied;
        }
        if self.tried == MOST_ORIGINALS {
            return false;
        }
        self.tried += 1;
        let (behind, closing, count) = end_of(&source.document, source.node);
        let is_copied = 2 * self.count >= count;
        self.original = Some(Original {
            last: source.clone(),
            index: count - 1 - behind,
            closing,
            is_copied,
        });
        is_copied
    }

    /// The index of an element of the original; nothing where that isn't found on the way from the last one.
    fn index_of(&mut self, source: &Source) -> Option<usize> {
        let original = self.original.as_mut()?;
        while original.last.node < source.node {
            let Behind::Sibling(next) = source.document.behind(original.last.node) else {
                return None;
            };
            original.last.node = next;
            original.index += 1;
        }
        (original.last.node == source.node).then_some(original.index)
    }
}

/// The number of a document that a value is.
fn number_of(realm: &Realm, value: Ref<'_>) -> Option<Source> {
    match realm.origin(value) {
        Origin::Known(source) => Some(source),
        Origin::Lost | Origin::Unknown => None,
    }
}

/// How many stand behind a member's value or an element; the bracket behind them; and how many there are.
fn end_of(document: &Document, value: Node) -> (usize, Node, usize) {
    let is_member = document.key(value).is_some();
    let mut at = value;
    let mut behind = 0;
    loop {
        match document.behind(at) {
            Behind::Sibling(next) => {
                at = if is_member { next.value() } else { next };
                behind += 1;
            }
            Behind::End { closing, count } => return (behind, closing, count),
        }
    }
}
