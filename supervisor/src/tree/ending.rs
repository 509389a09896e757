//! What follows when a child has ended: nothing, a restart, or the end of the supervisor.

use super::child::{Child, Id, Life};
use super::node::{Deferred, Node, Then};
use super::wait::wait;
use super::{Shared, What};
use crate::exit::{Cause, Exit};
use crate::spec::{AutoShutdown, Excess, Restart, Strategy};

impl<W: Clone> Node<W> {
    pub(super) fn exited(&mut self, shared: &mut Shared<W>, id: Id, exit: Exit) {
        let period = self.spec.intensity.period;
        let Some(child) = self.child(id) else { return };
        child.last_exit = Some(exit.clone());
        match child.life {
            Life::Starting { caller, .. } => self.start_failed(shared, id, exit, caller),
            Life::Running { since, .. } => {
                if shared.now.saturating_sub(since) >= period {
                    child.streak = 0;
                }
                child.life = Life::Dead(exit);
                self.deferred.push_back(Deferred::Exit(id));
            }
            Life::Stopping { ref mut callers, .. } => {
                let callers = std::mem::take(callers);
                let as_asked = exit == Exit::Killed && child.is_ended_by_force();
                if exit.is_abnormal() && !as_asked {
                    shared.report(&child.path, child.incarnation(), What::StoppedBadly(exit));
                }
                self.rest(id);
                callers.into_iter().for_each(|call| shared.reply(call, Ok(())));
                self.stop_next(shared);
            }
            Life::Idle | Life::Dead(_) | Life::Failed(_) | Life::Waiting { .. } => {}
        }
    }

    /// A child has ended by itself.
    pub(super) fn ended(&mut self, shared: &mut Shared<W>, id: Id, exit: Exit) {
        let Some(child) = self.child(id) else { return };
        let again = match child.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => exit.is_abnormal(),
            Restart::Temporary => false,
        };
        if again { self.restart(shared, id, exit) } else { self.stay_ended(shared, id, exit) }
    }

    pub(super) fn stay_ended(&mut self, shared: &mut Shared<W>, id: Id, exit: Exit) {
        let Some(child) = self.child(id) else { return };
        let is_significant = child.spec.significant;
        shared.report(&child.path, child.incarnation(), What::Ended(exit));
        self.rest(id);
        let is_over = match self.spec.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::Any => is_significant,
            AutoShutdown::All => {
                let lives = |child: &Child<W>| child.spec.significant && !matches!(child.life, Life::Idle);
                is_significant && !self.children.iter().any(lives)
            }
        };
        if is_over {
            self.end(shared, Exit::Shutdown(Cause::Auto));
        }
    }

    /// Counts a restart, and has the child wait for it, or does what is done when there are too many.
    pub(super) fn restart(&mut self, shared: &mut Shared<W>, id: Id, exit: Exit) {
        let (now, intensity) = (shared.now, self.spec.intensity);
        let is_borne = self.spec.excess != Excess::Escalate || self.window.add(now, intensity);
        if !is_borne {
            if let Some(child) = self.child(id) {
                child.life = Life::Idle;
                shared.report(&child.path, child.incarnation(), What::Ended(exit));
            }
            shared.report(&self.path, 0, What::GaveUp(intensity.restarts.saturating_add(1)));
            self.end(shared, Exit::Shutdown(Cause::Intensity));
            return;
        }
        let excess = self.spec.excess;
        let Some(child) = self.child(id) else { return };
        if let Excess::Degrade { retry } = excess
            && (child.is_degraded || !child.window.add(now, intensity))
        {
            child.is_degraded = true;
            child.life = Life::Waiting { due: now.saturating_add(retry) };
            shared.report(&child.path, child.incarnation(), What::Degraded(exit, retry));
            return;
        }
        let delay = wait(&child.spec.backoff, child.streak, &mut shared.random);
        child.streak = child.streak.saturating_add(1);
        child.life = Life::Waiting { due: now.saturating_add(delay) };
        shared.report(&child.path, child.incarnation(), What::Restarting(exit, delay));
        if delay.is_zero() {
            // OTP restarts before it looks at what else has happened.
            self.resume(shared, id);
            return;
        }
        let others = self.others(id);
        // In a dynamic supervisor nobody waits for those who are stopped meanwhile.
        if !others.is_empty() {
            self.begin_stop(shared, others, Then::Idle);
        }
    }

    /// A child that waited is due.
    pub(super) fn resume(&mut self, shared: &mut Shared<W>, id: Id) {
        if self.is_dynamic() {
            self.start(shared, id, None);
            return;
        }
        // Somebody may have started one of them meanwhile.
        let others = self.others(id);
        self.begin_stop(shared, others, Then::Group(id));
    }

    /// A child and those that are stopped and started with it, in order.
    pub(super) fn group(&self, id: Id) -> Vec<Id> {
        let ids = self.children.iter().map(|child| child.id);
        match self.spec.strategy {
            Strategy::OneForOne | Strategy::Dynamic => vec![id],
            Strategy::OneForAll => ids.collect(),
            Strategy::RestForOne => ids.skip_while(|other| *other != id).collect(),
        }
    }

    /// The same without the child, in reverse.
    pub(super) fn others(&self, id: Id) -> Vec<Id> {
        self.group(id).into_iter().rev().filter(|other| *other != id).collect()
    }
}
