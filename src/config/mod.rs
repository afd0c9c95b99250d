//! The configuration: flags, then variables, then the file, then defaults.
//!
//! Every source is read as typed into one map of dotted keys and texts (`layers`), and
//! every key is asked for once, with its type and default (`check`, `serving`). All
//! problems are told at once, each where it was written. What a value is good for is
//! known to the module that obeys it; only the root imports this one.
//!
//! ```text
//! flags ─────┐
//! variables ─┼─▶ layers ──▶ reader ──▶ check ──▶ Config, Serving
//! file ──────┘   as typed              as meant     or Problems
//! ```

mod check;
mod error;
mod file;
pub mod flag;
mod known;
mod layers;
mod origin;
mod reader;
mod refusal;
mod renamed;
mod secret;
mod service_link;
mod serving;
mod settings;
mod suggest;
#[cfg(test)]
mod tests;
mod token;
mod units;
mod upstream;
mod value;
mod variables;

pub use check::{for_check, for_run};
pub use error::{Problem, Problems};
pub use flag::Flag;
pub use layers::Inputs;
pub use origin::Place;
pub use refusal::Refusal;
pub use secret::Secret;
pub use serving::{Admin, ErrorBody, Serving, Upstream, UpstreamTls};
pub use settings::{
    Bodies, CodedRequests, Config, DEFAULT_MAX_CONNECTIONS, Drain, Hosts, Limits, Log, LogFormat,
    Matching, Queue, Resources, Reuse, Scripts, Service, Store, Supervisor, Unavailable,
    Underscores, UpstreamPool,
};
pub use token::{Token, TokenAlgorithm};
pub use upstream::{Origin, ServerName, Url};
