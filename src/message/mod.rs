//! Words of HTTP: what a request and a response are made of.
//!
//! Knows neither handlers nor the network. Nothing here reads or writes a byte; the
//! framing of a message belongs to whoever sends it.

pub mod body;
mod capitals;
pub mod charset;
pub mod chunked;
pub mod coding;
pub mod field_text;
pub mod fields;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod media;
pub mod namesakes;
pub mod percent;
pub mod pieces;
pub mod query;
pub mod request;
pub mod response;
pub mod validators;

pub use body::Body;
pub use fields::{Field, FieldName, Fields};
pub use media::JsonType;
pub use pieces::Pieces;
pub use query::Query;
pub use request::Request;
pub use response::Response;
