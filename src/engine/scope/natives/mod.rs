//! What the prelude is made of: small functions of the transaction, none of which a
//! handler can reach by itself.

mod numbers;
mod request;
mod response;
mod world;

use std::rc::Rc;

use rquickjs::{Ctx, Object};

use super::{Scope, lists};

pub(super) use request::{WORDS, text};

/// Builds the natives, save the views.
pub(super) fn build<'js>(ctx: &Ctx<'js>, scope: &Rc<Scope>) -> rquickjs::Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    request::offer(&natives, scope)?;
    response::offer(&natives, scope)?;
    world::offer(&natives, scope)?;
    numbers::offer(&natives)?;
    lists::offer(&natives, scope)?;
    Ok(natives)
}
