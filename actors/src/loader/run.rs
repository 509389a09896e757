//! The shell of the loader: files, kernel, clock.

use super::look::Look;
use super::paths::Paths;
use super::state::{
    Host, Manner, Pending, Proven, classes, generation_status, keep, link_status, pending, pending_rules,
    tables, unseen,
};
use super::{LoadError, RuleNames, Stopwatch, Witness, log, resolve, step, survival};
use crate::clock::unix_ns;
use aegis_control_api::{
    API_VERSION, ApplyReply, GenerationStatus, HolderReport, LinkStatus, PendingRule, Step, UnseenRule,
};
use aegis_kernel_abi::{Accepted, Class, GenerationInfo, Hook, Mode, Operations, Survival, SurvivalKey};
use aegis_policy::Plan;
use aegis_probes::{
    Arrival, Helper, HolderProbes, KernelTypes, PinDir, Probes, Resolver, Settings, Tables, TestSettings,
    take_down,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What the command line chooses for the loader.
#[derive(Debug, Clone)]
pub struct LoaderSettings {
    /// Where everything is pinned.
    pub bpffs_root: PathBuf,
    /// The mode of the command line: the strongest that any rule can have.
    pub mode: Mode,
    /// The kernel's number of the signal that a process gets whom an enforcing rule denies; 0 is none.
    pub signal: u8,
    /// Size of the event ring in bytes.
    pub ring_bytes: u32,
    /// Whether the audit fallback will do where the kernel refuses BPF LSM programs.
    pub fallback: bool,
    /// Cgroups of the survival list, by path below the hierarchy's root; `None` leaves the list as it is.
    pub survival_cgroups: Option<Vec<String>>,
    /// What tests do to the probes; the default for everybody else.
    pub test: TestSettings,
    /// Who sees the steps of putting a policy in force; the default is nobody.
    pub witness: Witness,
}

/// The loader.
pub struct Loader {
    pub(super) settings: LoaderSettings,
    resolver: Resolver,
    pub(super) probes: Probes,
    names: RuleNames,
    pub(super) proven: HashMap<Class, Proven>,
    /// What this daemon put in force last; none if it adopted it.
    in_force: Option<InForce>,
    /// See [`Loader::be_strict`].
    is_strict: bool,
    /// The survival list of this daemon; empty if it leaves the list as it is.
    survivors: Vec<(SurvivalKey, Survival)>,
    /// See [`Loader::flaws`].
    pub(super) flaws: RefCell<Option<Flaws>>,
    /// See [`Loader::look`].
    pub(super) looked: RefCell<Option<Look>>,
    /// Nothing if they could not be loaded yet.
    pub(super) holder_probes: Option<HolderProbes>,
}

/// What rules of a generation lack on this host.
#[derive(Debug, Clone)]
pub(super) struct Flaws {
    pub(super) generation: u32,
    pub(super) pending: Vec<PendingRule>,
    pub(super) unseen: Vec<UnseenRule>,
}

/// A plan, and what became of it on this host.
struct InForce {
    plan: Arc<Plan>,
    pending: Pending,
    paths: Paths,
}

impl Loader {
    /// Arms or adopts the probes and writes the survival list. No policy is put in force.
    ///
    /// # Errors
    /// If the kernel refuses, or another daemon runs. What was armed for this is taken down again.
    pub fn open(settings: LoaderSettings) -> Result<Self, LoadError> {
        // Read once for all that is loaded here.
        let _types = KernelTypes::read().map_err(step("read the types of the kernel"))?;
        let resolver = Resolver::load().map_err(step("load the resolver"))?;
        let (ring_bytes, fallback) = (settings.ring_bytes, settings.fallback);
        let probe_settings = Settings { ring_bytes, fallback, test: settings.test };
        let probes = Probes::open(&PinDir::new(&settings.bpffs_root), probe_settings)
            .map_err(step("arm the probes"))?;
        let mut loader = Self {
            settings,
            resolver,
            probes,
            names: RuleNames::default(),
            proven: HashMap::new(),
            in_force: None,
            is_strict: false,
            survivors: Vec::new(),
            flaws: RefCell::default(),
            looked: RefCell::default(),
            // Tried again, and told, when they are needed.
            holder_probes: HolderProbes::load().ok(),
        };
        match loader.prepare() {
            Ok(()) => Ok(loader),
            Err(error) => {
                loader.give_up();
                Err(error)
            }
        }
    }

    fn prepare(&mut self) -> Result<(), LoadError> {
        if let Some(cgroups) = &self.settings.survival_cgroups {
            self.survivors = survival::entries(&self.resolver, cgroups)?;
            // Only added: until this daemon is up, whoever could get in before still can.
            self.probes.add_survivors(&self.survivors).map_err(step("write the survival list"))?;
        }
        let active = self.active_generation();
        for generation in [active.saturating_sub(1), active].into_iter().filter(|number| *number > 0) {
            let ids = self.probes.generations().rule_ids(generation).map_err(step("read rules"))?;
            self.names.put(generation, ids.iter().map(String::as_str));
        }
        if active > 0 {
            self.prove_active();
        }
        Ok(())
    }

    /// Leaves nothing behind where nothing is in force; what is in force stays.
    pub fn give_up(&mut self) {
        if self.active_generation() == 0
            && let Err(left) = self.detach()
        {
            tracing::error!(
                error = left.whole(),
                "the probes are loaded and decide nothing; take them down with `detach`"
            );
        }
    }

    /// Whether the probes were there already.
    #[must_use]
    pub fn adopted(&self) -> bool {
        self.probes.arrival() == Arrival::Adopted
    }

    /// The armed probes.
    #[must_use]
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// What tells keys of this host.
    pub(super) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// The cgroups that this daemon has put on the survival list.
    pub(super) fn survival_cgroups(&self) -> &[String] {
        self.settings.survival_cgroups.as_deref().unwrap_or_default()
    }

    /// Where they are pinned.
    #[must_use]
    pub fn root(&self) -> String {
        self.probes.pins().root().display().to_string()
    }

    /// Ids of rules.
    #[must_use]
    pub fn names(&self) -> RuleNames {
        self.names.clone()
    }

    /// The generation in force; 0 before the first.
    #[must_use]
    pub fn active_generation(&self) -> u32 {
        self.probes.generations().active().generation
    }

    /// Who sees the steps.
    pub(crate) fn witness(&self) -> Witness {
        self.settings.witness.clone()
    }

    /// Does what [`Loader::apply`] does up to the tables that it would load, and changes nothing. The generation that is
    /// returned has no number.
    ///
    /// # Errors
    /// As for [`Loader::apply`], for what is found so far.
    pub(crate) fn rehearse(&self, plan: &Plan) -> Result<ApplyReply, LoadError> {
        let mut watch = Stopwatch::start(Instant::now(), self.witness());
        let host = self.resolved(plan)?;
        watch.ended("resolve", Instant::now());
        let pending = pending(plan, &host);
        let tables = self.tables(plan, &host, &pending)?;
        watch.ended("build", Instant::now());
        let changed = self.already_in_force(tables.info())?.is_none();
        let reply = self.reply(generation_status(tables.info()), changed, watch.into_steps())?;
        let asked: Vec<_> = plan
            .rules()
            .iter()
            .map(|rule| (rule.id().as_str().to_owned(), rule.operations().decided()))
            .collect();
        Ok(ApplyReply {
            pending: pending_rules(plan, &pending),
            unseen: unseen(self.kind(), &asked),
            ..reply
        })
    }

    fn tables(&self, plan: &Plan, host: &Host, pending: &Pending) -> Result<Tables, LoadError> {
        let manner = Manner { mode: self.settings.mode, signal: self.settings.signal };
        tables(plan, manner, host, pending, (unix_ns(), self.probes.name_key())).map_err(step("build tables"))
    }

    /// What a plan is on this host.
    fn resolved(&self, plan: &Plan) -> Result<Host, LoadError> {
        // No rule is left out in silence, and none is in force in part.
        let undecided = plan.undecided();
        if !undecided.is_empty() {
            return Err(LoadError::Unresolved(undecided));
        }
        let host = resolve::host(plan, &self.resolver, self.probes.name_key(), None)?;
        if self.is_strict && !host.stuck.is_empty() {
            return Err(LoadError::Unresolved(host.stuck));
        }
        Ok(host)
    }

    /// Puts a plan in force.
    ///
    /// # Errors
    /// Names the step that failed. The generation in force is untouched then.
    pub fn apply(&mut self, plan: Plan) -> Result<ApplyReply, LoadError> {
        let mut watch = Stopwatch::start(Instant::now(), self.witness());
        let host = self.resolved(&plan)?;
        watch.ended("resolve", Instant::now());
        host.stuck
            .iter()
            .for_each(|why| tracing::error!("pending, and without effect there until it is mended: {why}"));
        self.put_in_force(Arc::new(plan), host, false, watch)
    }

    /// From now on, a path that leads nowhere is an error of whoever applies the policy. Before, while the daemon starts,
    /// it only makes its rule pending: a host must not go without all of its rules because of one path, which somebody
    /// may have bent on purpose. The survival list is that of this daemon alone from now on: a start that failed would
    /// have left others without their way in.
    pub fn be_strict(&mut self) {
        self.is_strict = true;
        if !self.survivors.is_empty()
            && let Err(error) = self.probes.keep_survivors(&self.survivors)
        {
            tracing::warn!(%error, "entries of earlier daemons stay on the survival list");
        }
    }

    /// Whether this daemon put the plan in force, so that its paths can be resolved again.
    #[must_use]
    pub fn knows_plan(&self) -> bool {
        self.in_force.is_some()
    }

    /// The plan in force, if this daemon put it in force.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.in_force.as_ref().map(|in_force| &*in_force.plan)
    }

    /// In which manner policies are applied from now on; the one of before is returned.
    pub(crate) fn set_manner(&mut self, mode: Mode, signal: u8) -> (Mode, u8) {
        let before = (self.settings.mode, self.settings.signal);
        (self.settings.mode, self.settings.signal) = (mode, signal);
        before
    }

    /// Resolves the paths of the plan in force again, as something on the way to them may have changed, and puts the
    /// result in force. What had a rule keeps it, also under another name; a path that leads nowhere now keeps all that
    /// was known of it. `None` if this daemon does not know the plan.
    ///
    /// # Errors
    /// As for [`Loader::apply`].
    pub fn resolve_again(&mut self) -> Result<Option<ApplyReply>, LoadError> {
        let Some(InForce { plan, paths, .. }) = &self.in_force else { return Ok(None) };
        // Nobody asked for it, so nobody waits for its steps.
        let mut watch = Stopwatch::start(Instant::now(), Witness::default());
        let mut host = resolve::host(plan, &self.resolver, self.probes.name_key(), Some(paths))?;
        keep(paths, &mut host);
        watch.ended("resolve", Instant::now());
        self.put_in_force(Arc::clone(plan), host, true, watch).map(Some)
    }

    /// Builds the tables and puts them in force. If they are already, they are read back and proven again, or if
    /// nobody asked for that only left as they are.
    fn put_in_force(
        &mut self,
        plan: Arc<Plan>,
        host: Host,
        is_quick: bool,
        mut watch: Stopwatch,
    ) -> Result<ApplyReply, LoadError> {
        let pending = pending(&plan, &host);
        let tables = self.tables(&plan, &host, &pending)?;
        watch.ended("build", Instant::now());
        let wanted = *tables.info();
        // Also if nothing else is to be done: a link that somebody took away is put back.
        for class in classes(Operations::from_bits_retain(wanted.operations)) {
            self.probes.attach(class).map_err(step("attach the probes"))?;
        }
        watch.ended("attach", Instant::now());
        let in_force = InForce { plan, pending, paths: host.paths };
        if let Some(info) = self.already_in_force(&wanted)? {
            if !is_quick {
                self.prove_again(&info, &mut watch)?;
            }
            self.in_force = Some(in_force);
            return self.reply(generation_status(&info), false, watch.into_steps());
        }
        let info = self.replace(tables, &in_force.plan, &mut watch)?;
        self.in_force = Some(in_force);
        self.reply(generation_status(&info), true, watch.into_steps())
    }

    /// Loads tables, proves them, and puts them in force.
    fn replace(
        &mut self,
        tables: Tables,
        plan: &Plan,
        watch: &mut Stopwatch,
    ) -> Result<GenerationInfo, LoadError> {
        let generations = self.probes.generations();
        let staged = generations.stage(tables).map_err(step("stage the new generation"))?;
        watch.ended_with(
            &[("load", staged.load_time()), ("read_back", staged.read_back_time())],
            Instant::now(),
        );
        let generation = staged.info().generation;
        let proven = self.prove(generation)?;
        watch.ended("prove", Instant::now());
        self.names.put(generation, plan.rules().iter().map(|rule| rule.id().as_str()));
        generations.flip(&staged);
        watch.ended("flip", Instant::now());
        // It is in force whatever this says; only decisions that are being made may still be of the one before.
        if let Err(error) = generations.settle() {
            tracing::warn!(%error, "it is not known whether decisions of the generation before are still being made");
        }
        watch.ended("settle", Instant::now());
        self.proven = proven;
        Ok(*staged.info())
    }

    /// Rules that are without effect on some path until it can be resolved.
    ///
    /// # Errors
    /// If the generation in force cannot be read.
    pub fn pending(&self) -> Result<Vec<PendingRule>, LoadError> {
        if let Some(InForce { plan, pending, .. }) = &self.in_force {
            return Ok(pending_rules(plan, pending));
        }
        self.flaws().map(|flaws| flaws.pending)
    }

    fn reply(
        &self,
        generation: GenerationStatus,
        changed: bool,
        steps: Vec<Step>,
    ) -> Result<ApplyReply, LoadError> {
        log(&steps);
        Ok(ApplyReply {
            version: API_VERSION,
            generation,
            changed,
            warnings: Vec::new(),
            holders: HolderReport::default(),
            pending: self.pending()?,
            notes: Vec::new(),
            notice: self.notice(),
            unseen: self.unseen()?,
            steps,
        })
    }

    /// The generation in force, if it is the same: its tables are not loaded again.
    fn already_in_force(&self, wanted: &GenerationInfo) -> Result<Option<GenerationInfo>, LoadError> {
        let active = self.active_generation();
        let info = self.probes.generations().info(active).map_err(step("read the generation in force"))?;
        let same = |info: &GenerationInfo| {
            info.table_digest == wanted.table_digest
                && info.plan_digest == wanted.plan_digest
                && info.mode == wanted.mode
                && info.serial == wanted.serial
        };
        Ok(info.filter(|info| active > 0 && same(info)))
    }

    fn prove_again(&mut self, info: &GenerationInfo, watch: &mut Stopwatch) -> Result<(), LoadError> {
        let generations = self.probes.generations();
        generations.verify(info.generation, info).map_err(step("read back the generation in force"))?;
        watch.ended("read_back", Instant::now());
        self.proven = self.prove(info.generation)?;
        watch.ended("prove", Instant::now());
        Ok(())
    }

    /// Proves a generation on every attached hook; all must hold.
    fn prove(&self, generation: u32) -> Result<HashMap<Class, Proven>, LoadError> {
        let attached: Vec<Hook> =
            Hook::ALL.iter().copied().filter(|hook| self.probes.is_attached(*hook)).collect();
        if !attached.is_empty() {
            let mut helper = Helper::start().map_err(step("prove it by a self-check"))?;
            self.probes
                .prove(generation, &attached, &mut helper, &self.resolver)
                .map_err(step("prove it by a self-check"))?;
        }
        let now = unix_ns();
        let proof = |class: Class| {
            let loaded: Vec<Hook> =
                class.hooks(self.probes.kind()).filter(|hook| self.probes.is_loaded(*hook)).collect();
            let missing: Vec<_> =
                loaded.iter().filter(|hook| !attached.contains(hook)).map(|hook| hook.word()).collect();
            let proven = match missing.len() {
                _ if loaded.is_empty() => Proven::NotAttached,
                0 => Proven::At(now),
                count if count == loaded.len() => Proven::NotAttached,
                _ => Proven::Not(format!("not attached: {}", missing.join(", "))),
            };
            (class, proven)
        };
        Ok(Class::ALL.iter().copied().map(proof).collect())
    }

    /// Proves the generation in force anew; what cannot be proven is shown as such.
    pub fn prove_active(&mut self) {
        let active = self.active_generation();
        self.proven = match self.verify_active(active).and_then(|()| self.prove(active)) {
            Ok(proven) => proven,
            Err(error) => {
                let why = error.whole();
                let kind = self.probes.kind();
                let attached = |class: &Class| class.hooks(kind).any(|hook| self.probes.is_attached(hook));
                let not = |class: Class| {
                    (class, if attached(&class) { Proven::Not(why.clone()) } else { Proven::NotAttached })
                };
                Class::ALL.iter().copied().map(not).collect()
            }
        };
    }

    fn verify_active(&self, active: u32) -> Result<(), LoadError> {
        let generations = self.probes.generations();
        let info = generations.info(active).map_err(step("read the generation in force"))?;
        info.map_or(Ok(()), |info| {
            generations.verify(active, &info).map_err(step("read back the generation in force"))
        })
    }

    /// The newest signed policy that the kernel remembers.
    pub(crate) fn accepted(&self) -> Result<Accepted, LoadError> {
        self.probes.accepted().map_err(step("read the highest serial"))
    }

    /// Has the kernel remember this one.
    pub(crate) fn accept(&self, accepted: &Accepted) -> Result<(), LoadError> {
        self.probes.accept(accepted).map_err(step("write the highest serial"))
    }

    /// Takes everything down.
    ///
    /// # Errors
    /// If a link lives on.
    pub fn detach(&mut self) -> Result<Vec<LinkStatus>, LoadError> {
        // Whatever comes of it, nothing is put in force again by itself.
        self.in_force = None;
        let ended = take_down(self.probes.pins(), self.probes.lock()).map_err(step("take down"))?;
        Ok(ended.iter().map(link_status).collect())
    }
}
