//! The verb that ends an event's name, and the methods it stands for.

use http::Method;

/// The last part of an event's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `get`; HEAD counts as it.
    Get,
    /// `post`
    Post,
    /// `put`
    Put,
    /// `patch`
    Patch,
    /// `delete`
    Delete,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The verb spelled exactly so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }

    /// The verb of a method's events: HEAD counts as get, OPTIONS and others have none.
    pub fn of(method: &Method) -> Option<Self> {
        match method.as_str() {
            "GET" | "HEAD" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            other => Self::of_lower_case(other),
        }
    }

    /// Some that may be behind us read `get` as `GET`.
    fn of_lower_case(method: &str) -> Option<Self> {
        if method.eq_ignore_ascii_case("HEAD") {
            return Some(Self::Get);
        }
        let is_it = |verb: &Self| verb.as_str().eq_ignore_ascii_case(method);
        Self::ALL.into_iter().find(is_it)
    }

    /// As event names spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}
