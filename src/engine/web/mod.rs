//! What the web's names (`URL`, `TextEncoder`, `crypto`, …) are made of: natives that know no
//! transaction. The names themselves are built by the files of `realm/`.

mod bytes;
mod digest;
mod url;

use rquickjs::{Object, TypedArray};

/// Offers the natives of all these names.
pub(super) fn offer(natives: &Object<'_>) -> rquickjs::Result<()> {
    bytes::offer(natives)?;
    digest::offer(natives)?;
    url::offer(natives)
}

/// The bytes of an array; none where its buffer was taken away.
pub(super) fn bytes_of(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: no JavaScript runs between borrowing the bytes and copying them.
    let bytes = unsafe { array.as_bytes() };
    bytes.map(<[u8]>::to_vec).unwrap_or_default()
}
