//! Every response of our own is made here, from facts.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::handler::{Content, Fault, Message, Rejection};
use crate::message::{Body, Response, head};

use super::Outcome;
use super::ports::{BodyError, UpstreamError};

/// Methods that are forwarded.
const SERVED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// How errors look to clients: `[errors]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ErrorFormat {
    /// One object that clients of the three systems can read.
    #[default]
    Default,
    /// RFC 9457.
    Problem,
    /// The operator's own text. `{{status}}`, `{{message}}` (escaped as within a
    /// JSON string) and `{{reason}}` stand for what varies.
    Template {
        /// The text.
        text: String,
        /// Its type.
        content_type: HeaderValue,
    },
}

/// An error that is ours to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request's head is not one that can be served.
    Head(head::Fault),
    /// The request's body is longer than its limit.
    BodyTooLarge,
    /// The request's body did not arrive in time.
    BodyTimedOut,
    /// The request's body ended before its end.
    BodyCut,
    /// The request's body isn't UTF-8.
    BodyNotText,
    /// The request's body isn't JSON, though its type says so.
    BodyNotJson,
    /// The request's body has a type that no handler can read, and one of them must not be passed.
    BodyType,
    /// The request's body has a content coding that isn't known.
    BodyCoding,
    /// The request's body isn't what its content coding says.
    BodyCorrupt,
    /// There is no generation yet.
    NotReady,
    /// There is no room for it now.
    NoRoom,
    /// The upstream gave no usable response.
    Upstream,
    /// The upstream took too long.
    UpstreamTimeout,
    /// The upstream's body can't be had.
    UpstreamBody,
}

impl Refusal {
    /// The status it is told with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Head(fault) => fault.status(),
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::BodyCut | Self::BodyCorrupt | Self::BodyNotText | Self::BodyNotJson => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyCoding | Self::BodyType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotReady | Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream | Self::UpstreamBody => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// How the transaction ended with it.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Head(head::Fault::NoRoom) | Self::NotReady | Self::NoRoom => Outcome::Unavailable,
            Self::Head(_)
            | Self::BodyTooLarge
            | Self::BodyTimedOut
            | Self::BodyCut
            | Self::BodyNotText
            | Self::BodyNotJson
            | Self::BodyType
            | Self::BodyCoding
            | Self::BodyCorrupt => Outcome::ClientError,
            Self::Upstream | Self::UpstreamBody => Outcome::UpstreamFailed,
            Self::UpstreamTimeout => Outcome::UpstreamTimedOut,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Cut => Self::BodyCut,
            BodyError::TimedOut => Self::BodyTimedOut,
        }
    }
}

impl From<&UpstreamError> for Refusal {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Connect { .. } | UpstreamError::Broken { .. } => Self::Upstream,
            UpstreamError::NoRoom { .. } => Self::NoRoom,
            UpstreamError::TimedOut { .. } | UpstreamError::Deadline { .. } => {
                Self::UpstreamTimeout
            }
            UpstreamError::Client(error) => (*error).into(),
        }
    }
}

impl ErrorFormat {
    /// The response to a refusal. Names nothing of us but the status's reason.
    pub fn refusal(&self, refusal: Refusal) -> Response {
        let mut response = self.message(refusal.status(), &Message::default());
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .fields
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if refusal == Refusal::Head(head::Fault::Method) {
            // RFC 9110 §15.5.6 wants it. Methods of other names are forwarded too.
            response
                .fields
                .insert(header::ALLOW, HeaderValue::from_static(SERVED));
        }
        response
    }

    /// The response to a rejection. The text of a fault that is not the client's to
    /// know is left out.
    pub fn rejection(&self, rejection: &Rejection) -> Response {
        let told = match rejection.fault {
            Fault::Handler => true,
            Fault::Client | Fault::Script | Fault::Host | Fault::Sidecar => false,
        };
        let mut response = match &rejection.content {
            Content::Own { fields, body } if told => own(rejection.status, fields, body),
            Content::Message(message) if told => self.message(rejection.status, message),
            Content::Own { .. } | Content::Message(_) => {
                self.message(rejection.status, &Message::default())
            }
        };
        let is_for_now = rejection.status == StatusCode::SERVICE_UNAVAILABLE;
        if rejection.fault == Fault::Sidecar && is_for_now {
            response
                .fields
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn message(&self, status: StatusCode, message: &Message) -> Response {
        let reason = status.canonical_reason().unwrap_or("Error");
        let text = if message.text.is_empty() {
            reason
        } else {
            &message.text
        };
        let (content_type, body) = match self {
            Self::Default => (
                HeaderValue::from_static("application/json"),
                default_body(status, text, message),
            ),
            Self::Problem => {
                let body = json!({ "type": "about:blank", "title": reason, "status": status.as_u16(), "detail": text });
                (
                    HeaderValue::from_static("application/problem+json"),
                    body.to_string(),
                )
            }
            Self::Template {
                text: template,
                content_type,
            } => {
                let quoted = json!(text).to_string();
                let body = template
                    .replace("{{status}}", status.as_str())
                    .replace("{{reason}}", reason)
                    .replace("{{message}}", &quoted[1..quoted.len() - 1]);
                (content_type.clone(), body)
            }
        };
        let mut response = Response::new(status);
        response.fields.insert(header::CONTENT_TYPE, content_type);
        response.body = Body::Edited(body.into());
        response
    }
}

/// The body that clients of all three systems can read.
fn default_body(status: StatusCode, text: &str, message: &Message) -> String {
    let number = status.as_u16();
    let text = json!(text);
    let code = message.code.clone().unwrap_or_else(|| number.to_string());
    let errors = message
        .errors
        .clone()
        .unwrap_or_else(|| format!(r#"[{{"message":{text},"code":{number}}}]"#));
    format!(
        r#"{{"statusCode":{number},"errorCode":{number},"errorMessage":{text},"error":{{"code":{code},"message":{text},"status_code":{number},"context":null}},"success":false,"errors":{errors}}}"#
    )
}

fn own(status: StatusCode, fields: &[(HeaderName, HeaderValue)], body: &Bytes) -> Response {
    let mut response = Response::new(status);
    for (name, value) in fields {
        response.fields.insert(name.clone(), value.clone());
    }
    response.body = Body::Edited(body.clone().into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response) -> String {
        let body = response.body.pieces().expect("a body");
        String::from_utf8(body.clone().joined().into()).expect("text")
    }

    fn thrown(message: Message) -> Rejection {
        Rejection {
            status: StatusCode::BAD_REQUEST,
            content: Content::Message(message),
            fault: Fault::Handler,
        }
    }

    #[test]
    fn a_thrown_text_is_told_in_the_words_of_all_three_systems() {
        let rejection = thrown(Message {
            text: "no \"x\"".to_owned(),
            ..Message::default()
        });

        let response = ErrorFormat::Default.rejection(&rejection);

        assert_eq!(
            text(&response),
            r#"{"statusCode":400,"errorCode":400,"errorMessage":"no \"x\"","error":{"code":400,"message":"no \"x\"","status_code":400,"context":null},"success":false,"errors":[{"message":"no \"x\"","code":400}]}"#
        );
    }

    #[test]
    fn a_scripts_mistake_is_not_told() {
        let mut rejection = thrown(Message {
            text: "x is not a function".to_owned(),
            ..Message::default()
        });
        rejection.status = StatusCode::INTERNAL_SERVER_ERROR;
        rejection.fault = Fault::Script;

        let body = text(&ErrorFormat::Default.rejection(&rejection));

        assert!(
            body.contains(r#""errorMessage":"Internal Server Error""#),
            "{body}"
        );
        assert!(!body.contains("function"), "{body}");
    }

    #[test]
    fn a_problem_and_a_template_carry_status_and_message() {
        let rejection = thrown(Message {
            text: "a \"b\"".to_owned(),
            ..Message::default()
        });
        let template = ErrorFormat::Template {
            text: r#"{"s":{{status}},"m":"{{message}}","r":"{{reason}}"}"#.to_owned(),
            content_type: HeaderValue::from_static("application/json"),
        };

        assert_eq!(
            text(&template.rejection(&rejection)),
            r#"{"s":400,"m":"a \"b\"","r":"Bad Request"}"#
        );
        assert_eq!(
            text(&ErrorFormat::Problem.rejection(&rejection)),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"a \"b\""}"#
        );
    }
}
