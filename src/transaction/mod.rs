//! One client request and the one response it gets: the line that everything else serves.
//!
//! Knows no sockets, no files and no JavaScript; what it needs of them it asks for in
//! [`ports`]. Read [`pipeline`] first.

pub mod begin;
mod bodies;
pub mod calls;
mod coded;
mod configured;
mod fallback;
mod gathered;
pub mod line;
pub mod outcome;
mod overrides;
pub mod pipeline;
pub mod ports;
mod queued;
pub mod record;
pub mod respond;
mod revalidation;
mod room;
mod routes;
mod schemes;
mod session;
mod sight;
mod state;
pub mod story;
pub mod unseen;

pub use begin::{Asked, Names, Planned};
pub use calls::Calls;
pub use configured::{AllowedHost, SessionSource};
pub use line::{Entry, Line, Sent};
pub use outcome::Outcome;
pub use pipeline::{Pipeline, Reply, Settings};
pub use queued::{Job, LeftOut, Queue, Tried};
pub use record::Record;
pub use room::Room;
pub use routes::Routes;
pub use session::{SessionSources, TokenSource, nested};
pub use state::Transaction;
pub use story::{Emissions, Fate, QueuedStory, Story, Told};
pub use unseen::Unseen;
