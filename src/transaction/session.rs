//! `platform.session`: what the fields of a request say of who asks, as `[session]` has it.
//!
//! The fields are believed as they come: whoever stands before the sidecar has to set them,
//! or take them off.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use serde_json::{Map, Value};

use crate::message::framing::Lookup;

/// The field that each value of a session comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFields(Vec<(Vec<String>, HeaderName)>);

impl SessionFields {
    /// Fields by the dotted name of the value that comes from them, such as `user.id`. No
    /// value lies below another.
    pub fn new(fields: &BTreeMap<String, HeaderName>) -> Self {
        let parts = |name: &str| name.split('.').map(str::to_owned).collect();
        Self(
            fields
                .iter()
                .map(|(name, field)| (parts(name), field.clone()))
                .collect(),
        )
    }

    /// The session of a request with these fields; what has none isn't in it. A field that
    /// was sent several times is one text, joined by commas.
    pub(super) fn read(&self, fields: &impl Lookup) -> Arc<Map<String, Value>> {
        let sent = self
            .0
            .iter()
            .filter_map(|(name, field)| Some((name, fields.joined(field.as_str())?)));
        Arc::new(nested(sent))
    }
}

/// Texts as the members of objects, nested by the parts of their names.
pub fn nested<'a>(
    values: impl IntoIterator<Item = (&'a Vec<String>, String)>,
) -> Map<String, Value> {
    let mut object = Map::new();
    for (parts, text) in values {
        put(&mut object, parts, text);
    }
    object
}

fn put(object: &mut Map<String, Value>, parts: &[String], text: String) {
    match parts {
        [] => {}
        [name] => {
            object.insert(name.clone(), Value::String(text));
        }
        [name, rest @ ..] => {
            let below = object
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_nested_by_their_names_and_left_out_where_there_is_no_field() {
        let field =
            |name: &str, field: &'static str| (name.to_owned(), HeaderName::from_static(field));
        let fields = SessionFields::new(&BTreeMap::from([
            field("user.id", "x-user-id"),
            field("user.email", "x-user-email"),
            field("role.name", "x-role"),
            field("app", "x-app"),
        ]));
        let mut sent = HeaderMap::new();
        for (name, value) in [("x-user-id", "7"), ("x-app", "a"), ("x-app", "b")] {
            sent.append(name, HeaderValue::from_static(value));
        }

        let session = fields.read(&sent);

        assert_eq!(
            Value::Object((*session).clone()),
            json!({"user": {"id": "7"}, "app": "a, b"})
        );
    }
}
