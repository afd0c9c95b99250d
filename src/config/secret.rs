//! Secrets: written by reference, read once, never shown.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::refusal::Refusal;
use super::variables;

/// A secret's text. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that has to compare or send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretReference {
    /// `file:PATH`; a line end behind the secret is not part of it.
    File(PathBuf),
    /// `env:NAME`
    Variable(String),
}

impl SecretReference {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(_) | None => Err(Refusal::NoReference),
        }
    }

    /// Reads the secret.
    pub(super) fn read(&self, variables: &[(OsString, OsString)]) -> Result<Secret, Refusal> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path)
                .map_err(|source| Refusal::Unreadable {
                    path: path.clone(),
                    source,
                })?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            Self::Variable(name) => variables::value(variables, name)
                .and_then(|value| value.to_str())
                .ok_or_else(|| Refusal::NoVariable { name: name.clone() })?
                .to_owned(),
        };
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        Ok(Secret(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret("hunter2".to_owned());

        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_secret_in_place_of_a_reference_is_refused_without_showing_it() {
        for text in ["hunter2", "pass:hunter2", "file:", "env:", ""] {
            let refusal = SecretReference::parse(text).expect_err(text);
            assert!(
                !format!("{refusal} {refusal:?}").contains("hunter2"),
                "{text}"
            );
        }
    }
}
