//! The command's end of the control socket.

use crate::exit::{Exit, Failure};
use aegis_control_api::{ROOT_HEADER, Refusal, RefusalKind};
use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an answer may take when something is looked at: a self-check is part of it.
const LOOKING: Duration = Duration::from_secs(60);
/// How long when something is changed: a policy may be large and the host slow.
const CHANGING: Duration = Duration::from_secs(600);

/// The daemon ended, or cut a reader that took nothing.
const BROKE_OFF: &str = "the daemon's answer broke off; no record is lost by it while the daemon keeps them: ask again, \
                         with --after and the number of the last one that came";

/// A daemon, by its socket.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    root: PathBuf,
}

impl Client {
    /// The daemon on a socket, if it is that of these pins.
    pub(crate) fn new(socket: &Path, root: &Path) -> Self {
        Self { socket: socket.to_owned(), root: root.to_owned() }
    }

    /// Asks for something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// Asks for a change.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(Method::POST, path, serde_json::to_vec(body)?.into())
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T> {
        let body = self.body(method, path, body)?;
        serde_json::from_slice(&body).context("the daemon's answer is not what this version expects")
    }

    fn body(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let patience = if method == Method::GET { LOOKING } else { CHANGING };
        let answer = async {
            let response = self.send(method, path, body).await?;
            let body = response.into_body().collect().await.context("the daemon's answer broke off")?;
            Ok(body.to_bytes())
        };
        block_on(async {
            tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Err(self.silent(patience).into()))
        })
    }

    /// Hands every piece of a streamed answer to `take`, until it ends or `take` says so.
    pub(crate) fn stream(&self, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        block_on(async {
            let mut body = self.send(Method::GET, path, Bytes::new()).await?.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.context(BROKE_OFF)?;
                if frame.data_ref().is_some_and(|data| !take(data)) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Asks for a text that is not JSON.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let body = self.body(Method::GET, path, Bytes::new())?;
        String::from_utf8(body.into()).context("the daemon's answer is no text")
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        #[expect(clippy::disallowed_methods, reason = "no daemon: a command that ends with its answer")]
        tokio::task::spawn_local(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "aegisbpf")
            .header("content-type", "application/json")
            .header(ROOT_HEADER, self.root.display().to_string())
            .body(Full::new(body))?;
        let response = sender.send_request(request).await.context("the daemon did not answer")?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let refusal = serde_json::from_slice(&body).unwrap_or_else(|_| Refusal {
            kind: RefusalKind::Failed,
            message: format!("{status}: {}", String::from_utf8_lossy(&body)),
        });
        Err(refused(refusal).into())
    }

    fn silent(&self, patience: Duration) -> Failure {
        let message = format!(
            "the daemon on {} took the connection and did not answer within {} s; it can be killed, as what is armed \
             goes on deciding without it",
            self.socket.display(),
            patience.as_secs()
        );
        Failure::new(Exit::Failed, message)
    }

    fn unreachable(&self, error: &std::io::Error) -> Failure {
        let socket = self.socket.display();
        if error.kind() == ErrorKind::PermissionDenied {
            let remedy = "be root, or for reading in the group aegisbpf";
            return Failure::new(
                Exit::NotPermitted,
                format!("cannot connect to {socket}: {error}; {remedy}"),
            );
        }
        let remedy = "start it with `aegisbpf run`, or name its socket with --socket";
        Failure::new(Exit::Unreachable, format!("no daemon answers on {socket} ({error}); {remedy}"))
    }
}

fn refused(refusal: Refusal) -> Failure {
    let exit = match refusal.kind {
        RefusalKind::Policy => Exit::Refused,
        RefusalKind::NotPermitted => Exit::NotPermitted,
        // No daemon of the pins that are meant was reached.
        RefusalKind::OtherRoot => Exit::Unreachable,
        RefusalKind::Request | RefusalKind::Busy | RefusalKind::Failed => Exit::Failed,
    };
    Failure::new(exit, refusal.message)
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}
