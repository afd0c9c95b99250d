//! The layout of a script set: what each path is, by its name alone.
//!
//! ```text
//! 10-strip.request.js        a handler; its kind in its name
//! request/10-strip.js        a handler; its kind in its directory
//! request_events/strip.js    a handler; its kind in strip.json
//! lib/money.js               a module, as is money.lib.js
//! ```

use crate::handler::Kind;

/// The directory of modules.
pub(super) const MODULES: &str = "lib";

/// What stands behind `.js` when a handler is off.
const OFF: [&str; 2] = [".off", ".disabled"];

/// Folders of Live API Creator: their handlers' `NAME.json` says the kind.
const KINDLESS: [&str; 2] = ["request_events", "response_events"];

/// Whether editors, copying programs and people leave files of this name lying
/// about without meaning them.
pub(super) fn is_ignored(name: &str) -> bool {
    const ENDINGS: [&str; 4] = ["~", ".swp", ".tmp", ".bak"];
    name.starts_with('.')
        || name == "4913"
        || name.starts_with('#') && name.ends_with('#')
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file or directory of this name may belong to a set. One that may
/// not can be written to all day without anyone having to look.
pub(super) fn may_belong(name: &str) -> bool {
    let may_be_directory = !name.contains('.');
    !is_ignored(name) && (may_be_directory || is_module(name) || HandlerFile::named(name).is_some())
}

/// A directory at the top of the set that files are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    /// Of handlers, with the kind that its name gives them.
    Handlers(Option<Kind>),
    /// Of modules, at any depth.
    Modules,
}

impl Directory {
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == MODULES {
            return Some(Self::Modules);
        }
        if KINDLESS.contains(&name) {
            return Some(Self::Handlers(None));
        }
        Kind::parse(name).map(|kind| Self::Handlers(Some(kind)))
    }
}

/// What a file of the set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// With the kind that its directory gives it.
    Handler(HandlerFile<'a>, Option<Kind>),
    /// A `NAME.json`.
    Metadata,
    /// With its path below `lib/`.
    Module(String),
}

impl<'a> Role<'a> {
    /// The role of a path that was found in the set.
    pub(super) fn of(path: &'a str) -> Self {
        let (directory, name) = path.split_once('/').unwrap_or(("", path));
        let kind = match Directory::named(directory) {
            Some(Directory::Modules) => return Self::Module(name.to_owned()),
            Some(Directory::Handlers(kind)) => kind,
            None => match flat_module(name) {
                Some(module) => return Self::Module(module),
                None => None,
            },
        };
        HandlerFile::named(name).map_or(Self::Metadata, |file| Self::Handler(file, kind))
    }

    pub(super) fn is_handler(&self) -> bool {
        matches!(self, Self::Handler(..))
    }
}

/// A handler file's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HandlerFile<'a> {
    /// Without kind and ending.
    pub(super) name: &'a str,
    /// From the last dotted part before the ending.
    pub(super) kind: Option<Kind>,
    /// It doesn't end in `.off` or `.disabled`.
    pub(super) active: bool,
    /// It is TypeScript, which isn't run. Left out in silence it would let requests pass
    /// that it was written to stop.
    pub(super) is_typescript: bool,
    /// Without ending, the kind included.
    stem: &'a str,
}

impl<'a> HandlerFile<'a> {
    pub(super) fn named(file_name: &'a str) -> Option<Self> {
        if is_ignored(file_name) {
            return None;
        }
        let off = OFF.iter().find_map(|ending| file_name.strip_suffix(ending));
        let whole = off.unwrap_or(file_name);
        let typescript = || {
            whole
                .strip_suffix(".ts")
                .filter(|stem| stem.rsplit_once('.').is_none_or(|(_, last)| last != "d"))
        };
        let (stem, is_typescript) = match whole.strip_suffix(".js") {
            Some(stem) => (stem, false),
            None => (typescript()?, true),
        };
        let kind = stem
            .rsplit_once('.')
            .and_then(|(name, last)| Some((name, Kind::parse(last)?)));
        let (name, kind) = match kind {
            Some((name, kind)) => (name, Some(kind)),
            None => (stem, None),
        };
        Some(Self {
            name,
            kind,
            active: off.is_none(),
            is_typescript,
            stem,
        })
    }

    /// What its `NAME.json` may be called: after the file, or after the handler.
    pub(super) fn metadata_names(&self) -> Vec<String> {
        let mut names = vec![format!("{}.json", self.stem)];
        if self.name != self.stem {
            names.push(format!("{}.json", self.name));
        }
        names
    }
}

/// The module that `NAME.lib.js` at the top of a flat set is: `NAME.js`.
pub(super) fn flat_module(file_name: &str) -> Option<String> {
    let name = file_name.strip_suffix(".lib.js")?;
    (!name.is_empty() && !is_ignored(file_name)).then(|| format!("{name}.js"))
}

/// Whether a file of this name in the directory of modules is one.
pub(super) fn is_module(file_name: &str) -> bool {
    const ENDINGS: [&str; 2] = [".js", ".json"];
    !is_ignored(file_name) && ENDINGS.iter().any(|ending| file_name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_and_copies_leave_lying_about_is_ignored() {
        for name in [
            ".10-a.request.js",
            "..data",
            ".git",
            "a.js~",
            "a.js.swp",
            ".a.js.swp",
            "4913",
            "#a.js#",
            "a.js.tmp",
            "a.js.bak",
        ] {
            assert!(is_ignored(name), "{name}");
            assert_eq!(HandlerFile::named(name), None, "{name}");
            assert!(!is_module(name), "{name}");
        }
        for name in ["10-a.request.js", "4913.js", "#a.js", "tmp", "a.bak.js"] {
            assert!(!is_ignored(name), "{name}");
        }
    }

    #[test]
    fn a_handler_files_name_gives_its_name_its_kind_and_whether_it_is_active() {
        for (file_name, name, kind, active) in [
            ("10-strip.request.js", "10-strip", Some(Kind::Request), true),
            ("10-strip.js", "10-strip", None, true),
            ("10-strip.v2.js", "10-strip.v2", None, true),
            (
                "db.customers.get.post_process.js",
                "db.customers.get",
                Some(Kind::PostProcess),
                true,
            ),
            ("a.pre_hook.js.off", "a", Some(Kind::Request), false),
            ("a.js.disabled", "a", None, false),
            ("request.js", "request", None, true),
            ("a.Request.js", "a.Request", None, true),
        ] {
            let file = HandlerFile::named(file_name).expect(file_name);
            assert_eq!(
                (file.name, file.kind, file.active),
                (name, kind, active),
                "{file_name}"
            );
        }
    }

    #[test]
    fn other_files_are_no_handlers() {
        for name in [
            "README.md",
            "a.json",
            "a.mjs",
            "a.js.map",
            "a.off",
            "a.d.ts",
            "js",
            "off",
        ] {
            assert_eq!(HandlerFile::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_metadata_file_is_called_after_the_file_or_the_handler() {
        let names = |file_name| HandlerFile::named(file_name).unwrap().metadata_names();

        assert_eq!(
            names("10-x.request.js.off"),
            ["10-x.request.json", "10-x.json"]
        );
        assert_eq!(names("10-x.js"), ["10-x.json"]);
    }

    #[test]
    fn kinds_their_synonyms_and_the_folders_of_live_api_creator_are_read() {
        for (name, expected) in [
            ("request", Some(Directory::Handlers(Some(Kind::Request)))),
            ("post_hook", Some(Directory::Handlers(Some(Kind::Response)))),
            ("request_events", Some(Directory::Handlers(None))),
            ("response_events", Some(Directory::Handlers(None))),
            ("lib", Some(Directory::Modules)),
            ("tests", None),
            ("node_modules", None),
            ("Request", None),
        ] {
            assert_eq!(Directory::named(name), expected, "{name}");
        }
    }

    #[test]
    fn a_files_role_follows_from_its_path() {
        let module = |name: &str| Role::Module(name.to_owned());
        for (path, role) in [
            ("lib/money.js", module("money.js")),
            ("lib/tax/rates.json", module("tax/rates.json")),
            ("money.lib.js", module("money.js")),
            ("10-x.json", Role::Metadata),
            ("request/10-x.json", Role::Metadata),
        ] {
            assert_eq!(Role::of(path), role, "{path}");
        }
        let kind = |path| match Role::of(path) {
            Role::Handler(file, in_directory) => (file.kind, in_directory),
            Role::Metadata | Role::Module(_) => panic!("{path} is a handler"),
        };
        assert_eq!(kind("10-x.error.js"), (Some(Kind::Error), None));
        assert_eq!(kind("pre_hook/10-x.js"), (None, Some(Kind::Request)));
        assert_eq!(kind("request_events/x.js"), (None, None));
        assert_eq!(kind("request/money.lib.js"), (None, Some(Kind::Request)));
    }

    #[test]
    fn a_name_that_no_file_and_no_directory_of_a_set_has_does_not_belong() {
        for name in [
            "a.request.js",
            "a.js.off",
            "a.json",
            "request",
            "lib",
            "tax",
        ] {
            assert!(may_belong(name), "{name}");
        }
        for name in ["access.log", "notes.txt", "a.js.swp", ".git", "a.mjs"] {
            assert!(!may_belong(name), "{name}");
        }
    }

    #[test]
    fn a_flat_set_names_its_modules_by_ending() {
        assert_eq!(flat_module("money.lib.js").as_deref(), Some("money.js"));
        assert_eq!(flat_module("money.js"), None);
        assert_eq!(flat_module(".lib.js"), None);
    }
}
