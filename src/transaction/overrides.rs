//! Methods that a request is taken for by who reads them somewhere else than in its first line.
//!
//! Frameworks let a POST say that it means another method. Which of them stands behind us nobody
//! knows, so handlers for either method run.

use std::borrow::Cow;

use http::{HeaderName, Method};

use crate::message::Fields;
use crate::message::percent::decoded;

/// The fields that say so: Google's and DreamFactory's, IBM's, Microsoft's.
const FIELDS: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-http-method"),
];

/// The most methods that one request may name.
const MAX_METHODS: usize = 16;

/// A request that names too many methods to be one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request names too many methods")]
pub struct TooManyMethods;

/// The methods besides its own that a request may be taken for: what its fields name, and those
/// parameters of its query that are called so.
///
/// # Errors
///
/// [`TooManyMethods`]
pub(super) fn other_methods(
    method: &Method,
    fields: &Fields,
    query: Option<&str>,
    parameters: &[String],
) -> Result<Vec<Method>, TooManyMethods> {
    let mut others = Vec::new();
    if !method.as_str().eq_ignore_ascii_case("POST") {
        return Ok(others);
    }
    for field in fields.iter().filter(|it| FIELDS.contains(it.name())) {
        for text in field.value().as_bytes().split(|&byte| byte == b',') {
            add(&mut others, method, text)?;
        }
    }
    if let Some(query) = query.filter(|_| !parameters.is_empty()) {
        for pair in query.split(['&', ';']) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = parameter_name(name);
            if parameters.iter().any(|it| it.eq_ignore_ascii_case(&name)) {
                add(&mut others, method, text_of(value).as_bytes())?;
            }
        }
    }
    Ok(others)
}

/// Adds the method that a text names; a text that names none can't be taken for one.
fn add(others: &mut Vec<Method>, own: &Method, text: &[u8]) -> Result<(), TooManyMethods> {
    let named = Method::from_bytes(&text.trim_ascii().to_ascii_uppercase());
    let Ok(named) = named else { return Ok(()) };
    if named == *own || others.contains(&named) {
        return Ok(());
    }
    if others.len() == MAX_METHODS {
        return Err(TooManyMethods);
    }
    others.push(named);
    Ok(())
}

/// A parameter's name as PHP has it, to which `.`, a blank and `[` are `_` too.
fn parameter_name(text: &str) -> String {
    text_of(text).trim_start().replace(['.', ' ', '['], "_")
}

fn text_of(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let plain = text.replace('+', " ");
    Cow::Owned(String::from_utf8_lossy(&decoded(plain.as_bytes())).into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn others(method: &str, sent: &[(&'static str, &'static str)], query: &str) -> Vec<String> {
        let mut fields = Fields::default();
        for (name, value) in sent {
            let field = HeaderName::from_static(name);
            fields.receive(field, name.as_bytes(), HeaderValue::from_static(value));
        }
        let method = method.parse().expect("a method");
        let parameters = ["_method".to_owned(), "method".to_owned()];
        let others = other_methods(&method, &fields, Some(query), &parameters);
        let texts = others.expect("few").into_iter().map(|it| it.to_string());
        texts.collect()
    }

    #[test]
    fn a_post_counts_as_what_its_fields_name() {
        for name in [
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
        ] {
            assert_eq!(
                others("POST", &[(name, "DELETE")], ""),
                ["DELETE"],
                "{name}"
            );
            assert_eq!(
                others("post", &[(name, " delete ")], ""),
                ["DELETE"],
                "{name}"
            );
            assert_eq!(others("PUT", &[(name, "DELETE")], ""), [""; 0], "{name}");
        }
        let sent = [
            ("x-http-method", "PUT, PATCH"),
            ("x-http-method", "put"),
            ("x-method-override", "no method"),
            ("x-http-method-override", "POST"),
            ("x-other", "DELETE"),
        ];
        assert_eq!(others("POST", &sent, ""), ["PUT", "PATCH"]);
    }

    #[test]
    fn a_post_counts_as_what_the_parameters_name_that_are_configured() {
        for query in [
            "_method=DELETE",
            "a=1&_method=delete",
            "%5Fmethod=DELE%54E",
            ".method=DELETE",
            "+_method=DELETE",
            "a;METHOD=Delete",
        ] {
            assert_eq!(others("POST", &[], query), ["DELETE"], "{query}");
            assert_eq!(others("GET", &[], query), [""; 0], "{query}");
        }
        assert_eq!(others("POST", &[], "method2=DELETE&x_method=PUT"), [""; 0]);
        let none = other_methods(&Method::POST, &Fields::default(), Some("_method=PUT"), &[]);
        assert_eq!(none, Ok(Vec::new()));
    }

    #[test]
    fn more_methods_than_anybody_means_are_refused() {
        let mut fields = Fields::default();
        let many: Vec<_> = (0..=MAX_METHODS)
            .map(|number| format!("M{number}"))
            .collect();
        fields.insert(
            FIELDS[0].clone(),
            HeaderValue::try_from(many.join(",")).expect("a value"),
        );

        let refused = other_methods(&Method::POST, &fields, None, &[]);

        assert_eq!(refused, Err(TooManyMethods));
    }
}
