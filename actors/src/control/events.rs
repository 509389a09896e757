//! The records, as a stream of lines.

use super::limits::FOLLOWERS;
use super::refused::Refused;
use super::run::Daemon;
use super::server::Line;
use crate::clock::unix_ns;
use crate::router::unnumbered_gap;
use crate::spool::{Journal, line};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// Lines that are handed to a reader of events at a time.
const LINES: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// The number of the last record that the reader has.
    #[serde(default)]
    after: u64,
    /// Whether to wait for more.
    #[serde(default)]
    follow: bool,
}

pub(super) async fn events(
    State(daemon): State<Arc<Daemon>>,
    Extension(line): Extension<Line>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(range) = range.map_err(|wrong| {
        let message = format!("{}; `after` is a number, `follow` is true or false", wrong.body_text());
        Refused::request(StatusCode::BAD_REQUEST, message)
    })?;
    let follow = if range.follow { Some(follow(&daemon, &line)?) } else { None };
    let lines = Lines::new(&daemon.store.journal, range.after, follow);
    Ok(([("content-type", "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// Something that is waited for.
type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What one who follows has.
struct Follow {
    /// Resolves when nobody is there any more. Without it a place would be held until the next record.
    gone: Wait,
    _place: OwnedSemaphorePermit,
}

fn follow(daemon: &Daemon, line: &Line) -> Result<Follow, Refused> {
    let place = Arc::clone(&daemon.followers).try_acquire_owned().map_err(|_| {
        Refused::busy(format!(
            "{FOLLOWERS} follow the records already, which is the most at a time; try again when one has ended, or ask \
             without `follow`, with the number of the last record as `after`"
        ))
    })?;
    let gone = line.closed().map_err(|error| Refused::failed(format!("cannot follow: {error}")))?;
    Ok(Follow { gone: Box::pin(gone), _place: place })
}

/// Lines of the journal: what is there, and if it is followed what comes.
struct Lines {
    journal: Journal,
    after: u64,
    ready: VecDeque<Bytes>,
    /// Resolves when there is more; none while nothing is waited for.
    more: Option<Wait>,
    /// None for one who does not wait for more.
    follow: Option<Follow>,
}

impl Lines {
    fn new(journal: &Journal, after: u64, follow: Option<Follow>) -> Self {
        Self { journal: journal.clone(), after, ready: VecDeque::new(), more: None, follow }
    }

    fn fill(&mut self) {
        let (lines, gone, last) = self.journal.after(self.after, LINES);
        if gone > 0 {
            let gap = line(&unnumbered_gap(unix_ns(), "evicted", gone));
            self.ready.push_back(Bytes::from(format!("{gap}\n")));
        }
        self.ready.extend(lines.iter().map(|line| Bytes::from(format!("{line}\n"))));
        self.after = last.max(self.after);
    }

    fn wait(&self) -> Wait {
        let mut newest = self.journal.subscribe();
        let after = self.after;
        Box::pin(async move {
            // An error means that the journal is gone, and with it the daemon.
            let _ = newest.wait_for(|last| *last > after).await;
        })
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(line) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(line)));
            }
            this.fill();
            if !this.ready.is_empty() {
                continue;
            }
            let Some(follow) = &mut this.follow else { return Poll::Ready(None) };
            if follow.gone.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            let mut more = this.more.take().unwrap_or_else(|| this.wait());
            if more.as_mut().poll(context).is_pending() {
                this.more = Some(more);
                return Poll::Pending;
            }
        }
    }
}
