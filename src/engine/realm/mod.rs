//! What a handler finds around itself: the scope's names in a frozen realm.
//!
//! `prelude.js` builds the names, each vocabulary in a file of its own, and `harden.js` freezes
//! everything. A vocabulary that most handlers leave alone is evaluated when one first names it.

use std::rc::Rc;

use http::StatusCode;
use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, Function, Object, Persistent};

use super::scope::Scope;
use super::web;
use crate::engine::fence::native;

const PRELUDE: &str = include_str!("prelude.js");
const HARDEN: &str = include_str!("harden.js");

/// The prelude's other files, by the names it knows them by.
const PARTS: [(&str, &str); 13] = [
    ("log", include_str!("log.js")),
    ("calls", include_str!("calls.js")),
    ("lac", include_str!("lac.js")),
    ("dreamfactory", include_str!("dreamfactory.js")),
    ("platform", include_str!("platform.js")),
    ("api_maker", include_str!("api_maker.js")),
    ("constants", include_str!("constants.js")),
    ("fetch", include_str!("fetch.js")),
    ("url", include_str!("url.js")),
    ("bytes", include_str!("bytes.js")),
    ("crypto", include_str!("crypto.js")),
    ("clone", include_str!("clone.js")),
    ("exact", include_str!("exact.js")),
];

/// The prelude's functions, for the engine.
#[derive(Clone)]
pub(super) struct Realm {
    /// The status of an error that a failed call threw.
    failed_call: Persistent<Function<'static>>,
    /// Is told by a handler how to find out what `json` is when it has ended.
    pub capture: Persistent<Function<'static>>,
    /// Is told by a handler how to find out what it has exported.
    pub capture_exports: Persistent<Function<'static>>,
    /// Calls what a handler exported.
    pub main: Persistent<Function<'static>>,
    /// Whether a returned object is DF's event; takes it over if so.
    pub is_event: Persistent<Function<'static>>,
    /// Freezes the function of a handler.
    pub seal: Persistent<Function<'static>>,
    /// Drops what was kept since the phase began, or since it was last left.
    pub forget: Persistent<Function<'static>>,
    /// Ends a phase.
    pub leave: Persistent<Function<'static>>,
    /// The `statusCode` of a body, where it is an object.
    pub status_code: Persistent<Function<'static>>,
}

impl Realm {
    /// The status that an uncaught error of a call becomes; `None` for every other error.
    pub(super) fn failed_call<'js>(
        &self,
        ctx: &Ctx<'js>,
        error: &Object<'js>,
    ) -> rquickjs::Result<Option<StatusCode>> {
        let function = self.failed_call.clone().restore(ctx)?;
        let status: Option<u16> = function.call((error.clone(),))?;
        Ok(status.and_then(|status| StatusCode::from_u16(status).ok()))
    }
}

/// Builds the names of the scope from `natives` and freezes the realm, in which text becomes
/// code only where that is allowed.
pub(super) fn build<'js>(
    ctx: &Ctx<'js>,
    natives: Object<'js>,
    scope: &Rc<Scope>,
    allows_code_from_text: bool,
) -> rquickjs::Result<Realm> {
    let prelude: Function<'js> = eval(ctx, "prelude", PRELUDE)?;
    let harden: Function<'js> = eval(ctx, "harden", HARDEN)?;
    natives.set("allowsCodeFromText", allows_code_from_text)?;
    natives.set(
        "part",
        native(|ctx: Ctx<'js>, name: String| part(&ctx, &name)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "web",
        native(move |ctx: Ctx<'js>, part: String| {
            let natives = web::natives(&ctx, &part)?;
            of.functions.note(&natives)?;
            Ok::<_, rquickjs::Error>(natives)
        }),
    )?;
    scope.functions.note(&natives)?;
    let capture: Function<'js> = natives.get("capture")?;
    let capture_exports: Function<'js> = natives.get("captureExports")?;
    let engine: Object<'js> = prelude.call((natives, harden))?;
    let function = |name: &str| -> rquickjs::Result<_> {
        Ok(Persistent::save(ctx, engine.get::<_, Function<'js>>(name)?))
    };
    Ok(Realm {
        failed_call: function("failedCall")?,
        capture: Persistent::save(ctx, capture),
        capture_exports: Persistent::save(ctx, capture_exports),
        main: function("main")?,
        is_event: function("isEvent")?,
        seal: function("seal")?,
        forget: function("forget")?,
        leave: function("leave")?,
        status_code: function("statusCodeOf")?,
    })
}

fn part<'js>(ctx: &Ctx<'js>, name: &str) -> rquickjs::Result<Function<'js>> {
    let found = PARTS.iter().find(|(known, _)| *known == name);
    let (name, text) =
        found.ok_or_else(|| Exception::throw_type(ctx, &format!("no part {name:?}")))?;
    eval(ctx, name, text)
}

fn eval<'js>(ctx: &Ctx<'js>, name: &str, text: &str) -> rquickjs::Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.strict = true;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(text, options)
}
