//! What is configured of the core in words of its own: whom handlers may call, and where the
//! values of sessions come from.

use http::HeaderName;
use url::Host;

/// A host that handlers may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    /// A name in lower case, or an address.
    pub host: Host,
    /// `None` for every port.
    pub port: Option<u16>,
}

/// Where one value of a session comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSource {
    /// A field of the request.
    Field(HeaderName),
    /// A claim of its token: a member of the claims, or where they have none of this name,
    /// the members that its parts lead to.
    Claim(String),
}
