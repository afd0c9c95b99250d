//! Texts that scripts made: counted as long as anybody has them, wherever that is.

use std::sync::Arc;

use bytes::Bytes;

use crate::document::{Charge, Piece, Written};
use crate::message::Pieces;

/// A text and what gives its memory back.
struct Made<C> {
    text: Vec<u8>,
    _charge: C,
}

impl<C> AsRef<[u8]> for Made<C> {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// A text that leaves the heap `charge` is of, and is counted with all heaps' memory from now on.
pub(super) fn text(text: Vec<u8>, charge: Charge) -> Bytes {
    Bytes::from_owner(Made {
        text,
        _charge: charge.hand_over(),
    })
}

/// The same of a text in pieces. All is counted until nobody has any of those that were made;
/// those that are shared are their owner's to count.
pub(super) fn pieces(written: Written, charge: Charge) -> Pieces {
    let pieces = match written.into_one() {
        Ok(only) => return text(only, charge).into(),
        Err(pieces) => pieces,
    };
    let charge = Arc::new(charge.hand_over());
    let bytes = |piece| match piece {
        Piece::Own(text) => Bytes::from_owner(Made {
            text,
            _charge: Arc::clone(&charge),
        }),
        Piece::Shared(text) => text,
    };
    pieces.map(bytes).collect()
}
