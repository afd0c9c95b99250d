//! Why the legacy API does not do what it was asked for, and how it says so.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A request that is answered with an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("there is no resource {resource:?}")]
    NoResource { resource: String },
    #[error("there is no row with the key {key:?}")]
    NoRow { key: String },
    #[error("this method is not allowed here")]
    NotAllowed,
    #[error("the body is neither an object nor an array of objects")]
    Body(#[source] serde_json::Error),
    #[error("the query holds a value that makes no sense")]
    Query(#[source] QueryRejection),
    #[error("filter {filter:?} is not of the form: column = value")]
    Filter { filter: String },
    #[error("order {order:?} is not of the form: column desc")]
    Order { order: String },
    #[error("a row needs a value for {column:?}")]
    KeyMissing { column: String },
    #[error("there is a row with the key {key:?} already")]
    KeyTaken { key: String },
}

impl Refusal {
    pub(super) fn no_resource(resource: &str) -> Self {
        Self::NoResource {
            resource: resource.to_owned(),
        }
    }

    pub(super) fn filter(filter: &str) -> Self {
        Self::Filter {
            filter: filter.to_owned(),
        }
    }

    pub(super) fn order(order: &str) -> Self {
        Self::Order {
            order: order.to_owned(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoResource { .. } | Self::NoRow { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(_)
            | Self::Query(_)
            | Self::Filter { .. }
            | Self::Order { .. }
            | Self::KeyMissing { .. } => StatusCode::BAD_REQUEST,
            Self::KeyTaken { .. } => StatusCode::CONFLICT,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status_code: u16,
    error_code: u16,
    error_message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = Body {
            status_code: status.as_u16(),
            error_code: status.as_u16(),
            error_message: self.to_string(),
        };
        (status, Json(body)).into_response()
    }
}
