//! How children are started: in order, each when the one before it is ready.

use super::child::{Caller, Id, Life};
use super::node::{Deferred, Local, Node, Phase, Signal, Why};
use super::{CallError, Command, Shared, What};
use crate::exit::Exit;
use crate::spec::{Kind, Restart};

impl<W: Clone> Node<W> {
    pub(super) fn boot(&mut self, shared: &mut Shared<W>) {
        let ids: Vec<Id> = self.children.iter().map(|child| child.id).collect();
        if self.is_dynamic() {
            self.phase = Phase::Idle;
            ids.into_iter().for_each(|id| self.start(shared, id, None));
            self.signals.push(Signal::Up);
        } else {
            self.begin_start(shared, ids, Why::Boot);
        }
    }

    /// Starts one child that somebody asked for.
    pub(super) fn start_asked(&mut self, shared: &mut Shared<W>, id: Id, caller: Caller) {
        if self.is_dynamic() {
            self.start(shared, id, Some(caller));
        } else {
            self.begin_start(shared, vec![id], Why::Asked(caller));
        }
    }

    pub(super) fn begin_start(&mut self, shared: &mut Shared<W>, list: Vec<Id>, why: Why) {
        self.phase = Phase::Starting { rest: list.into(), why };
        self.start_next(shared);
    }

    pub(super) fn start_next(&mut self, shared: &mut Shared<W>) {
        let Phase::Starting { rest, why } = &mut self.phase else { return };
        let why = *why;
        if let Some(id) = rest.pop_front() {
            let caller = if let Why::Asked(caller) = why { Some(caller) } else { None };
            self.start(shared, id, caller);
            return;
        }
        self.phase = Phase::Idle;
        if matches!(why, Why::Boot) {
            self.signals.push(Signal::Up);
        }
    }

    pub(super) fn start(&mut self, shared: &mut Shared<W>, id: Id, caller: Option<Caller>) {
        let run = shared.run();
        let Some(child) = self.child(id) else { return };
        child.life = Life::Starting { run, caller };
        child.starts = child.starts.saturating_add(1);
        let (path, incarnation) = (child.path.clone(), child.incarnation());
        match &child.spec.kind {
            Kind::Worker { work, .. } => {
                let work = work.clone();
                shared.out.push(Command::Start { run, path, incarnation, work });
            }
            Kind::Supervisor(spec) => {
                let mut inner = Self::new(spec.clone(), path);
                let signals = inner.handle(shared, Local::Start);
                child.inner = Some(Box::new(inner));
                self.signalled(shared, id, signals);
            }
        }
    }

    pub(super) fn started(&mut self, shared: &mut Shared<W>, id: Id) {
        let Some(child) = self.child(id) else { return };
        let Life::Starting { run, caller } = child.life else { return };
        child.life = Life::Running { run, since: shared.now };
        if let Some(Caller { call, .. }) = caller {
            shared.reply(call, Ok(()));
        }
        self.start_next(shared);
    }

    pub(super) fn ignored(&mut self, shared: &mut Shared<W>, id: Id) {
        let Some(child) = self.child(id) else { return };
        match child.life {
            Life::Starting { caller, .. } => {
                if let Some(Caller { call, .. }) = caller {
                    shared.reply(call, Ok(()));
                }
                self.rest(id);
                self.start_next(shared);
            }
            // It was asked to end just when it said that it does not begin.
            Life::Stopping { .. } => self.exited(shared, id, Exit::Normal),
            _ => {}
        }
    }

    /// A child is not running any more, and not to be restarted.
    pub(super) fn rest(&mut self, id: Id) {
        let is_dynamic = self.is_dynamic();
        let Some(child) = self.child(id) else { return };
        let is_temporary = child.spec.restart == Restart::Temporary;
        child.life = Life::Idle;
        if child.is_degraded {
            child.recover();
        }
        // Its end has been seen to. A later one gets a turn of its own.
        self.deferred.retain(|deferred| !matches!(deferred, Deferred::Exit(other) if *other == id));
        if is_dynamic || is_temporary {
            self.remove(id);
        }
    }

    pub(super) fn start_failed(
        &mut self,
        shared: &mut Shared<W>,
        id: Id,
        exit: Exit,
        caller: Option<Caller>,
    ) {
        let is_dynamic = self.is_dynamic();
        let why = if let Phase::Starting { why, .. } = self.phase { Some(why) } else { None };
        let is_ending = matches!(self.phase, Phase::Stopping { .. });
        let Some(child) = self.child(id) else { return };
        child.life = Life::Idle;
        if let Some(Caller { call, is_new }) = caller {
            let name = child.spec.name.clone();
            if is_new || is_dynamic {
                self.remove(id);
            }
            shared.reply(call, Err(CallError::Failed { name, exit }));
            self.start_next(shared);
            return;
        }
        if is_ending {
            // The supervisor ends, and it was not this child's turn to be asked.
            shared.report(&child.path, child.incarnation(), What::Ended(exit));
            self.rest(id);
            return;
        }
        match why {
            Some(Why::Boot) => {
                let whole = format!("its child `{}` could not be started: it {exit}", child.spec.name);
                shared.report(&child.path, child.incarnation(), What::Ended(exit));
                self.end(shared, Exit::Failed(whole));
            }
            // OTP: a restart that fails is tried again, whatever the exit. What was to be started after it is not.
            Some(_) => {
                child.life = Life::Failed(exit);
                self.phase = Phase::Idle;
                self.deferred.push_back(Deferred::Retry(id));
            }
            // The first start of a dynamic child fails for itself alone.
            None if child.spec.restart == Restart::Temporary => self.stay_ended(shared, id, exit),
            None => self.restart(shared, id, exit),
        }
    }
}
