//! Texts that scripts made: counted as long as anybody has them, wherever that is.

use bytes::Bytes;

use crate::document::Charge;

/// A text and what gives its memory back.
struct Made {
    text: Vec<u8>,
    _charge: Option<Box<dyn Send>>,
}

impl AsRef<[u8]> for Made {
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
