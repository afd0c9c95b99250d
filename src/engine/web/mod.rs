//! What the web's names (`URL`, `TextEncoder`, `crypto`, …) are made of: natives that know no
//! transaction. The names themselves are built by the files of `realm/`.

mod bytes;
mod digest;
mod url;

use rquickjs::{Ctx, Object, TypedArray};

/// The natives that the prelude's part `name` is made of; none where it needs none.
pub(super) fn natives<'js>(ctx: &Ctx<'js>, name: &str) -> rquickjs::Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    match name {
        "bytes" => bytes::offer(&natives)?,
        "crypto" => digest::offer(&natives)?,
        "url" => url::offer(&natives)?,
        _ => {}
    }
    Ok(natives)
}

/// The bytes of an array; none where its buffer was taken away.
pub(super) fn bytes_of(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: no JavaScript runs between borrowing the bytes and copying them.
    let bytes = unsafe { array.as_bytes() };
    bytes.map(<[u8]>::to_vec).unwrap_or_default()
}
