//! Reads, and answers `GET /metrics`.

use super::state::{Format, Loaded, Reading, text};
use crate::control::status_with;
use crate::loader::{LoadError, Loader};
use crate::spool::{Received, Store};
use crate::ways::Ways;
use aegis_control_api::paths;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long is waited for the loader, which may be busy with a large policy: less than the ten seconds after which
/// Prometheus gives up, so that what else there is to say is still told.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Source {
    ways: Ways,
    store: Arc<Store>,
}

/// Metrics and nothing else, for whoever listens. It knows nothing of who asks: who may is for the listener to say.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(ways: Ways, store: Arc<Store>) -> Router<S> {
    Router::new().route(paths::METRICS, get(metrics)).with_state(Source { ways, store })
}

async fn metrics(State(source): State<Source>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::of(accept.unwrap_or_default());
    match text(read(&source).await, format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn read(Source { ways, store }: &Source) -> Reading {
    let boot = &ways.boot;
    let parts = match boot.handle() {
        Some(handle) => handle.status().await.ok(),
        None => None,
    };
    let context = store.context().sums();
    let store = Arc::clone(store);
    let asked = ways.loader.run(move |loader, _| load(loader, &store.received));
    let loader = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(Ok(loaded))) => Some(loaded),
        Ok(Ok(Err(error))) => {
            tracing::debug!(error = error.whole(), "metrics lack what the loader knows");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    };
    let proof_age = Some(boot.proof_age()).filter(|age| *age < Duration::MAX);
    let reloads = boot.reloads.outcomes();
    Reading { started_ns: boot.started_ns(), proof_age, reloads, parts, context, loader }
}

fn load(loader: &Loader, received: &Received) -> Result<Loaded, LoadError> {
    let look = loader.look(Instant::now())?;
    Ok(Loaded {
        status: status_with(loader, received, (look.links, look.tables_bytes))?,
        fills: look.fills,
        ring_bytes: look.ring_bytes,
        counts_runs: look.counts_runs,
        kind: loader.kind(),
        counters: loader.counters()?,
        account: loader.account_sums(received.unnumbered.load(Ordering::Relaxed))?,
    })
}
