//! `platform.session`: what the fields of a request and its token say of who asks, as
//! `[session]` has it.
//!
//! The fields are believed as they come: whoever stands before the sidecar has to set them,
//! or take them off. A token is believed once it is verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, header};
use serde_json::{Map, Value};

use crate::handler::{Session, TokenRefusal};
use crate::message::Fields;

use super::configured::SessionSource;
use super::ports::Tokens;

/// The value's dotted name in its parts, and where the value comes from.
type Sourced<S> = Vec<(Vec<String>, S)>;

/// Where the values of sessions come from.
#[derive(Debug, Clone, Default)]
pub struct SessionSources {
    fields: Sourced<HeaderName>,
    claims: Arc<Sourced<String>>,
    token: Option<TokenSource>,
}

/// Where the token of a request is, and who verifies it.
#[derive(Debug, Clone)]
pub struct TokenSource {
    /// The field that holds it: `Bearer TOKEN` in `Authorization`, that or the token alone
    /// in any other.
    pub header: HeaderName,
    /// Who verifies it.
    pub tokens: Arc<dyn Tokens>,
}

impl SessionSources {
    /// Sources by the dotted name of the value that comes from them, such as `user.id`. No
    /// value lies below another. Without `token`, no claim is ever there.
    pub fn new(sources: &BTreeMap<String, SessionSource>, token: Option<TokenSource>) -> Self {
        let (mut fields, mut claims) = (Vec::new(), Vec::new());
        for (name, source) in sources {
            let parts = name.split('.').map(str::to_owned).collect();
            match source {
                SessionSource::Field(field) => fields.push((parts, field.clone())),
                SessionSource::Claim(claim) => claims.push((parts, claim.clone())),
            }
        }
        Self {
            fields,
            claims: Arc::new(claims),
            token,
        }
    }

    /// Whether a field of this name says who asks.
    pub(super) fn names_field(&self, name: &str) -> bool {
        self.fields().any(|field| field.as_str() == name)
    }

    /// Those of its fields that have a `_` in their names.
    pub(super) fn underscored_fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields().filter(|field| field.as_str().contains('_'))
    }

    fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        let token = self.token.iter().map(|token| &token.header);
        self.fields.iter().map(|(_, field)| field).chain(token)
    }

    /// The session of a request with these fields; what has none isn't in it. A field that
    /// was sent several times is one text, joined by commas.
    pub(super) fn read(&self, fields: &Fields) -> Session {
        let sent = self
            .fields
            .iter()
            .filter_map(|(name, field)| Some((name, fields.joined(field)?.into())));
        let told = nested(sent);
        let Some(TokenSource { header, tokens }) = &self.token else {
            return Session::Told(told);
        };
        match sent_token(header, fields) {
            None => Session::WithoutToken(told),
            Some(token) => {
                let (tokens, claims) = (Arc::clone(tokens), Arc::clone(&self.claims));
                Session::with_token(move || {
                    let said = tokens.verify(token.as_ref().map_err(|refusal| *refusal)?)?;
                    let mut values = told.clone();
                    for (name, claim) in claims.iter() {
                        if let Some(value) = claimed(&said, claim) {
                            put(&mut values, name, value.clone());
                        }
                    }
                    Ok(values)
                })
            }
        }
    }
}

/// The token in the field `header`; none where there is no such field, or, in
/// `Authorization`, one of another scheme.
fn sent_token(header: &HeaderName, fields: &Fields) -> Option<Result<String, TokenRefusal>> {
    let mut sent = fields.all(header);
    let value = sent.next()?;
    // Which of them would count is a matter of opinion, and so a way in.
    if sent.next().is_some() {
        return Some(Err(TokenRefusal::Repeated));
    }
    let token = value.to_str().map(|text| bearer(header, text.trim()));
    match token {
        Ok(token) => token.map(|token| Ok(token.to_owned())),
        Err(_) => Some(Err(TokenRefusal::Malformed)),
    }
}

fn bearer<'t>(header: &HeaderName, text: &'t str) -> Option<&'t str> {
    let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
    match text.split_once(' ') {
        Some((scheme, token)) if is_bearer(scheme) => Some(token.trim_start()),
        Some(_) | None if *header == header::AUTHORIZATION => None,
        Some(_) | None => Some(text),
    }
    .filter(|token| !token.is_empty())
}

/// The claim called `name`.
fn claimed<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    // Names such as `https://example.com/role` are no paths.
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        claimed(claims.get(first)?.as_object()?, rest)
    })
}

/// Values as the members of objects, nested by the parts of their names.
pub fn nested<'a>(
    values: impl IntoIterator<Item = (&'a Vec<String>, Value)>,
) -> Map<String, Value> {
    let mut object = Map::new();
    for (parts, value) in values {
        put(&mut object, parts, value);
    }
    object
}

fn put(object: &mut Map<String, Value>, parts: &[String], value: Value) {
    match parts {
        [] => {}
        [name] => {
            object.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let below = object
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::handler::Token;

    /// Takes the token `good` for one that has these claims.
    #[derive(Debug)]
    struct Claims(Value);

    impl Tokens for Claims {
        fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenRefusal> {
            if token != "good" {
                return Err(TokenRefusal::Signature);
            }
            Ok(self.0.as_object().expect("claims are an object").clone())
        }
    }

    fn sources(header: &'static str, claims: Value) -> SessionSources {
        let field = |name: &'static str| SessionSource::Field(HeaderName::from_static(name));
        let claim = |name: &str| SessionSource::Claim(name.to_owned());
        let sources = [
            ("user.email", field("x-user-email")),
            ("app", field("x-app")),
            ("user.id", claim("sub")),
            ("role.names", claim("realm.roles")),
            ("role.name", claim("https://a.test/role")),
        ];
        let token = TokenSource {
            header: HeaderName::from_static(header),
            tokens: Arc::new(Claims(claims)),
        };
        let sources = sources.map(|(name, source)| (name.to_owned(), source));
        SessionSources::new(&BTreeMap::from(sources), Some(token))
    }

    fn session(sources: &SessionSources, sent: &[(&'static str, &'static str)]) -> Session {
        let mut fields = Fields::default();
        for (name, value) in sent {
            let field = HeaderName::from_static(name);
            fields.receive(field, name.as_bytes(), HeaderValue::from_static(value));
        }
        sources.read(&fields)
    }

    #[test]
    fn values_are_nested_by_their_names_and_left_out_where_there_is_no_field() {
        let sources = sources("authorization", json!({}));

        let session = session(
            &sources,
            &[("x-user-email", "a@b"), ("x-app", "a"), ("x-app", "b")],
        );

        let expected = json!({"user": {"email": "a@b"}, "app": "a, b"});
        assert_eq!(Value::Object(session.values().clone()), expected);
        assert_eq!(session.token(), Some(Token::Missing));
    }

    #[test]
    fn claims_keep_their_types_and_are_found_by_name_or_by_path() {
        let claims = json!({
            "sub": 7,
            "realm": {"roles": ["a", "b"]},
            "https://a.test/role": "clerk",
            "other": "not asked for",
        });

        let session = session(
            &sources("authorization", claims),
            &[("authorization", "bearer good"), ("x-app", "web")],
        );

        assert_eq!(
            Value::Object(session.values().clone()),
            json!({"app": "web", "user": {"id": 7}, "role": {"names": ["a", "b"], "name": "clerk"}})
        );
    }

    #[test]
    fn a_bad_token_empties_the_session_and_no_token_does_not() {
        let sources = sources("authorization", json!({"sub": 7}));
        let token = |sent: &[(&'static str, &'static str)]| {
            let session = session(&sources, sent);
            let is_empty = session.values().is_empty();
            (session.token().map(Token::label), is_empty)
        };

        let app = ("x-app", "web");
        let auth = "authorization";
        assert_eq!(token(&[app]), (Some("missing"), false));
        assert_eq!(
            token(&[app, (auth, "Basic YTpi")]),
            (Some("missing"), false)
        );
        assert_eq!(token(&[app, (auth, "good")]), (Some("missing"), false));
        assert_eq!(
            token(&[app, (auth, "Bearer bad")]),
            (Some("signature"), true)
        );
        assert_eq!(
            token(&[app, (auth, "Bearer good"), (auth, "Bearer good")]),
            (Some("repeated"), true)
        );
    }

    #[test]
    fn a_header_of_its_own_holds_the_token_with_or_without_a_scheme() {
        let sources = sources("x-session-token", json!({"sub": 7}));

        for sent in ["good", "Bearer good", " bearer  good "] {
            let session = session(&sources, &[("x-session-token", sent)]);
            assert_eq!(session.values()["user"]["id"], 7, "{sent}");
        }
    }
}
