//! The shell of the loader: files, kernel, clock.

use super::look::Look;
use super::state::{
    Host, Manner, Pending, Proven, Resolution, class_status, classes, counts, generation_status, keep,
    link_status, notice, pending, pending_rules, tables, unseen,
};
use super::{LoadError, RuleNames, Stopwatch, accounts, log, resolve, step};
use crate::clock::unix_ns;
use aegis_control_api::{
    API_VERSION, AccountsReply, ApplyReply, ClassStatus, Counts, GenerationStatus, HolderReport, LinkStatus,
    PendingRule, PolicyReply, Step, UnseenRule,
};
use aegis_kernel_abi::{
    Class, Counters, GenerationInfo, Hook, Kind, Mode, ObjectKey, Operations, SURVIVAL_CGROUP,
    SURVIVAL_OBJECT, SURVIVAL_PROCESS, Survival, SurvivalKey,
};
use aegis_policy::Plan;
use aegis_probes::{
    Arrival, Helper, HolderProbes, PinDir, Probes, Resolver, Settings, Tables, TestSettings, take_down,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
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
}

/// The loader.
pub struct Loader {
    settings: LoaderSettings,
    resolver: Resolver,
    probes: Probes,
    names: RuleNames,
    proven: HashMap<Class, Proven>,
    /// What this daemon put in force last; none if it adopted it.
    in_force: Option<InForce>,
    /// See [`Loader::be_strict`].
    is_strict: bool,
    /// The survival list of this daemon; empty if it leaves the list as it is.
    survivors: Vec<(SurvivalKey, Survival)>,
    /// See [`Loader::flaws`].
    flaws: RefCell<Option<Flaws>>,
    /// See [`Loader::look`].
    pub(super) looked: RefCell<Option<Look>>,
    /// Loaded when they are needed first.
    pub(super) holder_probes: Option<HolderProbes>,
}

/// What rules of a generation lack on this host.
#[derive(Debug, Clone)]
struct Flaws {
    generation: u32,
    pending: Vec<PendingRule>,
    unseen: Vec<UnseenRule>,
}

/// A plan, and what became of it on this host.
struct InForce {
    plan: Arc<Plan>,
    pending: Pending,
    paths: HashMap<String, Resolution>,
}

/// Objects of the survival list beside the executables of PID 1 and the daemon: where a host has its dynamic
/// loader. Without it nothing starts.
const DYNAMIC_LOADERS: [&str; 5] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

impl Loader {
    /// Arms or adopts the probes and writes the survival list. No policy is put in force.
    ///
    /// # Errors
    /// If the kernel refuses, or another daemon runs. What was armed for this is taken down again.
    pub fn open(settings: LoaderSettings) -> Result<Self, LoadError> {
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
            holder_probes: None,
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
            self.survivors = self.survivors(cgroups)?;
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

    /// Puts a plan in force.
    ///
    /// # Errors
    /// Names the step that failed. The generation in force is untouched then.
    pub fn apply(&mut self, plan: Plan) -> Result<ApplyReply, LoadError> {
        // No rule is left out in silence, and none is in force in part.
        let undecided = plan.undecided();
        if !undecided.is_empty() {
            return Err(LoadError::Unresolved(undecided));
        }
        let mut watch = Stopwatch::start(Instant::now());
        let host = resolve::host(&plan, &self.resolver, self.probes.name_key(), None)?;
        watch.ended("resolve", Instant::now());
        if self.is_strict && !host.stuck.is_empty() {
            return Err(LoadError::Unresolved(host.stuck));
        }
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
        let mut watch = Stopwatch::start(Instant::now());
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
        let manner = Manner { mode: self.settings.mode, signal: self.settings.signal };
        let tables = tables(&plan, manner, &host, &pending, unix_ns()).map_err(step("build tables"))?;
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

    fn survivors(&self, cgroups: &[String]) -> Result<Vec<(SurvivalKey, Survival)>, LoadError> {
        let process = self.resolver.process(std::process::id()).map_err(step("find ourselves"))?;
        let whole = Survival { operations: u32::MAX, reserved: 0 };
        // To be used, not to be changed: whoever writes to the dynamic loader is not what survival is for.
        let used = Operations::READ | Operations::EXEC | Operations::MAP_EXEC;
        let use_only = Survival { operations: used.bits(), reserved: 0 };
        let ourselves = ObjectKey { ino: process.start_time, dev: process.pid, inode_generation: 0 };
        let mut list = vec![(SurvivalKey { object: ourselves, kind: SURVIVAL_PROCESS, reserved: 0 }, whole)];
        let executables = ["/proc/1/exe", "/proc/self/exe"];
        for path in executables.iter().chain(&DYNAMIC_LOADERS).map(Path::new).filter(|path| path.exists()) {
            let object = resolve::key_of(&self.resolver, path)?;
            list.push((SurvivalKey { object, kind: SURVIVAL_OBJECT, reserved: 0 }, use_only));
        }
        for cgroup in cgroups {
            let ino = resolve::cgroup_id_of(cgroup).map_err(|why| LoadError::Unresolved(vec![why]))?;
            let object = ObjectKey { ino, ..ObjectKey::default() };
            list.push((SurvivalKey { object, kind: SURVIVAL_CGROUP, reserved: 0 }, whole));
        }
        Ok(list)
    }

    /// The generation in force.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn generation(&self) -> Result<Option<GenerationStatus>, LoadError> {
        let info = self
            .probes
            .generations()
            .info(self.active_generation())
            .map_err(step("read the generation in force"))?;
        Ok(info.as_ref().map(generation_status))
    }

    /// The policy in force.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn policy(&self) -> Result<PolicyReply, LoadError> {
        let rules = self
            .probes
            .generations()
            .rule_ids(self.active_generation())
            .map_err(step("read the generation in force"))?;
        Ok(PolicyReply { version: API_VERSION, generation: self.generation()?, rules })
    }

    /// The posture of each class.
    ///
    /// # Errors
    /// If the generation in force cannot be read.
    pub fn classes(&self) -> Result<Vec<ClassStatus>, LoadError> {
        let info = self
            .probes
            .generations()
            .info(self.active_generation())
            .map_err(step("read the generation in force"))?;
        let status = |class: &Class| {
            let proven = self.proven.get(class).unwrap_or(&Proven::NotAttached);
            class_status(self.probes.kind(), *class, info.as_ref(), proven)
        };
        Ok(Class::ALL.iter().map(status).collect())
    }

    /// The links that enforce.
    ///
    /// # Errors
    /// If a pin cannot be read.
    pub fn links(&self) -> Result<Vec<LinkStatus>, LoadError> {
        Ok(self.probes.links().map_err(step("read links"))?.iter().map(link_status).collect())
    }

    /// Counts of the kernel.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn counts(&self) -> Result<Counts, LoadError> {
        self.counters().map(|counters| counts(&counters))
    }

    /// The same as the kernel has them, by hook.
    pub(crate) fn counters(&self) -> Result<Counters, LoadError> {
        self.probes.counters().map_err(step("read counters"))
    }

    /// Bytes of kernel memory in the tables.
    ///
    /// # Errors
    /// If a table cannot be looked at.
    pub fn tables_memory(&self) -> Result<u64, LoadError> {
        self.probes.generations().memory().map_err(step("look at the tables"))
    }

    /// What became of every decision that was to be reported. `malformed` is the reader's count.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn accounts(&self, malformed: u64) -> Result<AccountsReply, LoadError> {
        accounts::read(&self.probes.accounts(), self.probes.generations(), Some(malformed))
    }

    /// The same without the hits of rules: what it costs does not depend on the policy.
    pub(crate) fn account_sums(&self, malformed: u64) -> Result<AccountsReply, LoadError> {
        accounts::sums(&self.probes.accounts(), Some(malformed))
    }

    /// What every answer says where nothing is blocked.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        notice(self.probes.kind())
    }

    /// What rules of the generation in force ask for and the probes cannot see.
    ///
    /// # Errors
    /// If the rules cannot be read.
    pub fn unseen(&self) -> Result<Vec<UnseenRule>, LoadError> {
        self.flaws().map(|flaws| flaws.unseen)
    }

    /// What the kernel's table of rules says of them. It never changes within a generation and may be large, so it is
    /// read once for each.
    fn flaws(&self) -> Result<Flaws, LoadError> {
        let active = self.active_generation();
        if let Some(flaws) = self.flaws.borrow().as_ref().filter(|flaws| flaws.generation == active) {
            return Ok(flaws.clone());
        }
        let failed = || step("read the generation in force");
        let generations = self.probes.generations();
        let pending = generations.pending_rules(active).map_err(failed())?;
        let asked = generations.asked(active).map_err(failed())?;
        let flaws = Flaws {
            generation: active,
            pending: pending.into_iter().map(|rule| PendingRule { rule, paths: Vec::new() }).collect(),
            unseen: unseen(self.probes.kind(), &asked),
        };
        self.flaws.replace(Some(flaws.clone()));
        Ok(flaws)
    }

    /// The kind of probes that is loaded.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.probes.kind()
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
