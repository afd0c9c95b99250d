//! The modules below `lib/`: which file a name means, and its code.

use std::collections::BTreeMap;
use std::sync::Arc;

use rquickjs::{Ctx, Exception, Function, Object};

use super::isolate::{self, COMPILED};
use super::value;

/// The library of one script set: path below the set, such as `lib/money.js`, to text.
#[derive(Debug, Clone, Default)]
pub(super) struct Library {
    modules: Arc<BTreeMap<String, Arc<str>>>,
}

impl Library {
    pub(super) fn new(modules: impl IntoIterator<Item = (String, Arc<str>)>) -> Self {
        Self {
            modules: Arc::new(modules.into_iter().collect()),
        }
    }

    /// The module that `name` means in the file `from`, or in a handler: `./` is the set's
    /// root for a handler and the file's own directory for a module; a bare name is looked
    /// up in `lib/`.
    pub(super) fn resolve(&self, name: &str, from: Option<&str>) -> Option<(&str, &Arc<str>)> {
        let is_relative = name.starts_with("./") || name.starts_with("../");
        let base = match (is_relative, from) {
            (false, _) => "lib",
            (true, None) => "",
            (true, Some(module)) => module
                .rsplit_once('/')
                .map_or("", |(directory, _)| directory),
        };
        let path = join(base, name, from.is_none())?;
        [
            path.clone(),
            format!("{path}.js"),
            format!("{path}.json"),
            format!("{path}/index.js"),
        ]
        .iter()
        .find_map(|path| self.modules.get_key_value(path.as_str()))
        .map(|(path, text)| (path.as_str(), text))
    }

    /// Opens a module for the prelude: `{path, code}` or `{path, json}`.
    pub(super) fn open<'js>(
        &self,
        ctx: &Ctx<'js>,
        name: &str,
        from: Option<&str>,
    ) -> rquickjs::Result<Object<'js>> {
        let Some((path, text)) = self.resolve(name, from) else {
            return Err(Exception::throw_type(
                ctx,
                &format!("there is no module {name:?} in lib/"),
            ));
        };
        let module = Object::new(ctx.clone())?;
        module.set("path", path)?;
        if is_json(path) {
            module.set("json", &**text)?;
        } else {
            value::need(ctx, COMPILED * text.len())?;
            module.set("code", compile(ctx, path, text)?)?;
        }
        Ok(module)
    }
}

/// Whether a module is data.
pub(super) fn is_json(path: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|it| it == "json")
}

/// What stands before a module's text, on its first line.
pub(super) const MODULE_HEAD: &str = "(function(module,exports,require){";

pub(super) fn compile<'js>(
    ctx: &Ctx<'js>,
    path: &str,
    text: &str,
) -> rquickjs::Result<Function<'js>> {
    isolate::compile(ctx, path, &format!("{MODULE_HEAD}{text}\n}})"))
}

/// Joins two relative paths; `None` where the result would leave the set. From a handler
/// `..` stays at the root, so that `../lib/x` works in a kind's directory.
fn join(base: &str, name: &str, stays_at_root: bool) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() && !stays_at_root {
                    return None;
                }
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Library {
        let files = [
            "lib/money.js",
            "lib/a/b.js",
            "lib/a/index.js",
            "lib/data.json",
        ];
        Library::new(files.map(|path| (path.to_owned(), Arc::from(""))))
    }

    fn found<'a>(library: &'a Library, name: &str, from: Option<&str>) -> Option<&'a str> {
        library.resolve(name, from).map(|(path, _)| path)
    }

    #[test]
    fn a_handler_finds_a_module_by_any_of_its_spellings() {
        let library = library();
        for name in ["./lib/money", "money", "../lib/money.js", "./lib/money.js"] {
            assert_eq!(found(&library, name, None), Some("lib/money.js"), "{name}");
        }
        assert_eq!(found(&library, "data", None), Some("lib/data.json"));
        assert_eq!(found(&library, "a", None), Some("lib/a/index.js"));
    }

    #[test]
    fn a_module_finds_its_neighbours_and_never_leaves_the_set() {
        let library = library();
        assert_eq!(
            found(&library, "./b", Some("lib/a/index.js")),
            Some("lib/a/b.js")
        );
        assert_eq!(
            found(&library, "../money", Some("lib/a/b.js")),
            Some("lib/money.js")
        );
        assert_eq!(found(&library, "../../../money", Some("lib/a/b.js")), None);
        assert_eq!(found(&library, "./money", None), None);
    }
}
