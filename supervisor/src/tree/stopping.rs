//! How children are stopped: in reverse order, each when the one after it is gone.

use super::child::{Caller, Id, Life};
use super::node::{Deferred, Local, Node, Phase, Signal, Then, Why};
use super::{CallError, CallId, Command, Shared, What};
use crate::exit::{Cause, Exit};
use crate::spec::{Kind, Shutdown};
use std::collections::VecDeque;

impl<W: Clone> Node<W> {
    /// Ends the supervisor.
    pub(super) fn end(&mut self, shared: &mut Shared<W>, exit: Exit) {
        for deferred in std::mem::take(&mut self.deferred) {
            if let Deferred::Call(id, _) = deferred {
                shared.reply(id, Err(CallError::Ending));
            }
        }
        let all = self.children.iter().rev().map(|child| child.id).collect();
        self.begin_stop(shared, all, Then::Down(exit));
    }

    pub(super) fn begin_stop(&mut self, shared: &mut Shared<W>, list: Vec<Id>, then: Then) {
        self.phase = Phase::Stopping { rest: list.into(), then };
        self.stop_next(shared);
    }

    /// Stops one child that somebody asked for.
    pub(super) fn stop_asked(&mut self, shared: &mut Shared<W>, id: Id, call: CallId) {
        if !self.is_dynamic() {
            self.phase = Phase::Stopping { rest: VecDeque::new(), then: Then::Idle };
        }
        self.stop(shared, id, Some(call));
        self.stop_next(shared);
    }

    pub(super) fn stop_next(&mut self, shared: &mut Shared<W>) {
        loop {
            let is_dynamic = self.is_dynamic();
            let is_busy = self.children.iter().any(|child| matches!(child.life, Life::Stopping { .. }));
            let Phase::Stopping { rest, .. } = &mut self.phase else { return };
            if is_busy && (!is_dynamic || rest.is_empty()) {
                return;
            }
            match rest.pop_front() {
                Some(id) => self.stop(shared, id, None),
                None => break,
            }
        }
        if let Phase::Stopping { then, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.go_on(shared, then);
        }
    }

    pub(super) fn go_on(&mut self, shared: &mut Shared<W>, then: Then) {
        match then {
            Then::Down(exit) => {
                self.phase = Phase::Down;
                self.signals.push(Signal::Down(exit));
            }
            // Whoever is to end starts nobody; it is seen to next.
            _ if self.is_asked => {}
            Then::Idle => {}
            Then::Group(id) => {
                // If one before it fails, it is not the one that waits.
                if let Some(child) = self.child(id) {
                    child.life = Life::Idle;
                }
                let group = self.group(id);
                self.begin_start(shared, group, Why::Again);
            }
        }
    }

    pub(super) fn stop(&mut self, shared: &mut Shared<W>, id: Id, caller: Option<CallId>) {
        let Some(child) = self.child(id) else { return };
        let run = match &mut child.life {
            Life::Starting { run, caller: start } => {
                if let Some(Caller { call, .. }) = start {
                    let name = child.spec.name.clone();
                    let terminated = CallError::Failed { name, exit: Exit::Shutdown(Cause::Asked) };
                    let error = if caller.is_some() { terminated } else { CallError::Ending };
                    shared.reply(*call, Err(error));
                }
                *run
            }
            Life::Running { run, .. } => *run,
            // It is on its way out already.
            Life::Stopping { callers, .. } => {
                callers.extend(caller);
                return;
            }
            Life::Idle | Life::Dead(_) | Life::Failed(_) | Life::Waiting { .. } => {
                if let Life::Dead(exit) = &child.life
                    && exit.is_abnormal()
                {
                    shared.report(&child.path, child.incarnation(), What::StoppedBadly(exit.clone()));
                }
                self.rest(id);
                if let Some(call) = caller {
                    shared.reply(call, Ok(()));
                }
                return;
            }
        };
        let is_worker = child.inner.is_none();
        let shutdown = match child.spec.kind {
            Kind::Worker { shutdown, .. } => shutdown,
            Kind::Supervisor(_) => Shutdown::Never,
        };
        let kill_at =
            if let Shutdown::Within(time) = shutdown { Some(shared.now.saturating_add(time)) } else { None };
        child.life = Life::Stopping { run, kill_at, callers: caller.into_iter().collect() };
        if is_worker {
            let kill = shutdown == Shutdown::Kill;
            shared.out.push(if kill { Command::Kill(run) } else { Command::Stop(run) });
        } else if let Some(inner) = &mut child.inner {
            let signals = inner.handle(shared, Local::Stop);
            self.signalled(shared, id, signals);
        }
    }
}
