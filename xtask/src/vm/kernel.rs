//! The kernels the machine boots: Debian's cloud kernels, taken from packages that are never installed.

use super::apt;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel series that Aegis supports and tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Series {
    /// Debian 12.
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13.
    #[value(name = "6.12")]
    V6_12,
}

impl Series {
    /// Every series, oldest first.
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// The name used on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }

    /// The Debian suite that surely has this series.
    fn suite(self) -> &'static str {
        match self {
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
        }
    }

    /// The kernel image below the cache folder.
    pub(super) fn image(self, cache: &Path) -> PathBuf {
        cache.join(format!("vmlinuz-{}", self.name()))
    }
}

/// Downloads the newest kernel of the series: its image goes to the cache, its modules into the root.
pub(super) fn fetch(series: Series, cache: &Path, root: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(cache)?;
    let (options, package) = locate(series, folder.path())?;
    eprintln!("vm: fetching {package}");
    apt::unpack(&options, &package, folder.path())?;
    let version = package.trim_start_matches("linux-image-");
    fs::rename(folder.path().join(format!("boot/vmlinuz-{version}")), series.image(cache))
        .with_context(|| format!("{package} has no kernel image"))?;
    let modules = root.join("usr/lib/modules");
    fs::create_dir_all(&modules)?;
    // Before /usr was merged packages had their modules in /lib.
    let places = ["lib/modules", "usr/lib/modules"].map(|place| folder.path().join(place).join(version));
    let found =
        places.iter().find(|place| place.is_dir()).with_context(|| format!("{package} has no modules"))?;
    fs::rename(found, modules.join(version)).context("cannot move the modules")?;
    super::root::enter(root, &["depmod", version])
}

fn locate(series: Series, folder: &Path) -> Result<(Vec<String>, String)> {
    let prefix = format!("linux-image-{}.", series.name());
    let suffix = "-cloud-amd64";
    if let Some(package) = apt::newest(&[], &prefix, suffix)? {
        return Ok((Vec::new(), package));
    }
    let options = apt::private(folder, series.suite())?;
    let package = apt::newest(&options, &prefix, suffix)?;
    Ok((options, package.with_context(|| format!("{} has no package {prefix}*{suffix}", series.suite()))?))
}
