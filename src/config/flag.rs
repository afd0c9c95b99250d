//! The flags of `run` that set a key, and the names variables have.
//!
//! `--log-format json`, `INTERPOSE_LOG_FORMAT=json`, `INTERPOSE_LOG__FORMAT=json`
//! and `[log] format = "json"` are one setting; this table is what joins them.

use super::suggest;

/// A command-line flag that sets one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// With its dashes, such as `--log-format`.
    pub name: &'static str,
    /// The key it sets, such as `log.format`.
    pub key: &'static str,
    /// Whether it says the opposite of its key: `--no-supervisor`.
    pub negates: bool,
}

/// Every flag that sets a key, in the order of `--help`.
pub const FLAGS: [Flag; 11] = [
    LISTEN,
    UPSTREAM,
    SCRIPTS,
    STATUS,
    ADMIN,
    WORKERS,
    REQUIRE_HANDLERS,
    NO_SUPERVISOR,
    LOG_FORMAT,
    LOG_LEVEL,
    ACCESS_LOG,
];

/// `--listen ADDR`
pub const LISTEN: Flag = Flag::new("--listen", "listen");
/// `--upstream URL`
pub const UPSTREAM: Flag = Flag::new("--upstream", "upstream");
/// `--scripts DIR`
pub const SCRIPTS: Flag = Flag::new("--scripts", "scripts.directory");
/// `--status ADDR|off`
pub const STATUS: Flag = Flag::new("--status", "status.listen");
/// `--admin ADDR|off`
pub const ADMIN: Flag = Flag::new("--admin", "admin.listen");
/// `--workers N`
pub const WORKERS: Flag = Flag::new("--workers", "workers");
/// `--require-handlers`
pub const REQUIRE_HANDLERS: Flag = Flag::new("--require-handlers", "require_handlers");
/// `--no-supervisor`
pub const NO_SUPERVISOR: Flag = Flag {
    negates: true,
    ..Flag::new("--no-supervisor", "supervisor.enabled")
};
/// `--log-format text|json`
pub const LOG_FORMAT: Flag = Flag::new("--log-format", "log.format");
/// `--log-level LEVEL`
pub const LOG_LEVEL: Flag = Flag::new("--log-level", "log.level");
/// `--access-log on|off`
pub const ACCESS_LOG: Flag = Flag::new("--access-log", "log.access");

/// `--config FILE`, which names the file and is no key itself.
pub(super) const CONFIG: Flag = Flag::new("--config", "config");

/// What the name of every variable begins with.
pub(super) const PREFIX: &str = "INTERPOSE_";

impl Flag {
    const fn new(name: &'static str, key: &'static str) -> Self {
        Self {
            name,
            key,
            negates: false,
        }
    }

    /// The variable that is spelled like this flag, such as `INTERPOSE_LOG_FORMAT`.
    pub fn variable(self) -> String {
        variable_of(&self.spelled())
    }

    /// The name as a key would be spelled, such as `log_format`.
    pub(super) fn spelled(self) -> String {
        self.name.trim_start_matches('-').replace('-', "_")
    }
}

/// The variable that is spelled like `key`: `INTERPOSE_LOG__FORMAT` for `log.format`.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The key that a variable sets, for the part of its name behind `INTERPOSE_`, and whether it
/// says the opposite.
///
/// The key need not exist.
pub(super) fn key_of(name: &str) -> (String, bool) {
    let spelled = name.replace("__", ".").to_lowercase();
    FLAGS
        .into_iter()
        .find(|flag| flag.spelled() == spelled)
        .map_or((spelled, false), |flag| (flag.key.to_owned(), flag.negates))
}

/// The opposite of a switch; what is no switch stays as it is, to be refused.
pub(super) fn negated(text: &str) -> &str {
    match text {
        "true" => "false",
        "false" => "true",
        "on" => "off",
        "off" => "on",
        other => other,
    }
}

/// The variable of the flag whose name is nearest to what a variable spells.
pub(super) fn nearest_variable(key: &str) -> Option<String> {
    let spelled: Vec<String> = FLAGS.iter().map(|flag| flag.spelled()).collect();
    let nearest = suggest::nearest(key, spelled.iter().map(String::as_str))?;
    Some(variable_of(nearest))
}
