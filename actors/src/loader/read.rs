//! What the loader knows of what is in force, in the words of the API. Nothing here changes anything.

use super::run::{Flaws, Loader};
use super::state::{Proven, class_status, counts, generation_status, link_status, notice, unseen};
use super::{LoadError, accounts, step};
use aegis_control_api::{
    API_VERSION, AccountsReply, ClassStatus, Counts, GenerationStatus, LinkStatus, PendingRule, PolicyReply,
    UnseenRule,
};
use aegis_kernel_abi::{Class, Counters, Kind};

impl Loader {
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
        let generation = self.generation()?;
        Ok(PolicyReply { version: API_VERSION, generation, rules, ..PolicyReply::default() })
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
    pub(super) fn flaws(&self) -> Result<Flaws, LoadError> {
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
}
