//! What was given for each key, as typed, from the weakest source to the strongest.
//!
//! Knows no key: whether one exists and what its text means is for
//! [`Reader`](super::reader::Reader) and `check` to say.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::error::Problem;
use super::flag::{self, Flag};
use super::origin::Origin;
use super::refusal::Refusal;
use super::{file, variables};

/// Where settings are taken from, besides the defaults.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The flags that were given.
    pub flags: Vec<(Flag, String)>,
    /// The file that `--config` names; without it `INTERPOSE_CONFIG` may name one.
    pub file: Option<PathBuf>,
    /// What that file holds, where somebody has read it before.
    pub file_text: Option<String>,
    /// The environment: `INTERPOSE_…` set keys, others are read only where
    /// `env:NAME` refers to them.
    pub variables: Vec<(OsString, OsString)>,
}

impl Inputs {
    /// Reads the file that is named, so that it is not read again. One that can't be read is
    /// a problem of the configuration, once that is asked for.
    pub fn read_file(&mut self) {
        let path = named_file(self).map(|(path, _)| path);
        self.file_text = path.and_then(|path| fs::read_to_string(path).ok());
    }
}

impl fmt::Debug for Inputs {
    // Without the variables: the environment holds secrets of others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("flags", &self.flags)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// A value as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    One(String),
    /// An array of the file. Elsewhere a list is one text with commas.
    Many(Vec<String>),
    /// A table of the file that holds nothing.
    EmptyTable,
}

impl Typed {
    pub(super) fn one(&self) -> Result<&str, Refusal> {
        match self {
            Self::One(text) => Ok(text),
            Self::Many(_) => Err(Refusal::ListForOne),
            Self::EmptyTable => Err(Refusal::TableForValue),
        }
    }

    pub(super) fn many(&self) -> Result<Vec<&str>, Refusal> {
        match self {
            Self::One(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .collect()),
            Self::Many(items) => Ok(items.iter().map(String::as_str).collect()),
            Self::EmptyTable => Err(Refusal::TableForValue),
        }
    }
}

/// One value for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) origin: Origin,
    pub(super) typed: Typed,
}

/// All that was given, by key; for each key the strongest last.
pub(super) struct Layers {
    pub(super) given: BTreeMap<String, Vec<Given>>,
    pub(super) file: Option<ConfigFile>,
    pub(super) variables: Vec<(OsString, OsString)>,
}

/// The configuration file that was named.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// False where it could not be read: nothing is known then about what it holds.
    pub(super) was_read: bool,
}

impl Layers {
    /// Reads all sources: file, then variables, then flags.
    pub(super) fn read(inputs: &Inputs) -> (Self, Vec<Problem>) {
        let mut layers = Self {
            given: BTreeMap::new(),
            file: None,
            variables: inputs.variables.clone(),
        };
        let mut problems = Vec::new();

        if let Some((path, origin)) = named_file(inputs) {
            let text = match &inputs.file_text {
                Some(text) => Ok(text.clone()),
                None => fs::read_to_string(&path),
            };
            let found = text
                .map_err(|source| {
                    let path = path.clone();
                    let refusal = Refusal::Unreadable { path, source };
                    Problem::of(&origin, flag::CONFIG.key, refusal)
                })
                .and_then(|text| file::parse(&text));
            layers.file = Some(ConfigFile {
                path,
                was_read: found.is_ok(),
            });
            match found {
                Ok(leaves) => layers.add_file(leaves, &mut problems),
                Err(problem) => problems.push(problem),
            }
        }
        layers.add_variables(&mut problems);
        for (flag, text) in &inputs.flags {
            let text = if flag.negates {
                flag::negated(text)
            } else {
                text
            };
            let typed = Typed::One(text.to_owned());
            layers.add(flag.key, Origin::Flag(*flag), typed);
        }
        (layers, problems)
    }

    fn add_file(&mut self, leaves: Vec<(String, Typed)>, problems: &mut Vec<Problem>) {
        for (key, typed) in leaves {
            if self.given.contains_key(&key) {
                problems.push(Problem::of(&Origin::File, &key, Refusal::WrittenTwice));
            } else {
                self.add(&key, Origin::File, typed);
            }
        }
    }

    fn add_variables(&mut self, problems: &mut Vec<Problem>) {
        for variable in variables::settings(&self.variables) {
            let origin = Origin::Variable(variable.name);
            let twin = self.given.get(&variable.key).and_then(|given| {
                given.iter().find_map(|given| match &given.origin {
                    Origin::Variable(name) => Some(name.clone()),
                    Origin::File | Origin::Flag(_) => None,
                })
            });
            match (twin, variable.text) {
                (Some(other), _) => {
                    let refusal = Refusal::AlsoSetBy { other };
                    problems.push(Problem::of(&origin, &variable.key, refusal));
                }
                (None, None) => {
                    problems.push(Problem::of(&origin, &variable.key, Refusal::NotUtf8));
                }
                (None, Some(text)) => self.add(&variable.key, origin, Typed::One(text)),
            }
        }
    }

    fn add(&mut self, key: &str, origin: Origin, typed: Typed) {
        self.given
            .entry(key.to_owned())
            .or_default()
            .push(Given { origin, typed });
    }

    /// Takes back that a variable sets a key.
    pub(super) fn forget_variable(&mut self, name: &str) {
        for given in self.given.values_mut() {
            given.retain(|given| given.origin != Origin::Variable(name.to_owned()));
        }
    }

    /// The path that `text` means where it was written: below the file's own
    /// directory in the file, below the working directory elsewhere.
    pub(super) fn resolve(&self, origin: &Origin, text: &Path) -> PathBuf {
        match (origin, &self.file) {
            (Origin::File, Some(file)) => file
                .path
                .parent()
                .unwrap_or_else(|| Path::new(""))
                .join(text),
            (Origin::File, None) | (Origin::Variable(_) | Origin::Flag(_), _) => text.to_owned(),
        }
    }
}

fn named_file(inputs: &Inputs) -> Option<(PathBuf, Origin)> {
    let by_flag = inputs
        .file
        .clone()
        .map(|path| (path, Origin::Flag(flag::CONFIG)));
    by_flag.or_else(|| {
        let path = variables::config_file(&inputs.variables)?;
        Some((path, Origin::Variable(flag::CONFIG.variable())))
    })
}
