//! The environment as typed: which variables set a key, and which only look so.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::flag::{self, PREFIX};
use super::service_link::is_service_link;

/// Names the binary for benches and test rigs, which hand their environment on.
const BINARY: &str = "INTERPOSE_BIN";

/// A variable that sets a key.
pub(super) struct Variable {
    pub(super) name: String,
    /// The key its name spells; it need not exist.
    pub(super) key: String,
    /// `None` where it is not UTF-8.
    pub(super) text: Option<String>,
}

/// The file that `INTERPOSE_CONFIG` names.
pub(super) fn config_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    value(variables, &flag::CONFIG.variable()).map(PathBuf::from)
}

/// The value of one variable of any name.
pub(super) fn value<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    variables
        .iter()
        .find(|(candidate, _)| candidate == name)
        .map(|(_, value)| value.as_os_str())
}

/// The variables that set a key, by name.
pub(super) fn settings(variables: &[(OsString, OsString)]) -> Vec<Variable> {
    let config = flag::CONFIG.variable();
    let mut settings: Vec<Variable> = variables
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_str()?;
            let rest = name.strip_prefix(PREFIX)?;
            let sets_no_key = name == config || name == BINARY || is_service_link(rest, value);
            let (key, negates) = flag::key_of(rest);
            let text = value.to_str().map(|text| {
                if negates {
                    flag::negated(text).to_owned()
                } else {
                    text.to_owned()
                }
            });
            (!sets_no_key).then(|| Variable {
                name: name.to_owned(),
                key,
                text,
            })
        })
        .collect();
    settings.sort_by(|a, b| a.name.cmp(&b.name));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(variables: &[(&str, &str)]) -> Vec<String> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect();
        settings(&variables)
            .into_iter()
            .map(|variable| variable.key)
            .collect()
    }

    #[test]
    fn two_underscores_nest_and_one_is_part_of_a_name() {
        assert_eq!(
            keys(&[
                ("INTERPOSE_LIMITS__HANDLER_TIME", "20ms"),
                ("INTERPOSE_SESSION__USER__ID", "x-id"),
                ("INTERPOSE_TRUSTED_PROXIES", "::1"),
            ]),
            ["limits.handler_time", "session.user.id", "trusted_proxies"]
        );
    }

    #[test]
    fn a_variable_may_be_spelled_like_its_flag() {
        assert_eq!(
            keys(&[
                ("INTERPOSE_ACCESS_LOG", "off"),
                ("INTERPOSE_SCRIPTS", "handlers"),
                ("INTERPOSE_STATUS", "off"),
            ]),
            ["log.access", "scripts.directory", "status.listen"]
        );
    }

    #[test]
    fn other_variables_set_nothing() {
        assert_eq!(
            keys(&[
                ("PATH", "/bin"),
                ("INTERPOSE_CONFIG", "a.toml"),
                ("INTERPOSE_BIN", "target/release/interpose"),
                ("INTERPOSE_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ]),
            Vec::<String>::new()
        );
    }
}
