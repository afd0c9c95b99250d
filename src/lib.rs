//! `interpose`: a reverse-proxy sidecar that runs JavaScript handlers on the requests
//! and responses of a REST API that nobody can change.
//!
//! In reading order; each layer knows only those above it in this list, the adapters
//! not each other.

// What each thread runs, for who looks once the process is gone.
#[expect(
    unsafe_code,
    reason = "shared memory and signal handlers; every block has its argument"
)]
pub mod crash;

// Words.
pub mod document;
pub mod message;
pub mod wire;

pub mod handler;

pub mod generation;

// The core.
pub mod transaction;

// Adapters.
#[expect(
    unsafe_code,
    reason = "the one module that speaks to QuickJS; every block has its argument"
)]
pub mod engine;
pub mod queue;
pub mod scripts;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod upstream;

// Edges.
pub mod admin;
pub mod proxy;
pub mod supervisor;

// The root.
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
