//! `interpose`: a reverse-proxy sidecar that runs JavaScript handlers on the requests
//! and responses of a REST API that nobody can change.

pub mod document;
pub mod message;
pub mod handler;
pub mod generation;
pub mod transaction;
#[expect(
    unsafe_code,
    reason = "the one module that speaks to QuickJS; every block has its argument"
)]
pub mod engine;
pub mod scripts;
pub mod upstream;
pub mod proxy;
pub mod telemetry;
pub mod config;
pub mod demo;
