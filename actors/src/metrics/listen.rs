//! Metrics on loopback, for a Prometheus that reads from no unix socket. Whoever is on this host may ask, and learns
//! numbers; nothing can be changed here.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections at a time: some that scrape. Further ones are closed.
const CONNECTIONS: usize = 8;

/// How long a connection may last, with everything that is asked on it. One that scrapes every minute connects anew.
const LASTS: Duration = Duration::from_secs(30);

/// How long headers may take.
const HEADERS: Duration = Duration::from_secs(5);

/// How long nothing is accepted after that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The address, bound once: it outlives those who answer on it.
#[derive(Debug)]
pub(crate) struct Listener(std::net::TcpListener);

impl Listener {
    /// # Errors
    /// If the address is taken, or not one of this host.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("{address}: {error}; see metrics.listen"))
        })?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// For whoever answers from now on.
    fn open(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.0.try_clone()?)
    }
}

/// Answers where it is wanted, for good.
///
/// # Errors
/// If the address cannot be listened at.
pub(crate) async fn serve(mut at: watch::Receiver<Option<Arc<Listener>>>, router: Router) -> io::Result<()> {
    loop {
        let listener = at.borrow_and_update().as_ref().map(|listener| listener.open()).transpose()?;
        tokio::select! {
            () = serve_at(listener, &router) => {}
            changed = at.changed() => changed.map_err(io::Error::other)?,
        }
    }
}

async fn serve_at(listener: Option<TcpListener>, router: &Router) {
    let Some(listener) = listener else { return std::future::pending().await };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS => {
                    connections.spawn(answer(stream, router.clone()));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "no connection for metrics is taken for a moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever asked sees how it ended.
    let _ = tokio::time::timeout(LASTS, served).await;
}
