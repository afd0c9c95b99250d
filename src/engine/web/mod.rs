//! What the web's names (`URL`, `TextEncoder`, `crypto`, …) are made of: natives that know no
//! transaction. The names themselves are built by the files of `realm/`.

mod bytes;
mod digest;
mod url;

use rquickjs::{Ctx, Object};

pub(super) use bytes::decoded;

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
