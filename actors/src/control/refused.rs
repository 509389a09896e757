//! Refusals as responses: every error has the same form, also those of HTTP itself.

use aegis_control_api::{Refusal, RefusalKind};
use aegis_supervisor::SendError;
use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) refusal: Refusal,
}

impl Refused {
    /// The request itself is wrong.
    pub(super) fn request(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, refusal: Refusal { kind: RefusalKind::Request, message: message.into() } }
    }

    /// There is no room at this moment.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::Busy, message: message.into() }.into()
    }

    /// The daemon could not do it.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::Failed, message: message.into() }.into()
    }

    /// As the bytes of a response that ends its connection, for one that is not read from.
    pub(super) fn farewell(&self) -> String {
        // A refusal has nothing that JSON cannot hold.
        let body = serde_json::to_string(&self.refusal).unwrap_or_default();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.status,
            body.len()
        )
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Policy => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::NotPermitted => StatusCode::FORBIDDEN,
            RefusalKind::OtherRoot => StatusCode::MISDIRECTED_REQUEST,
            RefusalKind::Request => StatusCode::BAD_REQUEST,
            RefusalKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, refusal }
    }
}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Self {
        Self::failed(format!(
            "the loader cannot be asked: {error}; try again, and see `aegisbpf status --tree`"
        ))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.refusal)).into_response()
    }
}

/// The answer on a path that is none of ours.
pub(super) async fn no_such_path(uri: Uri) -> Refused {
    let message =
        format!("there is no {}; {} lists all paths", uri.path(), aegis_control_api::paths::OPENAPI);
    Refused::request(StatusCode::NOT_FOUND, message)
}

/// The answer to a method that a path does not take.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Refused {
    let message = format!(
        "{} does not take {method}; {} lists the methods of all paths",
        uri.path(),
        aegis_control_api::paths::OPENAPI
    );
    Refused::request(StatusCode::METHOD_NOT_ALLOWED, message)
}
