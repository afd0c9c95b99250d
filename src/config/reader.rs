//! Asks for keys one by one, keeps every problem, and at the end refuses what nobody
//! asked for. Which keys there are, and their defaults, is therefore written once:
//! where they are asked for.
//!
//! After a problem a default, or nothing, stands in for the value, so that the other
//! keys are looked at as well; [`Reader::finish`] never lets such a value out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{Problem, Problems};
use super::flag::Flag;
use super::known::Known;
use super::layers::{Given, Inputs, Layers, Typed};
use super::origin::{Origin, Place};
use super::refusal::Refusal;
use super::secret::SecretReference;
use super::suggest;

/// Reads keys out of the layers.
pub(super) struct Reader {
    /// What was not asked for yet.
    layers: Layers,
    /// What was asked for.
    known: Known,
    /// Where the value of each key comes from that somebody wrote.
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(inputs: &Inputs) -> Self {
        let (layers, problems) = Layers::read(inputs);
        Self {
            layers,
            known: Known::default(),
            origins: BTreeMap::new(),
            problems,
        }
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.known.add(key, None);
        self.strongest_one(key, |_, given| given.typed.one().and_then(&parse))
    }

    /// The value of a key, or its default.
    pub(super) fn or<T>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> T {
        let written = self.optional(key, &parse);
        let typed = Typed::One(default.to_owned());
        self.known.add(key, Some(typed));
        written.unwrap_or_else(|| parse(default).expect("a default is a valid value"))
    }

    /// The values of a key that holds a list, or its default.
    pub(super) fn list_or<T>(
        &mut self,
        key: &str,
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Vec<T> {
        let items = default.iter().map(|&item| item.to_owned()).collect();
        self.known.add(key, Some(Typed::Many(items)));
        let written = self.strongest(key, |_, given| {
            let items = given.typed.many().map_err(|refusal| vec![refusal])?;
            all(items.into_iter().map(&parse))
        });
        written.unwrap_or_else(|| {
            all(default.iter().map(|&item| parse(item))).expect("a default is a valid value")
        })
    }

    /// The path that a key names, from where it was written.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.known.add(key, None);
        self.strongest_one(key, |layers, given| match given.typed.one()? {
            "" => Err(Refusal::Empty),
            text => Ok(layers.resolve(&given.origin, text.as_ref())),
        })
    }

    /// The reference to a secret that a key holds.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretReference> {
        self.known.add(key, None);
        let reference = self.strongest_one(key, |layers, given| {
            reference(layers, given, given.typed.one()?)
        });
        self.forget_variables(reference.as_slice());
        reference
    }

    /// The references to secrets that a key holds as a list.
    pub(super) fn secrets(&mut self, key: &str) -> Vec<SecretReference> {
        self.known.add(key, None);
        let references = self.strongest(key, |layers, given| {
            let items = given.typed.many().map_err(|refusal| vec![refusal])?;
            if items.is_empty() {
                return Err(vec![Refusal::Empty]);
            }
            all(items.into_iter().map(|text| reference(layers, given, text)))
        });
        let references = references.unwrap_or_default();
        self.forget_variables(&references);
        references
    }

    /// `env:INTERPOSE_TOKEN` is as good a name as any, and no setting then.
    fn forget_variables(&mut self, references: &[SecretReference]) {
        for reference in references {
            match reference {
                SecretReference::Variable(name) => self.layers.forget_variable(name),
                SecretReference::File(_) => {}
            }
        }
    }

    /// All keys of a table whose names are the operator's own, without the table's name.
    ///
    /// A table within it whose keys were asked for before keeps its keys.
    pub(super) fn open_table<T>(
        &mut self,
        table: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> BTreeMap<String, T> {
        self.known.add(&format!("{table}.NAME"), None);
        self.names_in(table)
            .into_iter()
            .filter_map(|name| {
                let value = self.optional(&format!("{table}.{name}"), &parse)?;
                Some((name, value))
            })
            .collect()
    }

    /// The references to secrets that a table holds under names of the operator's own.
    pub(super) fn open_table_of_secrets(
        &mut self,
        table: &str,
    ) -> BTreeMap<String, SecretReference> {
        self.known.add(&format!("{table}.NAME"), None);
        self.names_in(table)
            .into_iter()
            .filter_map(|name| {
                let reference = self.secret(&format!("{table}.{name}"))?;
                Some((name, reference))
            })
            .collect()
    }

    /// The names that were written in a table, without those of tables in it whose keys
    /// were asked for before.
    fn names_in(&self, table: &str) -> Vec<String> {
        let prefix = format!("{table}.");
        let is_in_closed_table = |key: &str| {
            let (parent, _) = suggest::split(key);
            parent != table && !self.known.names_below(parent).is_empty()
        };
        let keys = self.layers.given.keys();
        keys.filter(|key| !is_in_closed_table(key))
            .filter_map(|key| key.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    }

    /// The keys of the tables `[[table]]`, such as `service[0]`, in order.
    pub(super) fn tables(&mut self, table: &'static str) -> Vec<String> {
        for Given { origin, typed } in self.layers.given.remove(table).unwrap_or_default() {
            match typed {
                Typed::Many(items) if items.is_empty() => {}
                Typed::One(_) | Typed::Many(_) | Typed::EmptyTable => {
                    let refusal = Refusal::ValueForTables { table };
                    self.problems.push(Problem::of(&origin, table, refusal));
                }
            }
        }
        self.known.add(table, None);
        let indexes: BTreeSet<usize> = self
            .layers
            .given
            .keys()
            .filter_map(|key| index_in(table, key))
            .collect();
        indexes
            .into_iter()
            .map(|index| format!("{table}[{index}]"))
            .collect()
    }

    /// Refuses that the key of `flag` has no value.
    ///
    /// A key is not missed where it was refused, or where the file that may hold it
    /// could not be read.
    pub(super) fn required<T>(&mut self, flag: Flag, value: Option<T>) -> Option<T> {
        let file_was_read = self.layers.file.as_ref().is_none_or(|file| file.was_read);
        if value.is_none() && file_was_read && !self.was_written(flag.key) {
            self.problems.push(Problem {
                place: Place::Nowhere,
                subject: flag.key.to_owned(),
                refusal: Refusal::Missing { flag },
            });
        }
        value
    }

    /// Refuses that a key of one of the [`tables`](Self::tables) has no value.
    pub(super) fn required_in_table<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.was_written(key) {
            let problem = Problem::of(&Origin::File, key, Refusal::MissingInTable);
            self.problems.push(problem);
        }
        value
    }

    /// What a key's value refers to, once opened.
    pub(super) fn opened<T, U>(
        &mut self,
        key: &str,
        value: Option<T>,
        open: impl FnOnce(T, &[(OsString, OsString)]) -> Result<U, Refusal>,
    ) -> Option<U> {
        match open(value?, &self.layers.variables) {
            Ok(opened) => Some(opened),
            Err(refusal) => {
                self.refuse(&[key], refusal);
                None
            }
        }
    }

    /// Whether somebody wrote a key, rightly or not.
    pub(super) fn was_written(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Refuses what keys say together, at the first of them that somebody wrote.
    pub(super) fn refuse(&mut self, keys: &[&str], refusal: Refusal) {
        let written = keys
            .iter()
            .find_map(|&key| Some((key, self.origins.get(key)?)));
        self.problems.push(match written {
            Some((key, origin)) => Problem::of(origin, key, refusal),
            None => Problem {
                place: Place::Nowhere,
                subject: keys.join(", "),
                refusal,
            },
        });
    }

    /// The configuration, where there was no problem; refuses every key that was
    /// not asked for.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        self.refuse_unknown();
        if self.problems.is_empty() {
            return Ok(value);
        }
        let file = self.layers.file.as_ref().map(|file| file.path.as_path());
        Err(Problems::new(file, self.problems))
    }

    /// The keys that were asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Parses a key's value in every layer, so that a bad one is seen where another
    /// hides it, and gives the strongest.
    fn strongest<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&Layers, &Given) -> Result<T, Vec<Refusal>>,
    ) -> Option<T> {
        let mut strongest = None;
        for given in self.layers.given.remove(key).unwrap_or_default() {
            match parse(&self.layers, &given) {
                Ok(value) => strongest = Some(value),
                Err(refusals) => self.problems.extend(
                    refusals
                        .into_iter()
                        .map(|refusal| Problem::of(&given.origin, key, refusal)),
                ),
            }
            self.origins.insert(key.to_owned(), given.origin);
        }
        strongest
    }

    /// As [`strongest`](Self::strongest), for a value that only one thing can be wrong with.
    fn strongest_one<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&Layers, &Given) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.strongest(key, |layers, given| {
            parse(layers, given).map_err(|refusal| vec![refusal])
        })
    }

    fn refuse_unknown(&mut self) {
        for (key, given) in std::mem::take(&mut self.layers.given) {
            for Given { origin, typed } in given {
                let refusal = match (self.known.names_below(&key), typed) {
                    (names, _) if names.is_empty() => self.known.refuse(&origin, &key),
                    (_, Typed::EmptyTable) => continue,
                    (keys, Typed::One(_) | Typed::Many(_)) => Refusal::ValueForTable { keys },
                };
                self.problems.push(Problem::of(&origin, &key, refusal));
            }
        }
    }
}

/// The reference that `text` is, a file's path from where it was written.
fn reference(layers: &Layers, given: &Given, text: &str) -> Result<SecretReference, Refusal> {
    Ok(match SecretReference::parse(text)? {
        SecretReference::File(path) => SecretReference::File(layers.resolve(&given.origin, &path)),
        variable @ SecretReference::Variable(_) => variable,
    })
}

/// The number of the table that a key lies in: 0 for `service[0].name`.
fn index_in(table: &str, key: &str) -> Option<usize> {
    let (index, _) = key
        .strip_prefix(table)?
        .strip_prefix('[')?
        .split_once(']')?;
    index.parse().ok()
}

/// All values, or all that is wrong with any of them.
fn all<T>(results: impl Iterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Vec<Refusal>> {
    let mut values = Vec::new();
    let mut refusals = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() {
        Ok(values)
    } else {
        Err(refusals)
    }
}
