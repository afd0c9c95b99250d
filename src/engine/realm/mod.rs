//! What a handler finds around itself: the scope's names in a frozen realm.

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Function, Object, Persistent};

const PRELUDE: &str = include_str!("prelude.js");
const HARDEN: &str = include_str!("harden.js");

/// The prelude's functions, for the engine.
#[derive(Clone)]
pub(super) struct Realm {
    /// Says what a thrown value means.
    pub describe: Persistent<Function<'static>>,
    /// Is told by a handler how to find out what `json` is when it has ended.
    pub capture: Persistent<Function<'static>>,
    /// Drops what was kept since the phase began, or since it was last left.
    pub forget: Persistent<Function<'static>>,
    /// Ends a phase.
    pub leave: Persistent<Function<'static>>,
    /// The `statusCode` of a body, where it is an object.
    pub status_code: Persistent<Function<'static>>,
}

/// Builds the names of the scope from `natives` and freezes the realm.
pub(super) fn build<'js>(ctx: &Ctx<'js>, natives: Object<'js>) -> rquickjs::Result<Realm> {
    let prelude: Function<'js> = eval(ctx, "prelude", PRELUDE)?;
    let harden: Function<'js> = eval(ctx, "harden", HARDEN)?;
    let capture: Function<'js> = natives.get("capture")?;
    let engine: Object<'js> = prelude.call((natives, harden))?;
    let function = |name: &str| -> rquickjs::Result<_> {
        Ok(Persistent::save(ctx, engine.get::<_, Function<'js>>(name)?))
    };
    Ok(Realm {
        describe: function("describe")?,
        capture: Persistent::save(ctx, capture),
        forget: function("forget")?,
        leave: function("leave")?,
        status_code: function("statusCodeOf")?,
    })
}

fn eval<'js>(ctx: &Ctx<'js>, name: &str, text: &str) -> rquickjs::Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(text, options)
}
