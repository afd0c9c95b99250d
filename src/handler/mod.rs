//! Handlers: what runs when, and what a handler may do.
//!
//! Knows names, kinds, directives, patterns and events, and puts handlers in
//! order. Does not know where files come from, nor what JavaScript is: of a
//! file's text it reads the leading comments and nothing else.
//!
//! * [`Declared`]: one handler as its file and its `NAME.json` declare it.
//! * [`Chains`]: all handlers of a generation, ordered, a chain for each moment.
//! * [`Target`]: what a transaction is about, as patterns and events see it.
//! * [`Call`]: what the handlers of one transaction see and change.
//! * [`Verdict`]: what they decide.
//! * [`host`]: what they may call.

mod call;
mod capture;
mod chain;
mod declared;
mod diagnostic;
mod directive;
mod emitted;
mod event;
mod failure;
mod header;
pub mod host;
mod kind;
mod metadata;
mod name;
pub mod nesting;
mod never;
mod one_line;
mod path;
mod pattern;
mod readings;
mod requested;
mod secrets;
mod service;
mod session;
mod shape;
mod store;
mod target;
mod text;
mod times;
mod verdict;

pub use call::{Call, Fallback, Kept, LookedUp, Origin, TransactionId};
pub use capture::Capture;
pub use chain::{Chain, Chains, Order};
pub use declared::{Declared, DeclaredFile, declare};
pub use diagnostic::{Diagnostic, Diagnostics, MAX_TOLD};
pub use directive::{BodyPlan, Directive, DirectiveError, OnError, Word};
pub use emitted::{Audience, Emitted, Event};
pub use event::{EventError, EventName, Verb};
pub use failure::{Cause, Failure, Place};
pub use header::Header;
pub use kind::{Kind, Phase};
pub use metadata::Metadata;
pub use name::{HandlerName, NameError};
pub use one_line::OneLine;
pub use path::{NormalPath, Segments};
pub use pattern::{Match, MatchError};
pub use readings::TooManyReadings;
pub use requested::Requested;
pub use secrets::Secrets;
pub use service::{Service, Services};
pub use session::{Session, Token, TokenRefusal};
pub use store::Store;
pub use target::Target;
pub use text::Case;
pub use times::Times;
pub use verdict::{Answer, Content, Fault, Message, Rejection, Verdict};
