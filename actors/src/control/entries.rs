//! The lists of the local policy.

use super::body::Sent;
use super::run::{Daemon, Reply, with_policies};
use super::state::{Access, may};
use crate::loader::Loader;
use crate::local::{List, Policies};
use aegis_control_api::{Asker, ChangeReply, EntriesReply, EntriesRequest, HolderAction};
use axum::extract::State;
use axum::{Extension, Json};
use std::sync::Arc;

pub(super) async fn blocked(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
) -> Reply<EntriesReply> {
    list(daemon, asker, List::Block).await
}

pub(super) async fn allowed(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
) -> Reply<EntriesReply> {
    list(daemon, asker, List::Allow).await
}

pub(super) async fn network_denied(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
) -> Reply<EntriesReply> {
    list(daemon, asker, List::Network).await
}

pub(super) async fn block(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
    Sent(request): Sent<EntriesRequest>,
) -> Reply<ChangeReply> {
    change(daemon, asker, List::Block, request).await
}

pub(super) async fn allow(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
    Sent(request): Sent<EntriesRequest>,
) -> Reply<ChangeReply> {
    change(daemon, asker, List::Allow, request).await
}

pub(super) async fn network_deny(
    State(daemon): State<Arc<Daemon>>,
    asker: Extension<Asker>,
    Sent(request): Sent<EntriesRequest>,
) -> Reply<ChangeReply> {
    change(daemon, asker, List::Network, request).await
}

async fn list(
    daemon: Arc<Daemon>,
    Extension(Asker { uid, .. }): Extension<Asker>,
    list: List,
) -> Reply<EntriesReply> {
    may(Access::Read, uid)?;
    with_policies(&daemon, move |policies, _| policies.list(list)).await.map(Json)
}

async fn change(
    daemon: Arc<Daemon>,
    Extension(asker): Extension<Asker>,
    list: List,
    request: EntriesRequest,
) -> Reply<ChangeReply> {
    may(Access::Change, asker.uid)?;
    let change = move |policies: &mut Policies, loader: &mut Loader| {
        let mut reply = policies.change(loader, list, &request, asker)?;
        // After the flip: nothing is opened in between.
        reply.applied.holders = loader.holders(HolderAction::Report);
        Ok(reply)
    };
    let reply = with_policies(&daemon, change).await?;
    crate::tree::record_applied(&daemon.store.journal, &reply.applied);
    Ok(Json(reply))
}
