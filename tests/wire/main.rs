//! The proxy on real sockets, byte for byte: a raw client before it, a recording
//! upstream behind it, handlers written in Rust within.

mod buffered;
mod charset;
mod coding;
mod framing;
mod heads;
mod interim;
mod leaving;
mod life;
mod passthrough;
mod places;
mod pool;
mod pressure;
mod quarantine;
mod refusals;
mod secure;
mod support;
mod trouble;
mod unseen;
mod validators;
