//! Bodies of requests: read within a limit and a time, and understood or refused with the place of the mistake.

use super::limits::{Patience, body_limit};
use super::refused::Refused;
use super::run::Daemon;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// What was sent, as JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Daemon>> for Sent<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, daemon: &Arc<Daemon>) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            let message = "the body must be JSON; say so by the header `content-type: application/json`";
            return Err(Refused::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let limit = body_limit(request.uri().path());
        let bytes = whole(request.into_body(), limit, daemon.patience).await?;
        understood(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// Refuses a body that says beforehand that it is too large, before any of it is read.
pub(super) fn size_allowed(request: &Request) -> Result<(), Refused> {
    let limit = body_limit(request.uri().path());
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> Refused {
    let message =
        format!("the body is larger than the {limit} bytes that this path takes; send less at a time");
    Refused::request(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn too_slow(patience: Patience) -> Refused {
    let message = format!(
        "the body did not come: each piece of it must come within {} s, and all of it within {} s",
        patience.piece.as_secs(),
        patience.body.as_secs()
    );
    Refused::request(StatusCode::REQUEST_TIMEOUT, message)
}

/// Reads a body to its end.
async fn whole(mut body: Body, limit: usize, patience: Patience) -> Result<Vec<u8>, Refused> {
    let end = Instant::now() + patience.body;
    let mut bytes = Vec::new();
    loop {
        let until = end.min(Instant::now() + patience.piece);
        let Ok(frame) = timeout_at(until, body.frame()).await else { return Err(too_slow(patience)) };
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|error| {
            Refused::request(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
}

/// Takes apart what was sent. Serde's words have the line and column of the mistake.
fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => {
            let message = format!("the body is not what this path takes: {error}");
            Refused::request(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            Refused::request(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_control_api::EntriesRequest;

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (body, status, part) in [
            ("", 400, "line 1 column 0"),
            ("{\"change\":\"add\",", 400, "line 1 column 16"),
            ("{\n \"change\": add}", 400, "line 2 column 12"),
            ("{\"change\":\"add\"} x", 400, "line 1 column 18"),
            ("{\"change\":\"put\"}", 422, "unknown variant `put`"),
            ("{\"change\":\"add\",\"entry\":[]}", 422, "unknown field `entry`"),
            ("[\"add\",[1]]", 422, "line 1 column 9"),
        ] {
            let refused = understood::<EntriesRequest>(body.as_bytes()).unwrap_err();
            assert_eq!(refused.status.as_u16(), status, "{body}: {}", refused.refusal.message);
            assert!(refused.refusal.message.contains(part), "{body}: {}", refused.refusal.message);
        }
    }

    #[test]
    fn json_must_be_named() {
        for (kind, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/json-patch", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_json(&headers), is, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
