//! The newest signed policy, as kernel and disk remember it.

use super::PolicyError;
use super::run::Policies;
use super::vouch::newest;
use crate::loader::Loader;
use aegis_kernel_abi::Accepted;

impl Policies {
    /// The newest signed policy that was in force on this host, as far as kernel and disk remember.
    pub(super) fn highest(&self, loader: &Loader) -> Result<Accepted, PolicyError> {
        let kernel = loader.accepted()?;
        match self.directory.read_accepted() {
            Ok(disk) => Ok(newest(kernel, disk)),
            // The kernel knows it, and the file is written anew with the next policy.
            Err(error) if kernel.serial > 0 => {
                tracing::warn!("{}", error.whole());
                Ok(kernel)
            }
            Err(error) => Err(error),
        }
    }

    /// Remembers a signed policy as the newest, unless a newer one is known. What could not be done is told.
    pub(super) fn accept(&self, loader: &Loader, accepted: &Accepted) -> Option<String> {
        let disk = match self.directory.read_accepted() {
            Ok(disk) if disk.serial >= accepted.serial => Ok(()),
            _ => self.directory.write_accepted(accepted),
        };
        let file = self.directory.accepted();
        let disk = disk.map_err(|error| format!("{}: {error}", file.display()));
        let kernel = match loader.accepted() {
            Ok(kernel) if kernel.serial >= accepted.serial => Ok(()),
            _ => loader.accept(accepted).map_err(|error| error.whole()),
        };
        let error = kernel.and(disk).err()?;
        let note =
            format!("the serial {} could not be written down as the highest ({error})", accepted.serial);
        tracing::error!("{note}");
        Some(note)
    }

    /// The keys whose signatures counted when what is in force came into force.
    pub(super) fn signers(&self, loader: &Loader) -> Result<Vec<String>, PolicyError> {
        let Some(in_force) = Self::in_force(loader)? else { return Ok(Vec::new()) };
        Ok(self.history_or_none().of(&in_force).map(|entry| entry.signers.clone()).unwrap_or_default())
    }

    /// Kernel and disk remember the same from here on: either may have lost it, the kernel with each boot.
    pub(super) fn remember_highest(&self, loader: &Loader) {
        match self.highest(loader) {
            Ok(highest) if highest.serial > 0 => drop(self.accept(loader, &highest)),
            Ok(_) => {}
            Err(error) => tracing::error!(
                "{}; until it is mended or removed no signed policy can be put in force anew",
                error.whole()
            ),
        }
    }
}
