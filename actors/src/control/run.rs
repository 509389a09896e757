//! The server behind the socket.

use super::entries;
use super::state::{Access, child_status, may, other_root, policy_refusal, refusal};
use crate::clock::unix_ns;
use crate::loader::{LoadError, Loader};
use crate::local::{Policies, PolicyError};
use crate::looped::Looped;
use crate::router::unnumbered_gap;
use crate::spool::{Journal, Received, Store, line};
use crate::ways::Ways;
use aegis_control_api::{
    API_VERSION, AccountsReply, ApplyReply, ApplyRequest, Counts, DaemonStatus, DetachReply, DetachRequest,
    HolderAction, Memory, PolicyReply, ROOT_HEADER, Refusal, RefusalKind, ReloadReply, Status, TreeReply,
    paths,
};
use aegis_supervisor::{BoxError, Child, Life, SendError};
use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use futures_core::Stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UnixListener;

/// The bound socket; removed when dropped. It outlives those who answer on it, so that whoever connects while they are
/// started again only waits.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

/// Makes the server behind the socket.
pub(crate) struct ControlChild {
    pub(crate) socket: Socket,
    pub(crate) ways: Ways,
}

#[async_trait(?Send)]
impl Child for ControlChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let Self { socket, ways } = self;
        let store = ways.store().await?;
        let root = ways.loader.run(|loader, _| loader.root()).await?;
        let listener = socket.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let daemon = Arc::new(Daemon { ways: ways.clone(), root, store });
        let asked = life.clone();
        Ok(Looped::new(life, async move {
            tokio::select! {
                served = serve(listener, daemon) => Ok(served?),
                () = asked.asked() => {
                    // The reply to `detach` may still be on its way.
                    tokio::time::sleep(LAST_REPLY).await;
                    Ok(())
                }
            }
        }))
    }
}

/// How long the server goes on when it is to end.
const LAST_REPLY: Duration = Duration::from_millis(100);

/// What an answer may need.
pub(super) struct Daemon {
    ways: Ways,
    /// Where its pins are.
    root: String,
    pub(super) store: Arc<Store>,
}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Self {
        let message =
            format!("the loader cannot be asked: {error}; try again, and see `aegisbpf status --tree`");
        Self(Refusal { kind: RefusalKind::Failed, message })
    }
}

/// A policy may be large, but not without bound: 100,000 paths of 4,095 bytes are some 400 MB.
const BODY_LIMIT: usize = 512 * 1024 * 1024;

/// Lines that are handed to a reader of events at a time.
const LINES: usize = 256;

impl Socket {
    /// Binds the socket. One that a dead daemon left behind is replaced; one that is answered is not.
    ///
    /// # Errors
    /// If the directory or the socket cannot be made, or another daemon answers there.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let taken =
                format!("another daemon answers on {}; name another socket with --socket", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, taken));
        }
        use std::os::unix::fs::FileTypeExt;
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            let other =
                format!("{} is there and is no socket; name another one with --socket", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, other));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        if let Some(group) = group("aegisbpf") {
            std::os::unix::fs::chown(path, None, Some(group))?;
        }
        Ok(Self { path: path.to_owned(), listener })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that stays behind is replaced by the next daemon.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The number of a group of `/etc/group`.
fn group(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// The user at the other end, as the kernel tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|cred| cred.uid()))
    }
}

/// Answers requests for good.
async fn serve(listener: UnixListener, daemon: Arc<Daemon>) -> std::io::Result<()> {
    let metrics = crate::metrics::router(daemon.ways.clone(), Arc::clone(&daemon.store));
    let router = Router::new()
        .route(paths::STATUS, get(status))
        .route(paths::TREE, get(tree))
        .route(paths::POLICY, get(policy))
        .route(paths::APPLY, post(apply))
        .route(paths::RESET, post(reset))
        .route(paths::BLOCK, get(entries::blocked).post(entries::block))
        .route(paths::ALLOW, get(entries::allowed).post(entries::allow))
        .route(paths::EVENTS, get(events))
        .route(paths::ACCOUNTS, get(accounts))
        .route(paths::DETACH, post(detach))
        .route(paths::RELOAD, post(reload))
        .merge(metrics)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&daemon), refuse_others))
        .with_state(daemon);
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
}

/// Answers only what is meant for this daemon's pins, if the request says for which it is, and takes changes only
/// from those who may change: before a body is read, which may be large.
async fn refuse_others(State(daemon): State<Arc<Daemon>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().and_then(|ConnectInfo(Peer(uid))| *uid);
    let access = if request.method() == Method::GET { Access::Read } else { Access::Change };
    if let Err(refusal) = may(access, peer) {
        return Refused(refusal).into_response();
    }
    let meant = request.headers().get(ROOT_HEADER).and_then(|root| root.to_str().ok()).map(str::to_owned);
    match other_root(&daemon.root, meant.as_deref()) {
        Some(refusal) => Refused(refusal).into_response(),
        None => next.run(request).await,
    }
}

/// A refusal as a response.
pub(super) struct Refused(pub(super) Refusal);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let code = match self.0.kind {
            RefusalKind::Policy => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::NotPermitted => StatusCode::FORBIDDEN,
            RefusalKind::OtherRoot => StatusCode::MISDIRECTED_REQUEST,
            RefusalKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (code, Json(self.0)).into_response()
    }
}

pub(super) type Reply<T> = Result<Json<T>, Refused>;

/// Has the loader do something. Changes come one after the other; meanwhile other requests are answered.
async fn with_loader<T, F>(daemon: &Daemon, work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&mut Loader) -> Result<T, Refusal> + Send + 'static,
{
    daemon.ways.loader.run(move |loader, _| work(loader)).await?.map_err(Refused)
}

async fn status(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<Status> {
    may(Access::Read, uid).map_err(Refused)?;
    let store = Arc::clone(&daemon.store);
    let read = move |loader: &mut Loader| {
        loader.prove_active();
        read_status(loader, &store.received).map_err(|error| refusal(&error))
    };
    with_loader(&daemon, read).await.map(Json)
}

/// The parts of the daemon, and how they are.
async fn tree(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<TreeReply> {
    may(Access::Read, uid).map_err(Refused)?;
    let gone = || Refused(Refusal { kind: RefusalKind::Failed, message: "the daemon is ending".to_owned() });
    let status = daemon.ways.boot.handle().ok_or_else(gone)?.status().await.map_err(|_| gone())?;
    Ok(Json(TreeReply { version: API_VERSION, root: child_status(&status) }))
}

/// What is known of what is in force, without proving it again.
pub(crate) fn read_status(loader: &Loader, received: &Received) -> Result<Status, LoadError> {
    let counts = Counts {
        received: Some(received.events.load(Ordering::Relaxed)),
        malformed: Some(received.malformed.load(Ordering::Relaxed)),
        ..loader.counts()?
    };
    let daemon = DaemonStatus {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adopted: loader.adopted(),
    };
    Ok(Status {
        version: API_VERSION,
        daemon: Some(daemon),
        bpffs_root: loader.root(),
        generation: loader.generation()?,
        classes: loader.classes()?,
        links: loader.links()?,
        counts,
        pending: loader.pending()?,
        memory: own_memory(loader.tables_memory()?),
        probes: loader.kind().word().to_owned(),
        notice: loader.notice(),
        unseen: loader.unseen()?,
    })
}

/// What the kernel says of our memory; it is left out where `/proc` is not mounted.
fn own_memory(tables_bytes: u64) -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Memory { tables_bytes, resident_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:") }
}

async fn policy(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<PolicyReply> {
    may(Access::Read, uid).map_err(Refused)?;
    with_loader(&daemon, |loader| loader.policy().map_err(|error| refusal(&error))).await.map(Json)
}

async fn accounts(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<AccountsReply> {
    may(Access::Read, uid).map_err(Refused)?;
    let malformed = daemon.store.received.unnumbered.load(Ordering::Relaxed);
    with_loader(&daemon, move |loader| loader.accounts(malformed).map_err(|error| refusal(&error)))
        .await
        .map(Json)
}

async fn apply(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    Json(request): Json<ApplyRequest>,
) -> Reply<ApplyReply> {
    may(Access::Change, uid).map_err(Refused)?;
    let sources = request.sources;
    put_in_force(&daemon, request.holders, |policies, loader| policies.apply(loader, sources)).await.map(Json)
}

async fn reset(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<ApplyReply> {
    may(Access::Change, uid).map_err(Refused)?;
    put_in_force(&daemon, HolderAction::Report, Policies::reset).await.map(Json)
}

async fn put_in_force<F>(daemon: &Daemon, action: HolderAction, change: F) -> Result<ApplyReply, Refused>
where
    F: FnOnce(&mut Policies, &mut Loader) -> Result<ApplyReply, PolicyError> + Send + 'static,
{
    let change = move |policies: &mut Policies, loader: &mut Loader| {
        let reply = change(policies, loader)?;
        // After the flip: nothing is opened in between.
        Ok(ApplyReply { holders: loader.holders(action), ..reply })
    };
    let reply = with_policies(daemon, change).await?;
    crate::tree::record_applied(&daemon.store.journal, &reply);
    Ok(reply)
}

/// As [`with_loader`], for work on policies.
pub(super) async fn with_policies<T, F>(daemon: &Daemon, work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&mut Policies, &mut Loader) -> Result<T, PolicyError> + Send + 'static,
{
    let done = daemon.ways.loader.run(move |loader, policies| work(policies, loader)).await?;
    done.map_err(|error| Refused(policy_refusal(&error)))
}

async fn reload(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Reply<ReloadReply> {
    may(Access::Change, uid).map_err(Refused)?;
    crate::reload::reload(&daemon.ways).await.map(Json).map_err(Refused)
}

async fn detach(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    Json(request): Json<DetachRequest>,
) -> Reply<DetachReply> {
    may(Access::Change, uid).map_err(Refused)?;
    let links = with_loader(&daemon, |loader| loader.detach().map_err(|error| refusal(&error))).await?;
    tracing::warn!(reason = request.reason, "detached: nothing is enforced any more");
    daemon.store.journal.did("detached", 0, &request.reason);
    daemon.ways.boot.handle().into_iter().for_each(aegis_supervisor::Handle::stop);
    Ok(Json(DetachReply { version: API_VERSION, links, undelivered: 0 }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    /// The number of the last record that the reader has.
    #[serde(default)]
    after: u64,
    /// Whether to wait for more.
    #[serde(default)]
    follow: bool,
}

async fn events(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    Query(range): Query<Range>,
) -> Response {
    if let Err(refusal) = may(Access::Read, uid) {
        return Refused(refusal).into_response();
    }
    let lines = Lines::new(&daemon.store.journal, range.after, range.follow);
    ([("content-type", "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Lines of the journal as a stream: what is there, and if it is followed what comes.
struct Lines {
    journal: Journal,
    after: u64,
    ready: VecDeque<Bytes>,
    /// Resolves when there is more; none if it is not followed.
    more: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    follow: bool,
}

impl Lines {
    fn new(journal: &Journal, after: u64, follow: bool) -> Self {
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

    fn wait(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
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
            if !this.follow {
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
