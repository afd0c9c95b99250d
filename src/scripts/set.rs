//! A script set: what the files of a snapshot declare.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::layout::{HandlerFile, Role};
use super::snapshot::{Snapshot, SnapshotFile};
use crate::crash::Compiling;
use crate::handler::{
    Chain, Chains, Declared, DeclaredFile, Diagnostic, Diagnostics, HandlerName, Kind, Metadata,
    NameError, Services, declare,
};

/// What the files of a snapshot declare. With errors, it is for `check` to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSet {
    /// Handlers, those that are off included, by their paths.
    pub handlers: Vec<Declared>,
    /// What `require` finds, by their names.
    pub modules: Vec<Module>,
    /// What can be said without reading JavaScript.
    pub diagnostics: Diagnostics,
}

/// A file of `lib/`, or `NAME.lib.js` of a flat set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path below `lib/`: `money.js`, `tax/rates.json`.
    pub name: Arc<str>,
    /// Its path below the set's root.
    pub path: Arc<str>,
    /// Its text without a BOM.
    pub source: Arc<str>,
}

/// Why a handler file can't be declared.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(
        "has no kind: call it `{name}.request.js`, put it into `request/`, \
         or write `\"eventType\": \"request\"` into `{name}.json`"
    )]
    NoKind { name: HandlerName },
    #[error("is `{}` by {first_place} and `{}` by {place}", first.first_name(), kind.first_name())]
    TwoKinds {
        first: Kind,
        first_place: &'static str,
        kind: Kind,
        place: &'static str,
    },
    #[error("is TypeScript, which is not run yet; compile it to JavaScript")]
    TypeScript,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("has two metadata files, `{0}` and `{1}`; leave out one")]
    TwoMetadataFiles(String, String),
    #[error("has the name and kind of `{0}`; names are unique among the active handlers of a kind")]
    Duplicate(String),
    #[error("is the module `lib/{name}`, as is `{path}`")]
    DuplicateModule { name: String, path: String },
}

impl ScriptSet {
    /// Reads names, directories, `NAME.json` files and leading comments.
    pub fn of(snapshot: &Snapshot, services: &Services) -> Self {
        let mut diagnostics = Diagnostics::default();
        let metadata = MetadataFiles::read(snapshot, &mut diagnostics);
        let (mut handlers, mut modules) = (Vec::new(), Vec::new());
        for file in snapshot.files() {
            let _compiling = Compiling::file(&file.path);
            match Role::of(&file.path) {
                Role::Handler(named, kind) => {
                    let declared = fenced(&file.path, &mut diagnostics, |diagnostics| {
                        let (file, beside) = declared_file(file, &named, kind, &metadata)?;
                        Ok(declare(file, beside, services, diagnostics))
                    });
                    match declared {
                        Some(Ok(handler)) => handlers.push(handler),
                        Some(Err(error)) => {
                            let error: FileError = error;
                            diagnostics
                                .errors
                                .push(Diagnostic::of_file(&*file.path, error));
                        }
                        None => {}
                    }
                }
                Role::Module(name) => modules.push(Module {
                    name: name.into(),
                    path: file.path.clone(),
                    source: file.text().into(),
                }),
                Role::Metadata => {}
            }
        }
        modules.sort_by(|left, right| (&left.name, &left.path).cmp(&(&right.name, &right.path)));
        diagnostics.errors.extend(duplicate_handlers(&handlers));
        diagnostics.errors.extend(duplicate_modules(&modules));
        diagnostics.warnings.extend(mixed_widths(&handlers));
        Self {
            handlers,
            modules,
            diagnostics,
        }
    }
}

/// Every `NAME.json` of the set, by path.
struct MetadataFiles<'a>(BTreeMap<&'a str, Metadata>);

impl<'a> MetadataFiles<'a> {
    fn read(snapshot: &'a Snapshot, diagnostics: &mut Diagnostics) -> Self {
        let mut files = BTreeMap::new();
        for file in snapshot.files() {
            if Role::of(&file.path) == Role::Metadata {
                let read = fenced(&file.path, diagnostics, |_| {
                    let _compiling = Compiling::file(&file.path);
                    Metadata::read(&file.path, file.text())
                });
                let metadata = read.unwrap_or_default();
                diagnostics.extend(metadata.diagnostics.clone());
                files.insert(&*file.path, metadata);
            }
        }
        Self(files)
    }

    /// The one that belongs to the handler file at `path`.
    fn beside(&self, path: &str, named: &HandlerFile<'_>) -> Result<Beside<'_>, FileError> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut found = named.metadata_names().into_iter().filter_map(|name| {
            let path = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            self.0.get_key_value(path.as_str())
        });
        match (found.next(), found.next()) {
            (Some((first, _)), Some((second, _))) => Err(FileError::TwoMetadataFiles(
                (*first).into(),
                (*second).into(),
            )),
            (first, _) => Ok(first.map(|(path, metadata)| (*path, metadata))),
        }
    }
}

/// The metadata that belongs to a handler, with its own path.
type Beside<'m> = Option<(&'m str, &'m Metadata)>;

/// Looks at a file. A panic is a fault of ours and refuses the set; the other files are looked at
/// all the same.
fn fenced<R>(
    path: &str,
    diagnostics: &mut Diagnostics,
    look: impl FnOnce(&mut Diagnostics) -> R,
) -> Option<R> {
    let looked = catch_unwind(AssertUnwindSafe(|| look(diagnostics))).ok();
    if looked.is_none() {
        let error = "a fault of interpose, not of the file: reading it panicked; please report it";
        diagnostics.errors.push(Diagnostic::of_file(path, error));
    }
    looked
}

/// Puts together what is known before a handler's text is looked at.
fn declared_file<'m>(
    file: &SnapshotFile,
    named: &HandlerFile<'_>,
    directory_kind: Option<Kind>,
    metadata: &'m MetadataFiles<'_>,
) -> Result<(DeclaredFile, Beside<'m>), FileError> {
    if named.is_typescript {
        return Err(FileError::TypeScript);
    }
    let name = HandlerName::parse(named.name)?;
    let beside = metadata.beside(&file.path, named)?;
    let kind = agreed_kind([
        (named.kind, "its name"),
        (directory_kind, "its directory"),
        (
            beside.and_then(|(_, metadata)| metadata.kind),
            "its `eventType`",
        ),
    ])?;
    let file = DeclaredFile {
        kind: kind.ok_or_else(|| FileError::NoKind { name: name.clone() })?,
        name,
        path: file.path.clone(),
        active: named.active,
        source: file.text().into(),
    };
    Ok((file, beside))
}

/// The kind that the places which name one agree on.
fn agreed_kind(places: [(Option<Kind>, &'static str); 3]) -> Result<Option<Kind>, FileError> {
    let mut named = places
        .into_iter()
        .filter_map(|(kind, place)| Some((kind?, place)));
    let Some((first, first_place)) = named.next() else {
        return Ok(None);
    };
    match named.find(|(kind, _)| *kind != first) {
        Some((kind, place)) => Err(FileError::TwoKinds {
            first,
            first_place,
            kind,
            place,
        }),
        None => Ok(Some(first)),
    }
}

fn duplicate_handlers(handlers: &[Declared]) -> Vec<Diagnostic> {
    let mut first = BTreeMap::new();
    let mut duplicates = Vec::new();
    for handler in handlers.iter().filter(|handler| handler.active) {
        let place = first.entry((handler.kind.first_name(), handler.name.as_str()));
        match place {
            Entry::Vacant(place) => {
                place.insert(&handler.path);
            }
            Entry::Occupied(place) => {
                let error = FileError::Duplicate(place.get().to_string());
                duplicates.push(Diagnostic::of_file(&*handler.path, error));
            }
        }
    }
    duplicates
}

/// Modules that stand in `lib/` and flat as well; `modules` are in order of their names.
fn duplicate_modules(modules: &[Module]) -> impl Iterator<Item = Diagnostic> {
    modules.windows(2).filter_map(|pair| {
        let [first, second] = pair else { return None };
        let error = FileError::DuplicateModule {
            name: second.name.to_string(),
            path: first.path.to_string(),
        };
        (first.name == second.name).then(|| Diagnostic::of_file(&*second.path, error))
    })
}

/// One warning for each chain whose numbers don't order as numbers do.
fn mixed_widths(handlers: &[Declared]) -> Vec<Diagnostic> {
    let chains = Chains::new(handlers);
    let Chains {
        request,
        response,
        queued,
        options,
    } = &chains;
    [request, response, queued, options]
        .into_iter()
        .filter_map(mixed_width)
        .collect()
}

fn mixed_width(chain: &Chain<&Declared>) -> Option<Diagnostic> {
    let numbered: Vec<_> = chain
        .handlers()
        .iter()
        .filter(|handler| handler.event.is_none() && !handler.name.number().is_empty())
        .collect();
    let pair = numbered
        .windows(2)
        .find(|pair| pair[0].name.number().len() != pair[1].name.number().len())?;
    let warning = format!(
        "`{}` runs before `{}`: names order as text, so write numbers with as many digits",
        pair[0].name, pair[1].name
    );
    Some(Diagnostic::of_file(&*pair[1].path, warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Service;

    fn set(files: &[(&str, &str)]) -> ScriptSet {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let services = Services::new([Service::new("db", "/db")]);
        ScriptSet::of(&Snapshot::take(directory.path()).unwrap(), &services)
    }

    fn kinds(files: &[(&str, &str)]) -> Vec<(String, Kind)> {
        let set = set(files);
        assert_eq!(set.diagnostics.errors, []);
        let handlers = set.handlers.into_iter();
        handlers
            .map(|one| (one.name.to_string(), one.kind))
            .collect()
    }

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let errors = set(files).diagnostics.errors;
        errors.iter().map(Diagnostic::to_string).collect()
    }

    fn warnings(names: &[&str]) -> Vec<String> {
        let files: Vec<_> = names.iter().map(|name| (*name, "")).collect();
        let warnings = set(&files).diagnostics.warnings;
        warnings.iter().map(Diagnostic::to_string).collect()
    }

    #[test]
    fn a_kind_is_declared_in_any_of_three_places() {
        for (files, name, kind) in [
            (&[("10-x.request.js", "")][..], "10-x", Kind::Request),
            (&[("post_hook/10-x.js", "")], "10-x", Kind::Response),
            (
                &[("10-x.js", ""), ("10-x.json", r#"{"eventType": "error"}"#)],
                "10-x",
                Kind::Error,
            ),
            (
                &[
                    ("response_events/x.js", ""),
                    ("response_events/x.json", r#"{"eventType": "RESPONSE"}"#),
                ],
                "x",
                Kind::Response,
            ),
            (&[("request/10-x.pre_hook.js", "")], "10-x", Kind::Request),
            (
                &[("db.orders.get.post_process.js", "")],
                "db.orders.get",
                Kind::PostProcess,
            ),
        ] {
            assert_eq!(kinds(files), [(name.to_owned(), kind)]);
        }
    }

    #[test]
    fn a_handler_in_typescript_is_an_error_and_its_types_are_ignored() {
        assert_eq!(
            errors(&[
                ("request/10-x.ts", "throw 'no'"),
                ("request/types.d.ts", "")
            ]),
            ["request/10-x.ts:1:1: is TypeScript, which is not run yet; compile it to JavaScript"]
        );
    }

    #[test]
    fn no_kind_is_an_error_that_names_the_file_and_the_ways_out() {
        assert_eq!(
            errors(&[("10-x.js", "")]),
            [
                "10-x.js:1:1: has no kind: call it `10-x.request.js`, put it into `request/`, \
              or write `\"eventType\": \"request\"` into `10-x.json`"
            ]
        );
        assert_eq!(errors(&[("request_events/x.js", "")]).len(), 1);
        assert_eq!(errors(&[("x.js.off", "")]).len(), 1, "off, but checked");
    }

    #[test]
    fn two_kinds_that_disagree_are_an_error_that_names_both_places() {
        assert_eq!(
            errors(&[("request/10-x.error.js", "")]),
            ["request/10-x.error.js:1:1: is `error` by its name and `request` by its directory"]
        );
        assert_eq!(
            errors(&[
                ("10-x.error.js", ""),
                ("10-x.json", r#"{"eventType": "request"}"#)
            ]),
            ["10-x.error.js:1:1: is `error` by its name and `request` by its `eventType`"]
        );
    }

    #[test]
    fn two_active_handlers_of_one_kind_and_name_are_an_error() {
        assert_eq!(
            errors(&[("10-x.pre_hook.js", ""), ("request/10-x.js", "")]),
            [
                "request/10-x.js:1:1: has the name and kind of `10-x.pre_hook.js`; \
              names are unique among the active handlers of a kind"
            ]
        );
        assert_eq!(
            errors(&[("10-x.request.js.off", ""), ("request/10-x.js", "")]).len(),
            0
        );
        assert_eq!(
            errors(&[("10-x.request.js", ""), ("10-x.error.js", "")]).len(),
            0
        );
        assert_eq!(
            errors(&[
                ("10-x.request.js", ""),
                ("request/10-x.js", "// @active false")
            ])
            .len(),
            0
        );
    }

    #[test]
    fn a_metadata_file_speaks_for_its_handlers_and_is_one() {
        let set = set(&[
            ("10-x.request.js", ""),
            ("10-x.error.js", ""),
            ("10-x.json", r#"{"timeout": "20ms", "isActive": false}"#),
        ]);
        assert_eq!(set.diagnostics, Diagnostics::default());
        assert!(
            set.handlers
                .iter()
                .all(|one| !one.active && one.timeout.is_some())
        );

        assert_eq!(
            errors(&[
                ("10-x.error.js", ""),
                ("10-x.json", "{}"),
                ("10-x.error.json", "{}")
            ]),
            [
                "10-x.error.js:1:1: has two metadata files, `10-x.error.json` and `10-x.json`; \
              leave out one"
            ]
        );
        assert_eq!(
            errors(&[
                ("10-x.request.js", ""),
                ("10-x.error.js", ""),
                ("10-x.json", "[]")
            ])
            .len(),
            1,
            "told once, however many share it"
        );
    }

    #[test]
    fn handlers_that_are_off_are_listed() {
        let set = set(&[("a.request.js.off", ""), ("b.request.js.disabled", "")]);

        assert_eq!(set.diagnostics, Diagnostics::default());
        assert_eq!(
            set.handlers
                .iter()
                .map(|one| one.active)
                .collect::<Vec<_>>(),
            [false, false]
        );
    }

    #[test]
    fn modules_are_named_by_their_path_below_lib() {
        let set = set(&[
            ("lib/money.js", "\u{feff}1"),
            ("lib/tax/rates.json", "{}"),
            ("dates.lib.js", ""),
        ]);

        assert_eq!(set.handlers, []);
        let names: Vec<_> = set
            .modules
            .iter()
            .map(|one| (&*one.name, &*one.path))
            .collect();
        assert_eq!(
            names,
            [
                ("dates.js", "dates.lib.js"),
                ("money.js", "lib/money.js"),
                ("tax/rates.json", "lib/tax/rates.json"),
            ]
        );
        assert_eq!(&*set.modules[1].source, "1", "without the BOM");
    }

    #[test]
    fn a_module_stands_in_one_place() {
        assert_eq!(
            errors(&[("lib/money.js", ""), ("money.lib.js", "")]),
            ["money.lib.js:1:1: is the module `lib/money.js`, as is `lib/money.js`"]
        );
    }

    #[test]
    fn numbers_of_mixed_width_are_warned_of_once_for_each_chain() {
        assert_eq!(
            warnings(&["9-x.request.js", "10-x.request.js", "8-x.request.js"]),
            ["8-x.request.js:1:1: `10-x` runs before `8-x`: \
              names order as text, so write numbers with as many digits"]
        );
    }

    #[test]
    fn numbers_of_one_width_and_of_different_chains_are_fine() {
        assert_eq!(
            warnings(&[
                "09-x.request.js",
                "10-x.request.js",
                "9-x.response.js",
                "a.request.js"
            ]),
            [""; 0]
        );
        assert_eq!(
            warnings(&["9-x.error.js", "10-x.response.js"]).len(),
            1,
            "one order"
        );
    }

    #[test]
    fn a_problem_in_one_file_does_not_hide_those_of_others() {
        assert_eq!(
            errors(&[
                ("a.js", ""),
                ("b.request.js", "// @body some"),
                ("c.js", "")
            ])
            .len(),
            3
        );
    }
}
