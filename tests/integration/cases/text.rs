//! The files of a case: HTTP as people write it down. `tests/cases/README.md` is the format.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::support::wire::Message;

/// A request, a response, or what is expected of one.
#[derive(Debug)]
pub(super) struct HttpText {
    pub(super) start_line: String,
    pub(super) fields: Vec<Field>,
    pub(super) body: String,
    pub(super) body_rule: BodyRule,
}

/// A line of the head.
#[derive(Debug, PartialEq)]
pub(super) enum Field {
    /// `Name: value`
    Has(String, String),
    /// `!Name`
    Lacks(String),
}

/// How an expected body is compared; `# @body …`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BodyRule {
    Exact,
    Json,
    Any,
}

impl HttpText {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Self::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let mut body_rule = BodyRule::Exact;
        while let Some(comment) = rest.strip_prefix('#') {
            let (comment, behind) = line(comment);
            if let Some(rule) = comment.trim().strip_prefix("@body ") {
                body_rule = BodyRule::parse(rule.trim())?;
            }
            rest = behind;
        }
        let (start_line, mut rest) = line(rest);
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (field, behind) = line(rest);
            rest = behind;
            if field.is_empty() {
                break;
            }
            fields.push(Field::parse(field)?);
        }
        Ok(Self {
            start_line: start_line.to_owned(),
            fields,
            // Editors end a file with a line break; it is not part of the body.
            body: rest.strip_suffix('\n').unwrap_or(rest).to_owned(),
            body_rule,
        })
    }

    /// The bytes to send as a request, with `Host` and a length where the file has none.
    pub(super) fn as_request(&self) -> Vec<u8> {
        let mut head = vec![self.start_line.clone()];
        if !self.has("host") {
            head.push("Host: api.example.test".to_owned());
        }
        self.message(head, !self.body.is_empty())
    }

    /// The bytes to send as a response, with a length where the file has none.
    pub(super) fn as_response(&self) -> Vec<u8> {
        let status = self.start_line.split(' ').nth(1).unwrap_or_default();
        let head = vec![self.start_line.clone()];
        self.message(head, !["204", "304"].contains(&status))
    }

    fn message(&self, mut head: Vec<String>, has_length: bool) -> Vec<u8> {
        for field in &self.fields {
            if let Field::Has(name, value) = field {
                head.push(format!("{name}: {value}"));
            }
        }
        if has_length && !self.has("content-length") && !self.has("transfer-encoding") {
            head.push(format!("Content-Length: {}", self.body.len()));
        }
        format!("{}\r\n\r\n{}", head.join("\r\n"), self.body).into()
    }

    fn has(&self, wanted: &str) -> bool {
        self.fields
            .iter()
            .any(|field| matches!(field, Field::Has(name, _) if name.eq_ignore_ascii_case(wanted)))
    }
}

impl BodyRule {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "exact" => Ok(Self::Exact),
            "json" => Ok(Self::Json),
            "any" => Ok(Self::Any),
            _ => Err(format!("@body is exact, json or any, not {text:?}")),
        }
    }
}

impl Field {
    fn parse(line: &str) -> Result<Self, String> {
        if let Some(name) = line.strip_prefix('!') {
            return Ok(Self::Lacks(name.trim().to_owned()));
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no header field: {line:?}"))?;
        Ok(Self::Has(name.to_owned(), value.trim().to_owned()))
    }
}

/// What the upstream of a case answers, and to which requests.
#[derive(Debug)]
pub(super) struct Stub {
    /// `None`: to every request.
    pub(super) call: Option<Call>,
    pub(super) answer: HttpText,
}

/// The requests a stub is for: `> METHOD /path?name=value`.
#[derive(Debug)]
pub(super) struct Call {
    method: String,
    path: String,
    parameters: BTreeMap<String, String>,
}

impl Stub {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Self::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (call, text) = match text.strip_prefix("> ") {
            Some(text) => {
                let (call, behind) = line(text);
                (Some(Call::parse(call)?), behind)
            }
            None => (None, text),
        };
        let answer = HttpText::parse(text)?;
        if !answer.start_line.starts_with("HTTP/") {
            return Err(format!("no status line: {:?}", answer.start_line));
        }
        Ok(Self { call, answer })
    }

    pub(super) fn is_for(&self, request: &Message) -> bool {
        let call = self.call.as_ref();
        call.is_none_or(|call| call.is(request.method(), request.target()))
    }
}

impl Call {
    fn parse(text: &str) -> Result<Self, String> {
        let (method, target) = text
            .split_once(' ')
            .ok_or_else(|| format!("no request: {text:?}"))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            parameters: parameters(query),
        })
    }

    /// How many parameters a request must have.
    pub(super) fn demands(&self) -> usize {
        self.parameters.len()
    }

    fn is(&self, method: &str, target: &str) -> bool {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let sent = parameters(query);
        self.method == method
            && self.path == path
            && self
                .parameters
                .iter()
                .all(|(name, value)| sent.get(name) == Some(value))
    }
}

/// Decoded, so that a case can be written without `%20` and any spelling of it matches.
fn parameters(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b' '), rest.next().unwrap_or(b' ')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            _ => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first line, and what is behind it.
fn line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[test]
fn a_text_has_a_start_line_fields_and_a_body() {
    let text = "# Says something.\n# @body json\nHTTP/1.1 200\nX-A: 1\n!X-B\n\n{\n\n}\n";

    let parsed = HttpText::parse(text).unwrap();

    assert_eq!(parsed.start_line, "HTTP/1.1 200");
    let fields = [
        Field::Has("X-A".into(), "1".into()),
        Field::Lacks("X-B".into()),
    ];
    assert_eq!(parsed.fields, fields);
    assert_eq!(
        (parsed.body.as_str(), parsed.body_rule),
        ("{\n\n}", BodyRule::Json)
    );
}

#[test]
fn a_request_gets_the_host_and_the_length_that_its_file_leaves_out() {
    let request = HttpText::parse("POST /a HTTP/1.1\nX-A: 1\n\n{}\n").unwrap();

    assert_eq!(
        String::from_utf8(request.as_request()).unwrap(),
        "POST /a HTTP/1.1\r\nHost: api.example.test\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
    );
}

#[test]
fn a_stub_answers_the_requests_that_have_its_parameters_however_they_are_spelled() {
    let stub = Stub::parse("> GET /orders?filter=rep = 7\nHTTP/1.1 200 OK\n\n[]\n").unwrap();
    let matches = |target| stub.call.as_ref().unwrap().is("GET", target);

    assert!(matches("/orders?pagesize=3&filter=rep%20%3D%207"));
    assert!(matches("/orders?filter=rep+=+7"));
    assert!(!matches("/orders?filter=rep%20%3D%208"));
    assert!(!matches("/orders"));
    assert!(!matches("/customers?filter=rep%20%3D%207"));
}
