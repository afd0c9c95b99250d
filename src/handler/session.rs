//! What is known of who asks: `platform.session`.
//!
//! Some of it is told by fields of the request, some by the claims of a token. A token is
//! worth nothing before it is verified, and verifying costs more than a small handler: it
//! is done when a handler first looks, once for the transaction and the calls it makes.

use std::fmt;
use std::sync::OnceLock;

use serde_json::{Map, Value};

/// Verifies a token and gives the whole session.
type Verify = dyn Fn() -> Result<Map<String, Value>, TokenRefusal> + Send + Sync;

/// What is known of who asks.
pub enum Session {
    /// As the fields tell it; no token counts.
    Told(Map<String, Value>),
    /// As the fields tell it; a token would count and none came.
    WithoutToken(Map<String, Value>),
    /// As the fields and a token tell it.
    WithToken(Pending),
}

/// A session that a token has a say in, worked out once.
pub struct Pending {
    verify: Box<Verify>,
    seen: OnceLock<Seen>,
}

/// What came of looking at a token.
struct Seen {
    values: Map<String, Value>,
    refused: Option<TokenRefusal>,
}

/// What came of a transaction's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// None came.
    Missing,
    /// No handler looked at the session.
    Unseen,
    /// It was verified.
    Accepted,
    /// It is worth nothing, and the session is empty.
    Refused(TokenRefusal),
}

/// Why a token is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Its header came more than once.
    Repeated,
    /// It is no signed token, or asks for something that isn't understood (`crit`).
    Malformed,
    /// It is signed by another algorithm than the one that is configured.
    Algorithm,
    /// No configured key has signed it.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is by somebody else than `token.issuer`.
    Issuer,
    /// It is for others than `token.audience`.
    Audience,
    /// It lacks `exp`, or `iss` or `aud` where they are configured, or one of them is no such value.
    Claims,
}

impl Session {
    /// One that `verify` gives once somebody looks.
    pub fn with_token(
        verify: impl Fn() -> Result<Map<String, Value>, TokenRefusal> + Send + Sync + 'static,
    ) -> Self {
        Self::WithToken(Pending {
            verify: Box::new(verify),
            seen: OnceLock::new(),
        })
    }

    /// What is known; nothing where a token came that is worth nothing. Looks at the token.
    pub fn values(&self) -> &Map<String, Value> {
        match self {
            Self::Told(values) | Self::WithoutToken(values) => values,
            Self::WithToken(pending) => &pending.seen().values,
        }
    }

    /// What came of the token so far; none where no token counts.
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Told(_) => None,
            Self::WithoutToken(_) => Some(Token::Missing),
            Self::WithToken(Pending { seen, .. }) => Some(match seen.get() {
                None => Token::Unseen,
                Some(Seen { refused, .. }) => refused.map_or(Token::Accepted, Token::Refused),
            }),
        }
    }
}

impl Pending {
    fn seen(&self) -> &Seen {
        self.seen.get_or_init(|| match (self.verify)() {
            Ok(values) => Seen {
                values,
                refused: None,
            },
            Err(refusal) => Seen {
                values: Map::new(),
                refused: Some(refusal),
            },
        })
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::Told(Map::new())
    }
}

impl fmt::Debug for Session {
    /// Without the values: they are about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Its name in lists.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unseen => "unseen",
            Self::Accepted => "accepted",
            Self::Refused(refusal) => refusal.label(),
        }
    }
}

impl TokenRefusal {
    /// Its name in lists and log lines.
    pub fn label(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else {
            panic!("no object")
        };
        object
    }

    #[test]
    fn a_token_is_verified_once_and_not_before_somebody_looks() {
        let verified = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&verified);
        let session = Session::with_token(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(object(json!({"user": {"id": 7}})))
        });

        assert_eq!(session.token(), Some(Token::Unseen));
        assert_eq!(session.values()["user"]["id"], 7);
        assert_eq!(session.values()["user"]["id"], 7);
        assert_eq!(session.token(), Some(Token::Accepted));
        assert_eq!(verified.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_token_that_is_worth_nothing_leaves_an_empty_session() {
        let session = Session::with_token(|| Err(TokenRefusal::Expired));

        assert!(session.values().is_empty());
        assert_eq!(session.token().map(Token::label), Some("expired"));
    }
}
