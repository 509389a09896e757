//! The loop that waits for changes.

use super::files::Files;
use super::state::Schedule;
use crate::loader::{LoadError, Loader};
use crate::local::{Begun, Policies};
use crate::looped::{Looped, readiness};
use crate::spool::Journal;
use crate::tree::{record_applied, warn_of_holders};
use crate::ways::Ways;
use aegis_control_api::{ApplyReply, HolderAction};
use aegis_probes::NoticeRing;
use aegis_supervisor::{BoxError, Child, Life, SendError};
use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// The mounts of our namespace; the kernel signals an exceptional condition when they change.
const MOUNTS: &str = "/proc/self/mountinfo";

/// How often it is looked whether mounts have changed, or another policy is in force.
const LOOK_UP: Duration = Duration::from_millis(200);

/// How often what is pending is looked for without a notice.
const POLL: Duration = Duration::from_secs(5);

/// Puts the first policy in force, and makes the watcher. Changes from then on count.
pub(crate) struct WatcherChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for WatcherChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let Self(ways) = self;
        let journal = ways.store().await?.journal.clone();
        let mounts = File::open(MOUNTS)?;
        let notices = ways.loader.run(|loader, _| loader.probes().notices()).await??;
        let ready = readiness(&notices)?;
        let (action, first) = (ways.boot.live().holders, ways.boot.take_first());
        let apply = move |loader: &mut Loader, policies: &mut Policies| {
            let begun = policies.begin(loader, first)?;
            // A path that leads nowhere is an error of whoever applies a policy from now on.
            loader.be_strict();
            let applied = begun.applied.map(|reply| ApplyReply { holders: loader.holders(action), ..reply });
            Ok(Begun { applied, ..begun })
        };
        let begun: Result<_, crate::local::PolicyError> = ways.loader.run(apply).await?;
        let Begun { applied, refused } = begun.map_err(|error| ways.boot.failed(error.into()))?;
        if let Some(why) = refused {
            say_refused(&journal, ways.boot.generation(), &why);
        }
        // What changed while it was put in force made no notice; what was in force already has been looked at.
        let generation = if let Some(reply) = applied {
            record_applied(&journal, &reply);
            0
        } else {
            ways.boot.generation()
        };
        let watched = ways.boot.watched().await;
        let (schedule, began) = (Schedule::default(), Instant::now());
        let ways = ways.clone();
        let work = Work {
            notices,
            ready,
            mounts,
            ways,
            journal,
            schedule,
            began,
            generation,
            polled: Duration::ZERO,
            files: Files::new(watched),
        };
        Ok(Looped::new(life, work.watch(life.clone())))
    }
}

/// Says that what is in force is not what the configuration names.
fn say_refused(journal: &Journal, generation: u32, why: &str) {
    tracing::error!(generation, "the configured policy was refused; what was in force last goes on: {why}");
    journal.did("last_good", generation, why);
}

struct Work {
    notices: NoticeRing,
    ready: AsyncFd<OwnedFd>,
    mounts: File,
    ways: Ways,
    journal: Journal,
    schedule: Schedule,
    began: Instant,
    /// The generation that was in force at the last look.
    generation: u32,
    /// When it was last asked whether something is pending.
    polled: Duration,
    /// The files of the configuration and of the policy.
    files: Files,
}

impl Work {
    async fn watch(mut self, life: Life) -> Result<(), BoxError> {
        loop {
            let until_due = self.schedule.next().map(|due| due.saturating_sub(self.began.elapsed()));
            let patience = until_due.map_or(LOOK_UP, |due| due.min(LOOK_UP));
            tokio::select! {
                ready = self.ready.readable() => ready?.clear_ready(),
                () = tokio::time::sleep(patience) => {}
                () = self.ways.boot.reloads.more() => {}
                () = life.asked() => return Ok(()),
            }
            self.reload_if_asked().await;
            self.look().await?;
            self.resolve_if_due().await?;
        }
    }

    /// Reads the configuration again if a signal asked for it, or if its files or those of the policy have changed.
    async fn reload_if_asked(&mut self) {
        let reloads = &self.ways.boot.reloads;
        let (is_asked, upto) = (!reloads.are_done(), reloads.begin());
        if self.files.is_due(Instant::now()) {
            // Signatures beside them may have come, under names that nobody knew before.
            self.files.watch(self.ways.boot.watched().await);
        }
        if !self.files.have_changed(Instant::now()) && !is_asked {
            return;
        }
        // Why it was refused has been told.
        let _ = crate::reload::reload(&self.ways).await;
        self.ways.boot.reloads.end(upto);
        self.files.watch(self.ways.boot.watched().await);
    }

    /// Finds out whether something has changed.
    async fn look(&mut self) -> Result<(), SendError> {
        let mounts = self.mounts.as_fd();
        let mut ready = [PollFd::new(&mounts, PollFlags::PRI)];
        // An error here (EINTR) only means looking later.
        let _ = poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        let is_mounted = ready[0].revents().intersects(PollFlags::PRI | PollFlags::ERR);
        if self.notices.take_all().is_some() {
            self.schedule.changed(self.began.elapsed());
        }
        // What changed between the walk and the flip made no notice, as the rules were not in force yet.
        let generation = self.ways.boot.generation();
        let is_new = std::mem::replace(&mut self.generation, generation) != generation;
        // Mounting and new cgroups make no notice. Only what is pending has something to gain from them.
        let now = self.began.elapsed();
        let is_due = now.saturating_sub(self.polled) >= POLL;
        if is_due {
            self.polled = now;
        }
        if !(is_new || is_mounted || is_due) {
            return Ok(());
        }
        let look = |loader: &mut Loader, _: &mut Policies| loader.knows_plan().then(|| loader.pending());
        let Some(pending) = self.ways.loader.run(look).await? else { return Ok(()) };
        let is_pending = pending.is_ok_and(|pending| !pending.is_empty());
        if is_new || is_mounted && is_pending {
            self.schedule.changed(now);
        } else if is_pending {
            self.schedule.poll(now);
        }
        Ok(())
    }

    async fn resolve_if_due(&mut self) -> Result<(), SendError> {
        let start = self.began.elapsed();
        if self.schedule.next().is_none_or(|due| due > start) {
            return Ok(());
        }
        self.resolve_again().await?;
        let end = self.began.elapsed();
        self.schedule.looked(end, end.saturating_sub(start));
        Ok(())
    }

    /// Resolves the paths of the policy in force again. What cannot be resolved leaves the generation in force.
    async fn resolve_again(&self) -> Result<(), SendError> {
        let resolve = |loader: &mut Loader, _: &mut Policies| {
            let reply = loader.resolve_again()?;
            let holders =
                reply.as_ref().filter(|reply| reply.changed).map(|_| loader.holders(HolderAction::Report));
            Ok::<_, LoadError>((reply, holders))
        };
        match self.ways.loader.run(resolve).await? {
            Ok((Some(reply), Some(holders))) => {
                let generation = reply.generation.generation;
                tracing::info!(generation, "names got other files: resolved again");
                self.journal.did("resolved", generation, "");
                warn_of_holders(&holders);
            }
            Ok((Some(_), None)) => {}
            Ok((None, _)) => tracing::warn!(
                "names with rules on them got other files, and the policy was put in force by an earlier daemon: \
                 apply it again, so that the files are covered under other names, too"
            ),
            Err(error) => {
                let error = error.whole();
                tracing::error!(
                    error,
                    "names got other files and cannot be resolved; what was in force stays"
                );
                self.journal.did("unresolved", self.generation, &error);
            }
        }
        Ok(())
    }
}
