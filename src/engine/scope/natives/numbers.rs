//! How numbers of a body are spelled.

use rquickjs::{Ctx, IntoJs, Object, Value};

use crate::document::Spelled;
use crate::engine::fence::native;
use crate::engine::value;

pub(super) fn offer<'js>(natives: &Object<'js>) -> rquickjs::Result<()> {
    natives.set(
        "spelled",
        native(|ctx: Ctx<'js>, object: Value<'js>, key: Value<'js>| spelled(&ctx, &object, &key)),
    )
}

/// How the number `object[key]` is spelled: `null` where that isn't known any more, `undefined` where
/// it is spelled as JavaScript does.
fn spelled<'js>(
    ctx: &Ctx<'js>,
    object: &Value<'js>,
    key: &Value<'js>,
) -> rquickjs::Result<Value<'js>> {
    match value::spelled(ctx, object, key)? {
        Some(Spelled::Alike(text)) => text.into_js(ctx),
        Some(Spelled::Variously(_) | Spelled::Several) => Ok(Value::new_null(ctx.clone())),
        Some(Spelled::AsUsual) | None => Ok(Value::new_undefined(ctx.clone())),
    }
}
