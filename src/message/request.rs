//! A request, as it came or as it will be forwarded.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_encode_byte;

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
    /// How the target was spelled, where path and query don't say it all.
    spelling: Option<Spelling>,
    /// The header fields.
    pub fields: Fields,
    /// The body.
    pub body: Body,
}

/// A target that is more than a path and a query in UTF-8.
#[derive(Debug, Clone)]
struct Spelling {
    sent: Bytes,
    /// What handlers see of it.
    shown: String,
}

impl Request {
    /// A request as it was received. A target that isn't UTF-8 is shown percent-encoded,
    /// of a whole address only the path is: `Host` says the rest.
    pub fn receive(method: Method, target: Bytes, fields: Fields) -> Self {
        let path = match target.first() {
            Some(b'/' | b'*') => &target[..],
            _ => path_of_address(&target),
        };
        let shown = percent_encoded(path);
        let is_all = shown.as_bytes() == &target[..];
        let mut request = Self::new(method, &shown, fields);
        if !is_all {
            request.spelling = Some(Spelling {
                shown: shown.into_owned(),
                sent: target,
            });
        }
        request
    }

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
            spelling: None,
            fields,
            body: Body::Empty,
        }
    }

    /// The query as sent, without its `?`.
    pub fn sent_query(&self) -> Option<&str> {
        self.raw_query.as_deref()
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

    /// The target byte for byte as it came, where that is more than [`target`](Self::target)
    /// tells and nobody changed it.
    pub fn sent_target(&self) -> Option<&Bytes> {
        let spelling = self.spelling.as_ref()?;
        (spelling.shown == self.target()).then_some(&spelling.sent)
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

/// Path and query of an `http` or `https` address, `/` at least.
fn path_of_address(address: &[u8]) -> &[u8] {
    let authority = address
        .windows(3)
        .position(|at| at == b"://")
        .map_or(0, |at| at + 3);
    let rest = &address[authority..];
    let Some(start) = rest.iter().position(|byte| matches!(byte, b'/' | b'?')) else {
        return b"/";
    };
    &rest[start..]
}

/// Text whose other bytes than ASCII are percent-encoded, unless they are UTF-8.
fn percent_encoded(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return match text.as_bytes() {
            [b'?', ..] => Cow::Owned(format!("/{text}")),
            _ => Cow::Borrowed(text),
        };
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push_str(percent_encode_byte(byte));
        }
    }
    Cow::Owned(text)
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

        request.query().set("z", &["2"]);
        assert_eq!(request.target(), "/a?z=2");
    }

    #[test]
    fn a_target_that_is_more_than_its_path_is_sent_as_it_came_until_it_is_changed() {
        let targets: [(&'static [u8], &str); 4] = [
            (b"http://api.test/a?b", "/a?b"),
            (b"HTTP://api.test", "/"),
            (b"http://api.test?b", "/?b"),
            (b"/\xff/a", "/%FF/a"),
        ];
        for (sent, shown) in targets {
            let target = Bytes::from_static(sent);
            let mut request = Request::receive(Method::GET, target, Fields::default());

            assert_eq!(request.target(), shown);
            assert_eq!(request.sent_target().map(|sent| &sent[..]), Some(sent));

            request.path.push('x');
            assert_eq!(request.sent_target(), None);
        }
    }
}
