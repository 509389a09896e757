//! What the host's apt knows: its mirrors, and a private apt for a suite the host does not follow. No mirror
//! is named in this repository.

use crate::process;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// One archive folder from which the host's apt takes packages.
pub(super) struct Source {
    uri: String,
    release: String,
    origin: String,
}

/// A line of the host's description of itself.
fn os_release(key: &str) -> Result<Option<String>> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.trim_matches('"').to_owned());
    Ok(text.lines().find_map(value))
}

/// The code name of the host's distribution, such as `bookworm`.
pub(super) fn host_suite() -> Result<String> {
    os_release("VERSION_CODENAME")?
        .context("/etc/os-release has no VERSION_CODENAME: this is not a Debian or Ubuntu release")
}

/// The components of the archive that the guest's packages are in: what Debian has in one, Ubuntu has in two.
pub(super) fn host_components() -> Result<&'static str> {
    Ok(if os_release("ID")?.as_deref() == Some("ubuntu") { "main,universe" } else { "main" })
}

/// Brings the host's lists up to date: an archive forgets the packages that old lists name.
pub(super) fn refresh() -> Result<()> {
    if !process::is_root() {
        bail!(
            "the image of the virtual machine is made as root: run this once\n  \
             sudo -E env \"PATH=$PATH\" cargo xtask vm run -- true"
        );
    }
    process::quiet(Command::new("apt-get").arg("update"))
}

/// The archive that holds the host's own suite.
pub(super) fn host_mirror(suite: &str) -> Result<String> {
    let sources = host_sources()?;
    let own = sources.into_iter().find(|source| source.release == suite);
    own.map(|source| source.uri)
        .with_context(|| format!("apt has no source for {suite}: run `apt-get update`"))
}

/// The newest package whose name starts and ends as given, with a version between, by the apt that `options` select.
pub(super) fn newest(options: &[String], prefix: &str, suffix: &str) -> Result<Option<String>> {
    let pattern = format!("^{}[0-9].*{suffix}$", prefix.replace('.', "\\."));
    let mut search = Command::new("apt-cache");
    let listing = process::output(search.args(options).args(["search", "--names-only", &pattern]))?;
    Ok(newest_of(&listing, prefix, suffix).map(str::to_owned))
}

/// The same, of what `apt-cache search` has listed.
fn newest_of<'a>(listing: &'a str, prefix: &str, suffix: &str) -> Option<&'a str> {
    let names = listing.lines().filter_map(|line| line.split(' ').next());
    let versioned = |name: &&str| {
        let version = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        version.is_some_and(|version| version.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    names.filter(versioned).max_by_key(|name| natural(name))
}

/// Downloads a package and unpacks it into a folder, without installing it.
pub(crate) fn unpack(options: &[String], package: &str, folder: &Path) -> Result<()> {
    // apt's own download user cannot write below a folder of root's.
    let mut download = Command::new("apt-get");
    download.args(options).args(["-o", "APT::Sandbox::User=root", "download", package]);
    process::quiet(download.current_dir(folder))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::quiet(Command::new("dpkg").arg("-x").arg(&path).arg(folder))?;
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Options that make apt use lists of its own, kept in `folder`, for another suite from the host's mirrors. A suite that is
/// part of another, such as `trixie-backports`, has neither updates nor security beside it.
pub(super) fn private(folder: &Path, suite: &str) -> Result<Vec<String>> {
    let host = host_suite()?;
    let is_part = suite.contains('-');
    let of_host = |release: &str| release == host || (!is_part && release.starts_with(&host));
    let lines: Vec<String> = host_sources()?
        .iter()
        .filter(|source| source.origin == "Debian" && of_host(&source.release))
        .map(|source| format!("deb {} {} main\n", source.uri, source.release.replacen(&host, suite, 1)))
        .collect();
    if lines.is_empty() {
        bail!("apt has no Debian source to take {suite} from: add one to /etc/apt/sources.list.d");
    }
    let (list, lists, cache) = (folder.join("sources.list"), folder.join("lists"), folder.join("cache"));
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    fs::write(&list, lines.concat())?;
    let options: Vec<String> = [
        format!("Dir::Etc::SourceList={}", list.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", lists.display()),
        format!("Dir::Cache={}", cache.display()),
        "APT::Sandbox::User=root".to_owned(),
    ]
    .into_iter()
    .flat_map(|option| ["-o".to_owned(), option])
    .collect();
    process::quiet(Command::new("apt-get").args(&options).arg("update"))?;
    Ok(options)
}

fn host_sources() -> Result<Vec<Source>> {
    let format = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(COMPONENT)";
    let mut command = Command::new("apt-get");
    let listing =
        process::output(command.args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    Ok(listing.lines().filter_map(source).collect())
}

fn source(line: &str) -> Option<Source> {
    let mut words = line.split('|').map(str::to_owned);
    let (uri, release, origin) = (words.next()?, words.next()?, words.next()?);
    (words.next()? == "main").then_some(Source { uri, release, origin })
}

/// Splits a name into its numbers, so that 6.1.0-9 sorts before 6.1.0-10.
fn natural(name: &str) -> Vec<u64> {
    let numbers = name.split(|letter: char| !letter.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value() {
        assert!(natural("linux-image-6.1.0-9-cloud") < natural("linux-image-6.1.0-10-cloud"));
        assert!(natural("6.12.99+deb12") < natural("6.12.117+deb12"));
    }

    #[test]
    fn newest_package_has_a_version() {
        let names = [
            "linux-image-6.12.9+deb13-cloud-amd64 - Linux 6.12",
            "linux-image-7.3.4+deb13-cloud-amd64 - Linux 7.3",
            "linux-image-7.3.4+deb13-cloud-amd64-dbg - Linux 7.3",
            "linux-image-7.10.1+deb13-cloud-amd64 - Linux 7.10",
            "linux-image-cloud-amd64 - Linux",
        ]
        .join("\n");
        let newest = |prefix| newest_of(&names, prefix, "-cloud-amd64");
        assert_eq!(newest("linux-image-"), Some("linux-image-7.10.1+deb13-cloud-amd64"));
        assert_eq!(newest("linux-image-6.12."), Some("linux-image-6.12.9+deb13-cloud-amd64"));
        assert_eq!(newest("linux-image-6.1."), None);
    }

    #[test]
    fn only_the_main_component_counts() {
        assert!(source("http://mirror/debian/|trixie|Debian|main").is_some());
        assert!(source("http://mirror/debian/|trixie|Debian|contrib").is_none());
        assert!(source("http://mirror/debian/").is_none());
    }
}
