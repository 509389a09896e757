//! The kernels the machine boots: Debian's cloud kernels, taken from packages that are never installed.

use super::apt;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A kernel series that Aegis supports and tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Series {
    /// Debian 12.
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13.
    #[value(name = "6.12")]
    V6_12,
    /// The newest that there is for Debian 13. What that is changes over time.
    #[value(name = "backports")]
    Backports,
}

impl Series {
    /// Every series, oldest first.
    pub(crate) const ALL: [Self; 3] = [Self::V6_1, Self::V6_12, Self::Backports];

    /// The name used on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Backports => "backports",
        }
    }

    /// The Debian suite that surely has this series.
    fn suite(self) -> &'static str {
        match self {
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
            Self::Backports => "trixie-backports",
        }
    }

    /// How the names of its packages begin; a digit follows.
    fn prefix(self) -> String {
        match self {
            Self::V6_1 | Self::V6_12 => format!("{IMAGE}{}.", self.name()),
            Self::Backports => IMAGE.to_owned(),
        }
    }

    /// Whether tests go on without it where it cannot be had: its archive moves on, and is not on every mirror.
    pub(crate) fn is_optional(self) -> bool {
        self == Self::Backports
    }

    /// The kernel image below the cache folder.
    pub(super) fn image(self, cache: &Path) -> PathBuf {
        cache.join(format!("{IMAGES}{}", self.name()))
    }
}

/// A kernel cannot be had: no archive, or nothing of the kind in it.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(super) Series);

impl std::error::Error for Unreachable {}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "the kernel {} cannot be had from {}", self.0.name(), self.0.suite())
    }
}

/// How the kernel images are called in the cache.
pub(super) const IMAGES: &str = "vmlinuz-";
const IMAGE: &str = "linux-image-";
const SUFFIX: &str = "-cloud-amd64";
/// What newer packages of an image have nothing but a dependency on.
const PARTS: [&str; 3] = ["linux-base-", "linux-binary-", "linux-modules-"];

/// A kernel that was downloaded and unpacked, and is at no place yet.
pub(super) struct Fetched {
    series: Series,
    version: String,
    folder: TempDir,
}

/// Downloads the newest kernel of the series.
pub(super) fn fetch(series: Series, cache: &Path) -> Result<Fetched> {
    let folder = tempfile::Builder::new().prefix(super::image::MAKING).tempdir_in(cache)?;
    let version = download(series, folder.path()).context(Unreachable(series))?;
    Ok(Fetched { series, version, folder })
}

impl Fetched {
    /// Where it is as long as it has no place.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Brings its image into the cache and its modules into the root.
    pub(super) fn place(self, cache: &Path, root: &Path) -> Result<()> {
        let Self { series, version, folder } = self;
        // Where /usr is merged, newer packages have the image among the modules.
        let images = [format!("boot/vmlinuz-{version}"), format!("usr/lib/modules/{version}/vmlinuz")];
        let images = images.map(|image| folder.path().join(image));
        let image = images.iter().find(|image| image.is_file());
        let image = image.with_context(|| format!("the packages of {version} have no kernel image"))?;
        fs::rename(image, series.image(cache)).context("cannot move the kernel image")?;
        let modules = root.join("usr/lib/modules");
        fs::create_dir_all(&modules)?;
        // Before /usr was merged packages had their modules in /lib.
        let places = ["lib/modules", "usr/lib/modules"].map(|place| folder.path().join(place).join(&version));
        let found = places.iter().find(|place| place.is_dir());
        let found = found.with_context(|| format!("the packages of {version} have no modules"))?;
        fs::rename(found, modules.join(&version)).context("cannot move the modules")?;
        super::root::enter(root, &["depmod", &version])
    }
}

/// Downloads and unpacks the packages; returns the version.
fn download(series: Series, folder: &Path) -> Result<String> {
    let (options, package) = locate(series, folder)?;
    eprintln!("vm: fetching {package}");
    apt::unpack(&options, &package, folder)?;
    let version = package.trim_start_matches(IMAGE).to_owned();
    if !folder.join("boot").is_dir() {
        let parts = PARTS.map(|part| format!("{part}{version}"));
        parts.iter().try_for_each(|part| apt::unpack(&options, part, folder))?;
    }
    Ok(version)
}

fn locate(series: Series, folder: &Path) -> Result<(Vec<String>, String)> {
    let prefix = series.prefix();
    // Whatever the host follows, it is not said whether that is the newest.
    if !series.is_optional()
        && let Some(package) = apt::newest(&[], &prefix, SUFFIX)?
    {
        return Ok((Vec::new(), package));
    }
    let options = apt::private(folder, series.suite())?;
    let package = apt::newest(&options, &prefix, SUFFIX)?;
    Ok((options, package.with_context(|| format!("{} has no package {prefix}*{SUFFIX}", series.suite()))?))
}
