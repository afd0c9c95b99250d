//! Where a value was written, in the words of who wrote it.

use super::flag::{self, Flag};

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// A flag.
    CommandLine,
    /// Nowhere: a value that is missing.
    Nowhere,
}

/// Where one value was written and how it is spelled there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File,
    Variable(String),
    Flag(Flag),
}

impl Origin {
    pub(super) fn place(&self) -> Place {
        match self {
            Self::File => Place::File,
            Self::Variable(_) => Place::Environment,
            Self::Flag(_) => Place::CommandLine,
        }
    }

    /// What a person who wrote `key` here would look for.
    ///
    /// The key itself stands behind a name that does not spell it.
    pub(super) fn subject(&self, key: &str) -> String {
        match self {
            Self::File => key.to_owned(),
            Self::Variable(name) if *name == flag::variable_of(key) => name.clone(),
            Self::Variable(name) => format!("{name} ({key})"),
            Self::Flag(flag) if flag.spelled() == key => flag.name.to_owned(),
            Self::Flag(flag) => format!("{} ({key})", flag.name),
        }
    }
}
