//! What can be wrong with one key or its value, and how to mend it.
//!
//! A text says what was written, what it is not and what to write instead. What may
//! hold a secret is not repeated.

use std::path::PathBuf;

use super::flag::Flag;

/// What is wrong with one key or its value.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A key, or a variable's name, that sets nothing.
    #[error("no such {what}{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// `key` or `variable`.
        what: &'static str,
        /// What may have been meant, spelled for the same place.
        nearest: Option<String>,
    },

    /// A key that is called otherwise now.
    #[error("was renamed to {present}")]
    Renamed {
        /// What it is called, spelled for the same place.
        present: String,
    },

    /// A value at a place where a table belongs.
    #[error("this is a table, not a value; its keys are {}", keys.join(", "))]
    ValueForTable {
        /// The names of the table's keys.
        keys: Vec<String>,
    },

    /// A table at a place where a value belongs.
    #[error("a table where a value belongs")]
    TableForValue,

    /// An array at a place where one value belongs.
    #[error("a list where one value belongs")]
    ListForOne,

    /// A value at a place where tables in double brackets belong.
    #[error("a value where tables belong; write [[{table}]] above each")]
    ValueForTables {
        /// The tables' name.
        table: &'static str,
    },

    /// A key that has no default was not set.
    #[error("missing; give {}, {} or {} in the configuration file", flag.name, flag.variable(), flag.key)]
    Missing {
        /// The flag that sets it.
        flag: Flag,
    },

    /// A table lacks a key that has no default.
    #[error("missing; each of these tables needs it")]
    MissingInTable,

    /// A quoted key and a nested table name the same key.
    #[error("written twice, once with a dot in its name and once in a table; keep one")]
    WrittenTwice,

    /// Two variables set the same key.
    #[error("{other} sets the same key; keep one")]
    AlsoSetBy {
        /// The other variable.
        other: String,
    },

    /// A variable whose value is no text.
    #[error("not UTF-8")]
    NotUtf8,

    /// The file is no TOML.
    #[error("{message}")]
    Syntax {
        /// What the TOML parser says.
        message: String,
    },

    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// Not a whole number and a unit of time.
    #[error("{text:?} is no duration; write a number and a unit, such as \"100ms\"")]
    NoDuration {
        /// As written.
        text: String,
    },

    /// A duration of more than a day.
    #[error("{text:?} is too long; write at most \"24h\"")]
    TooLong {
        /// As written.
        text: String,
    },

    /// Nought where it would switch everything off.
    #[error("{text:?} leaves no time at all; write more, such as \"100ms\"")]
    Zero {
        /// As written.
        text: String,
    },

    /// So little that it would fire all the time.
    #[error("{text:?} is too short; write 1s or more, or \"off\"")]
    TooShort {
        /// As written.
        text: String,
    },

    /// Not a whole number and a unit of size.
    #[error("{text:?} is no size; write a number and a unit, such as \"8MiB\"")]
    NoSize {
        /// As written.
        text: String,
    },

    /// A size that is too small or too large.
    #[error("{text:?} is out of range; write {least} to {most}")]
    SizeOutOfRange {
        /// As written.
        text: String,
        /// The smallest that is taken.
        least: String,
        /// The largest that is taken.
        most: String,
    },

    /// Not a whole number in its range.
    #[error("{text:?} is out of range; write a number from 1 to {most}")]
    NoCount {
        /// As written.
        text: String,
        /// The largest that is taken.
        most: usize,
    },

    /// None of a closed list of words.
    #[error("{text:?} is not one of {}{}", choices.join(", "), did_you_mean(nearest.as_deref()))]
    NoChoice {
        /// As written.
        text: String,
        /// All that can be written.
        choices: Vec<&'static str>,
        /// What may have been meant.
        nearest: Option<String>,
    },

    /// No address with a port.
    #[error("{text:?} is no address; write an IP address and a port, such as \"127.0.0.1:8080\"{}", if *may_be_off { ", or \"off\"" } else { "" })]
    NoAddress {
        /// As written.
        text: String,
        /// Whether there may be no listener.
        may_be_off: bool,
    },

    /// Two listeners would use one port.
    #[error("{} and {} can't both have port {port}; give one of them another", keys[0], keys[1])]
    PortClash {
        /// The keys of the two.
        keys: [&'static str; 2],
        /// The port.
        port: u16,
    },

    /// An upstream that is no `http` or `https` address of a host.
    ///
    /// Not shown as written: it may hold a password.
    #[error(
        "no address of a service; write http:// or https:// and a host, such as \"http://127.0.0.1:9000\""
    )]
    NoUpstream,

    /// An upstream with a user name or password.
    #[error(
        "a user name or password has no place here; let a handler set the Authorization header"
    )]
    UpstreamUser,

    /// An upstream with more than scheme, host and port.
    #[error(
        "{text:?} has a path, query or fragment; requests keep their own, so end it behind the host and port"
    )]
    UpstreamPath {
        /// As written.
        text: String,
    },

    /// TLS settings for an upstream that is spoken to in plain text.
    #[error("set, but no such upstream is https://; mend upstream or leave this out")]
    TlsWithoutHttps,

    /// No host name or IP address.
    #[error("{text:?} is no host; write a name or an IP address, such as \"api.example.com\"")]
    NoHost {
        /// As written.
        text: String,
    },

    /// No network.
    #[error(
        "{text:?} is no network; write an IP address and a prefix length, such as \"10.0.0.0/8\""
    )]
    NoNetwork {
        /// As written.
        text: String,
    },

    /// A network whose address has bits beyond its prefix.
    #[error("{text:?} names a host in a network; did you mean \"{network}\"?")]
    HostBits {
        /// As written.
        text: String,
        /// The network.
        network: ipnet::IpNet,
    },

    /// No header name.
    #[error("{text:?} is no header name")]
    NoHeaderName {
        /// As written.
        text: String,
    },

    /// No media type.
    #[error(
        "{text:?} is no media type; write one such as \"application/json\", \"*+json\", or \"none\" for bodies without one"
    )]
    NoMediaType {
        /// As written.
        text: String,
    },

    /// No path from the root of a service.
    #[error("{text:?} is no path; write one that begins with \"/\" and has no query")]
    NoPath {
        /// As written.
        text: String,
    },

    /// A service's name that no event name could hold.
    #[error("{text:?} is no service name; use letters, digits, \"_\" and \"-\"")]
    NoServiceName {
        /// As written.
        text: String,
    },

    /// Two services that can't be told apart.
    #[error("{text:?} is that of {other} too")]
    SameAs {
        /// As written.
        text: String,
        /// The key of the service before it.
        other: String,
    },

    /// A value below another value.
    #[error("{table} is a value of its own and can't hold others; rename one")]
    ValueAndTable {
        /// The other value's name.
        table: String,
    },

    /// Not the bare name of a file.
    #[error("{text:?} is no file name; write one without a directory")]
    NoFileName {
        /// As written.
        text: String,
    },

    /// Nothing where a text is needed.
    #[error("empty")]
    Empty,

    /// A secret that is not given by reference.
    ///
    /// Not shown as written: it may be the secret.
    #[error("no reference; a secret is never written here: write \"file:PATH\" or \"env:NAME\"")]
    NoReference,

    /// A secret's variable is not set, or holds no UTF-8.
    #[error("the variable {name} is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },

    /// An admin listener that others can reach without a token.
    #[error(
        "missing; admin.listen is {address}, which others can reach: give a token, as \"file:PATH\" or \"env:NAME\""
    )]
    NoToken {
        /// Where the admin listener would be.
        address: std::net::SocketAddr,
    },

    /// A handler's limit beyond that of the transaction it belongs to.
    #[error(
        "a handler could run for {handler:?} (limits.handler_time) and its transaction only for {transaction:?} (limits.transaction_time); lengthen the one or shorten the other"
    )]
    HandlerOutlastsTransaction {
        /// `limits.handler_time`.
        handler: std::time::Duration,
        /// `limits.transaction_time`.
        transaction: std::time::Duration,
    },

    /// Claims that nobody verifies, or half of what it takes to verify them.
    #[error(
        "missing; a token's claims count once it is verified, by token.algorithm and token.keys"
    )]
    Unverified,

    /// A key in PEM where a secret belongs: everybody may know a public one.
    #[error("a key in PEM is no secret; token.algorithm needs one that only its issuer knows")]
    PublicSecret,

    /// Something else where a public key belongs. Not shown: it may be a secret.
    #[error("no public key; give one in PEM, \"-----BEGIN PUBLIC KEY-----\"")]
    NoPublicKey,

    /// A handler's memory beyond that of all handlers.
    #[error(
        "one handler could need {handler} bytes (limits.handler_memory) and all together have {total} (limits.total_memory); raise the one or lower the other"
    )]
    HandlerOutgrowsAll {
        /// `limits.handler_memory`.
        handler: usize,
        /// `limits.total_memory`.
        total: usize,
    },

    /// Both a format and a template.
    #[error("errors.format is \"problem\"; keep one of the two")]
    TemplateAndFormat,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean {nearest:?}?")
    })
}
