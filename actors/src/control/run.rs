//! The server behind the socket.

use super::body::{Sent, size_allowed};
use super::events::events;
use super::limits::{FOLLOWERS, PATIENCE, Patience};
use super::refused::{Refused, no_such_method, no_such_path};
use super::server::{Places, serve};
use super::state::{Access, child_status, may, other_root, policy_refusal, refusal};
use super::{Socket, entries};
use crate::loader::{LoadError, Loader};
use crate::local::{Origin, Policies, PolicyError};
use crate::looped::Looped;
use crate::metrics;
use crate::spool::{Received, Store};
use crate::ways::Ways;
use aegis_control_api::{
    API_VERSION, AccountsReply, ApplyReply, ApplyRequest, Asker, Counts, DaemonStatus, Deed, DetachReply,
    DetachRequest, HistoryReply, HolderAction, LinkStatus, Memory, PolicyReply, PolicyTextReply, ROOT_HEADER,
    Refusal, ReloadReply, RollbackRequest, Status, SurvivalReply, TreeReply, paths,
};
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

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
        let (beside, metrics) = (ways.boot.metrics(), metrics::router(ways.clone(), Arc::clone(&store)));
        let router = router(Daemon::new(ways.clone(), root, store, PATIENCE));
        let places = Places::new();
        let shown = places.clone();
        life.gauge("connections", move || shown.taken() as u64);
        let life = life.clone();
        Ok(Looped::new(&life.clone(), async move {
            tokio::select! {
                served = serve(listener, router, PATIENCE, places, life.asked()) => Ok(served?),
                served = metrics::serve(beside, metrics) => Ok(served?),
            }
        }))
    }
}

/// What an answer may need.
pub(super) struct Daemon {
    ways: Ways,
    /// Where its pins are.
    root: String,
    pub(super) store: Arc<Store>,
    pub(super) patience: Patience,
    /// Places for those who follow the records.
    pub(super) followers: Arc<Semaphore>,
}

impl Daemon {
    pub(super) fn new(ways: Ways, root: String, store: Arc<Store>, patience: Patience) -> Arc<Self> {
        Arc::new(Self { ways, root, store, patience, followers: Arc::new(Semaphore::new(FOLLOWERS)) })
    }
}

/// What is answered where. The table of `aegis-control-api` says the same for others.
pub(super) fn routes() -> [(&'static str, MethodRouter<Arc<Daemon>>); 17] {
    [
        (paths::STATUS, get(status)),
        (paths::TREE, get(tree)),
        (paths::POLICY, get(policy)),
        (paths::POLICY_TEXT, get(policy_text)),
        (paths::APPLY, post(apply)),
        (paths::RESET, post(reset)),
        (paths::ROLLBACK, post(rollback)),
        (paths::HISTORY, get(history)),
        (paths::BLOCK, get(entries::blocked).post(entries::block)),
        (paths::ALLOW, get(entries::allowed).post(entries::allow)),
        (paths::NETWORK, get(entries::network_denied).post(entries::network_deny)),
        (paths::EVENTS, get(events)),
        (paths::ACCOUNTS, get(accounts)),
        (paths::SURVIVAL, get(survival)),
        (paths::DETACH, post(detach)),
        (paths::RELOAD, post(reload)),
        (paths::OPENAPI, get(openapi)),
    ]
}

/// Everything that is answered.
pub(super) fn router(daemon: Arc<Daemon>) -> Router {
    let router = metrics::router(daemon.ways.clone(), Arc::clone(&daemon.store));
    routes()
        .into_iter()
        .fold(router, |router, (path, methods)| router.route(path, methods))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&daemon), refuse_others))
        .with_state(daemon)
}

/// Answers only what is meant for this daemon's pins, if the request says for which it is, and takes changes only
/// from those who may change: before a body is read, which may be large.
async fn refuse_others(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
    request: Request,
    next: Next,
) -> Response {
    match refused(&daemon, uid, &request) {
        Err(refused) => refused.into_response(),
        Ok(()) => next.run(request).await,
    }
}

fn refused(daemon: &Daemon, uid: u32, request: &Request) -> Result<(), Refused> {
    let looks = [Method::GET, Method::HEAD].contains(request.method());
    may(if looks { Access::Read } else { Access::Change }, uid)?;
    // Nobody would read it, and while it is unread it is not seen whether the peer is still there.
    if looks && !request.body().is_end_stream() {
        return Err(Refused::request(StatusCode::BAD_REQUEST, "a request that only looks has no body"));
    }
    let meant = request.headers().get(ROOT_HEADER).map(|root| String::from_utf8_lossy(root.as_bytes()));
    if let Some(refusal) = other_root(&daemon.root, meant.as_deref()) {
        return Err(refusal.into());
    }
    size_allowed(request)
}

pub(super) type Reply<T> = Result<Json<T>, Refused>;

/// Has the loader do something. Changes come one after the other; meanwhile other requests are answered.
async fn with_loader<T, F>(daemon: &Daemon, work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&mut Loader) -> Result<T, Refusal> + Send + 'static,
{
    daemon.ways.loader.run(move |loader, _| work(loader)).await?.map_err(Refused::from)
}

async fn status(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<Status> {
    may(Access::Read, uid)?;
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
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<TreeReply> {
    may(Access::Read, uid)?;
    let gone = || Refused::failed("the daemon is ending");
    let status = daemon.ways.boot.handle().ok_or_else(gone)?.status().await.map_err(|_| gone())?;
    Ok(Json(TreeReply { version: API_VERSION, root: child_status(&status) }))
}

/// What is known of what is in force, without proving it again.
fn read_status(loader: &Loader, received: &Received) -> Result<Status, LoadError> {
    status_with(loader, received, (loader.links()?, loader.tables_memory()?))
}

/// The same with links and the size of tables as they were found by whoever asks.
pub(crate) fn status_with(
    loader: &Loader,
    received: &Received,
    (links, tables_bytes): (Vec<LinkStatus>, u64),
) -> Result<Status, LoadError> {
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
        links,
        counts,
        pending: loader.pending()?,
        memory: own_memory(tables_bytes),
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
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<PolicyReply> {
    may(Access::Read, uid)?;
    with_policies(&daemon, |policies, loader| policies.show(loader)).await.map(Json)
}

async fn policy_text(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<PolicyTextReply> {
    may(Access::Read, uid)?;
    let text = |policies: &mut Policies, loader: &mut Loader| {
        let text = policies.plan(loader)?.to_toml();
        Ok(PolicyTextReply { version: API_VERSION, generation: loader.active_generation(), text })
    };
    with_policies(&daemon, text).await.map(Json)
}

async fn accounts(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<AccountsReply> {
    may(Access::Read, uid)?;
    let malformed = daemon.store.received.unnumbered.load(Ordering::Relaxed);
    with_loader(&daemon, move |loader| loader.accounts(malformed).map_err(|error| refusal(&error)))
        .await
        .map(Json)
}

async fn survival(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<SurvivalReply> {
    may(Access::Read, uid)?;
    with_loader(&daemon, |loader| loader.survival().map_err(|error| refusal(&error))).await.map(Json)
}

async fn history(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<HistoryReply> {
    may(Access::Read, uid)?;
    with_policies(&daemon, |policies, loader| policies.history(loader)).await.map(Json)
}

async fn apply(
    State(daemon): State<Arc<Daemon>>,
    Extension(asker): Extension<Asker>,
    Sent(request): Sent<ApplyRequest>,
) -> Reply<ApplyReply> {
    may(Access::Change, asker.uid)?;
    let ApplyRequest { sources, holders, dry_run, require_signature } = request;
    let origin = Origin { must_be_signed: require_signature, ..Origin::asked(Deed::Apply, asker) };
    if dry_run {
        let rehearsed =
            with_policies(&daemon, move |policies, loader| policies.rehearse(loader, sources, origin)).await;
        return rehearsed.map(Json);
    }
    let put = move |policies: &mut Policies, loader: &mut Loader| policies.apply(loader, sources, origin);
    put_in_force(&daemon, holders, put).await.map(Json)
}

async fn reset(State(daemon): State<Arc<Daemon>>, Extension(asker): Extension<Asker>) -> Reply<ApplyReply> {
    may(Access::Change, asker.uid)?;
    let put = move |policies: &mut Policies, loader: &mut Loader| policies.reset(loader, asker);
    put_in_force(&daemon, HolderAction::Report, put).await.map(Json)
}

async fn rollback(
    State(daemon): State<Arc<Daemon>>,
    Extension(asker): Extension<Asker>,
    Sent(request): Sent<RollbackRequest>,
) -> Reply<ApplyReply> {
    may(Access::Change, asker.uid)?;
    let put =
        move |policies: &mut Policies, loader: &mut Loader| policies.rollback(loader, request.to, asker);
    put_in_force(&daemon, HolderAction::Report, put).await.map(Json)
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
    done.map_err(|error| policy_refusal(&error).into())
}

async fn detach(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
    Sent(request): Sent<DetachRequest>,
) -> Reply<DetachReply> {
    may(Access::Change, uid)?;
    let links = with_loader(&daemon, |loader| loader.detach().map_err(|error| refusal(&error))).await?;
    tracing::warn!(reason = request.reason, "detached: nothing is enforced any more");
    daemon.store.journal.did("detached", 0, &request.reason);
    daemon.ways.boot.handle().into_iter().for_each(aegis_supervisor::Handle::stop);
    Ok(Json(DetachReply { version: API_VERSION, links, undelivered: 0 }))
}

async fn reload(
    State(daemon): State<Arc<Daemon>>,
    Extension(Asker { uid, .. }): Extension<Asker>,
) -> Reply<ReloadReply> {
    may(Access::Change, uid)?;
    Ok(crate::reload::reload(&daemon.ways).await.map(Json)?)
}

/// What this API is.
async fn openapi() -> Json<Value> {
    Json(aegis_control_api::document())
}
