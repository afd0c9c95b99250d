//! Sources: what of a document a value is, and how that is spelled.

use super::class;
use super::context::{Cx, Thrown};
use super::lazy::Lazy;
use super::realm::Realm;
use super::reference::{Kind, Ref};
use crate::document::{self, Document, Node, Source};

/// The node that an object or array came from.
pub(super) fn source_of(
    cx: Cx<'_>,
    realm: &Realm,
    value: Ref<'_>,
) -> Result<Option<Source>, Thrown> {
    if value.class() != realm.classes.array {
        return Ok(class::unwrap(value, realm.classes.lazy).map(Lazy::source));
    }
    let stamp = value.get(cx, realm.names.origin)?;
    Ok(class::unwrap(stamp.get(), realm.classes.lazy).map(Lazy::source))
}

/// Whether a primitive value is what a node reads as.
pub(super) fn is_spelled_by(cx: Cx<'_>, value: Ref<'_>, document: &Document, node: Node) -> bool {
    match (document.kind(node), value.kind()) {
        (document::Kind::Null, Kind::Null)
        | (document::Kind::True, Kind::Bool(true))
        | (document::Kind::False, Kind::Bool(false)) => true,
        (document::Kind::Number, Kind::Number) => value
            .number()
            .is_some_and(|number| number.to_bits() == document.number(node).to_bits()),
        (document::Kind::String, Kind::String) => value
            .utf8(cx)
            .is_ok_and(|wtf8| document.string(node).is(&wtf8)),
        _ => false,
    }
}
