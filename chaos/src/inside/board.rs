//! What is to go wrong, and where.

use crate::fault::Kind;
use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What every part looks at. Clones are the same.
#[derive(Clone)]
pub(super) struct Board(Arc<Shared>);

struct Shared {
    /// By the path of the part.
    orders: Mutex<HashMap<String, Order>>,
    changes: watch::Sender<()>,
}

/// One fault that has not struck.
struct Order {
    kind: Kind,
    /// Hears when it strikes.
    struck: SyncSender<()>,
    /// Whoever runs has been told to make room for whoever meets it.
    is_passed_on: bool,
}

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(Shared { orders: Mutex::default(), changes: watch::Sender::new(()) }))
    }
}

impl Board {
    fn orders(&self) -> MutexGuard<'_, HashMap<String, Order>> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a part fail.
    pub(super) fn put(&self, path: &str, kind: Kind, struck: SyncSender<()>) {
        self.orders().insert(path.to_owned(), Order { kind, struck, is_passed_on: false });
        self.0.changes.send_replace(());
    }

    /// Takes back what has not struck.
    pub(super) fn take_back(&self, path: &str) {
        self.orders().remove(path);
    }

    /// Waits for what whoever runs there is to meet.
    pub(super) async fn wait(&self, path: &str) -> Kind {
        let mut changes = self.0.changes.subscribe();
        loop {
            if let Some(kind) = self.take(path) {
                return kind;
            }
            // It cannot fail: the sender lives as long as this board.
            let _ = changes.changed().await;
        }
    }

    fn take(&self, path: &str) -> Option<Kind> {
        let mut orders = self.orders();
        let order = orders.get_mut(path)?;
        let kind = order.kind;
        if kind.is_at_start() {
            return (!std::mem::replace(&mut order.is_passed_on, true)).then_some(kind);
        }
        Self::strike(&mut orders, path);
        Some(kind)
    }

    /// What whoever is started there is to meet.
    pub(super) fn take_at_start(&self, path: &str) -> Option<Kind> {
        let mut orders = self.orders();
        let kind = orders.get(path)?.kind;
        if kind.is_at_start() {
            Self::strike(&mut orders, path);
            return Some(kind);
        }
        None
    }

    fn strike(orders: &mut HashMap<String, Order>, path: &str) {
        if let Some(order) = orders.remove(path) {
            // Whoever asked may have given up.
            let _ = order.struck.try_send(());
        }
    }
}
