//! Sources: what of a document a value is, and how that is spelled.

use std::rc::Rc;

use super::class;
use super::context::{Cx, Thrown};
use super::keys::OwnedKey;
use super::lazy::Lazy;
use super::realm::Realm;
use super::reference::{Kind, Ref};
use super::trace::{Origin, Trace};
use crate::document::{self, Document, Node, Source, Spelled};

/// The node that an object or array came from.
pub(super) fn source_of(
    cx: Cx<'_>,
    realm: &Realm,
    value: Ref<'_>,
) -> Result<Option<Source>, Thrown> {
    if value.class() != realm.classes.array {
        return Ok(class::unwrap(value, realm.classes.lazy).map(Lazy::source));
    }
    // Its own and nobody else's: a prototype may be a proxy, which would be told of the name.
    let stamp = value.own_of_array(cx, realm.names.origin)?;
    Ok(stamp.and_then(|stamp| class::unwrap(stamp.get(), realm.classes.lazy).map(Lazy::source)))
}

/// Whether a primitive value is what a node reads as; a number that may be spelled in another way than
/// JavaScript would, only where it is that very number of the text.
pub(super) fn is_spelled_by(cx: Cx<'_>, value: Ref<'_>, document: &Document, node: Node) -> bool {
    match (document.kind(node), value.kind()) {
        (document::Kind::Null, Kind::Null)
        | (document::Kind::True, Kind::Bool(true))
        | (document::Kind::False, Kind::Bool(false)) => true,
        (document::Kind::Number, Kind::Number) => match Trace::of(document, node) {
            Some(trace) => value.trace() == Some(trace),
            None => value
                .number()
                .is_some_and(|number| number.to_bits() == document.number(node).to_bits()),
        },
        (document::Kind::String, Kind::String) => value
            .utf8(cx)
            .is_ok_and(|wtf8| document.stands_for(node, &wtf8)),
        _ => false,
    }
}

/// How the number `object[key]` is spelled: in its place, or else by the documents. `None` for what is
/// no number.
pub(super) fn spelled(
    cx: Cx<'_>,
    realm: &Realm,
    object: Ref<'_>,
    key: Ref<'_>,
) -> Result<Option<Spelled<Vec<u8>>>, Thrown> {
    let key = OwnedKey::of(cx, &key.own(cx))?;
    let value = object.get(cx, key.get())?;
    let Some(number) = value.get().number() else {
        return Ok(None);
    };
    let place = match class::unwrap(object, realm.classes.lazy) {
        Some(lazy) => lazy
            .source_of_member(cx, key.get())?
            .map(|Source { document, node }| Source {
                document,
                node: node.value(),
            }),
        None => element(cx, realm, object, value.get())?,
    };
    let in_place =
        place.filter(|place| is_spelled_by(cx, value.get(), &place.document, place.node));
    Ok(Some(match in_place {
        Some(Source { document, node }) => Spelled::Alike(document.spelling(node).to_vec()),
        None => realm.spelled(cx, number)?,
    }))
}

/// The element that a number of a list was in the document's array that the list is.
fn element(
    cx: Cx<'_>,
    realm: &Realm,
    list: Ref<'_>,
    number: Ref<'_>,
) -> Result<Option<Source>, Thrown> {
    let Origin::Known(element) = realm.origin(number) else {
        return Ok(None);
    };
    let array = source_of(cx, realm, list)?;
    Ok(array.and_then(|Source { document, node }| {
        let is_within =
            Rc::ptr_eq(&document, &element.document) && document.holds(node, element.node);
        is_within.then_some(element)
    }))
}
