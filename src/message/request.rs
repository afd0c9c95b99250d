//! A request, as it came or as it will be forwarded.

use http::Method;

use super::{Body, Fields, Query};

/// A request's head and what is known of its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent: no query, not decoded, `/` at least.
    pub path: String,
    /// The query as sent, without its `?`; `None` where the target has no `?`.
    raw_query: Option<String>,
    /// The parameters, once somebody asked for them.
    query: Option<Query>,
    /// The header fields.
    pub fields: Fields,
    /// The body.
    pub body: Body,
}

impl Request {
    /// A request for `target`, a path with or without a query.
    pub fn new(method: Method, target: &str, fields: Fields) -> Self {
        let (path, raw_query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            method,
            path: path.to_owned(),
            raw_query,
            query: None,
            fields,
            body: Body::Empty,
        }
    }

    /// The parameters, to be read or written.
    pub fn query(&mut self) -> &mut Query {
        self.query
            .get_or_insert_with(|| Query::parse(self.raw_query.as_deref().unwrap_or("")))
    }

    /// Path and query as they are to be sent: byte for byte as they came where nobody wrote to them.
    pub fn target(&self) -> String {
        let query = match &self.query {
            Some(query) if query.is_edited() => Some(query.to_string()).filter(|q| !q.is_empty()),
            Some(_) | None => self.raw_query.clone(),
        };
        match query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Replaces path and query.
    pub fn set_target(&mut self, target: &str) {
        let (path, raw_query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        path.clone_into(&mut self.path);
        self.raw_query = raw_query;
        self.query = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_was_only_read_is_sent_as_it_came() {
        let mut request = Request::new(Method::GET, "/a%2fb?x=%7e&&y", Fields::default());

        assert_eq!(request.query().get_all("x").next(), Some("~"));
        assert_eq!(request.target(), "/a%2fb?x=%7e&&y");
    }

    #[test]
    fn an_edited_query_replaces_the_one_that_came() {
        let mut request = Request::new(Method::GET, "/a?x=1", Fields::default());

        request.query().set("x", &[]);
        assert_eq!(request.target(), "/a");

        request.query().set("z", &["2".to_owned()]);
        assert_eq!(request.target(), "/a?z=2");
    }
}
