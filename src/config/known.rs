//! The keys there are, and what may have been meant by one that is not.

use std::collections::BTreeMap;

use super::flag;
use super::layers::Typed;
use super::origin::Origin;
use super::refusal::Refusal;
use super::renamed;
use super::suggest;

/// Every key that was asked for, with its default.
///
/// A table whose keys are the operator's own is known by the key `NAME`.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Option<Typed>>);

impl Known {
    pub(super) fn add(&mut self, key: &str, default: Option<Typed>) {
        self.0.insert(key.to_owned(), default);
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Option<&Typed>)> {
        self.0
            .iter()
            .map(|(key, default)| (key.as_str(), default.as_ref()))
    }

    /// The keys of a table, without its name; none where there is no such table.
    pub(super) fn names_below(&self, table: &str) -> Vec<String> {
        self.0
            .keys()
            .filter_map(|key| key.strip_prefix(table)?.strip_prefix('.'))
            .map(str::to_owned)
            .collect()
    }

    /// Why a key that is not known can't be set, with a suggestion as it would be
    /// spelled at the same place.
    pub(super) fn refuse(&self, origin: &Origin, key: &str) -> Refusal {
        if let Some(present) = renamed::present_name(key) {
            return Refusal::Renamed {
                present: match origin {
                    Origin::File | Origin::Flag(_) => present.to_owned(),
                    Origin::Variable(_) => flag::variable_of(present),
                },
            };
        }
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let nearest = suggest::nearest_key(key, &known);
        match origin {
            Origin::File | Origin::Flag(_) => Refusal::Unknown {
                what: "key",
                nearest: nearest.map(|nearest| {
                    let (table, name) = suggest::split(nearest);
                    let is_sibling = table == suggest::split(key).0;
                    if is_sibling { name } else { nearest }.to_owned()
                }),
            },
            Origin::Variable(_) => Refusal::Unknown {
                what: "variable",
                nearest: nearest
                    .map(flag::variable_of)
                    .or_else(|| flag::nearest_variable(key)),
            },
        }
    }
}
