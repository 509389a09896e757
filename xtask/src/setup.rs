//! `cargo xtask setup`: what the other verbs need and a fresh machine lacks, from the distribution's
//! packages. The verbs call this by themselves; when all is there it only looks at the path.

use crate::{process, promtool};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A program and the package that has it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

/// What building and testing need, in a virtual machine or not.
const TOOLS: &[Tool] = &[
    Tool { program: "cc", package: "gcc libc6-dev" },
    Tool { program: "debootstrap", package: "debootstrap" },
    Tool { program: "mke2fs", package: "e2fsprogs" },
    Tool { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    Tool { program: "setpriv", package: "util-linux" },
];

/// Compiles the fuzzer. The linker that this program was made with, the fuzzer needs too.
const CXX: Tool = Tool { program: "c++", package: "g++" };

/// Compiles the probes. Any of these versions does; newer ones make smaller programs.
const CLANG: &str = "clang";
const CLANG_VERSIONS: std::ops::RangeInclusive<u32> = 14..=30;
/// Taken where the distribution has it beside an older default.
const CLANG_PREFERRED: &str = "clang-19";

/// A program of cargo, which no distribution has. The version is fixed: a new one may judge differently.
struct CargoTool {
    /// What cargo calls it.
    verb: &'static str,
    package: &'static str,
    version: &'static str,
    /// Options of `cargo install`.
    options: &'static [&'static str],
}

/// Checks licences.
const DENY: CargoTool =
    CargoTool { verb: "deny", package: "cargo-deny", version: "0.20.2", options: &["--no-default-features"] };
/// Knows how a toolchain is told to count what an input reaches.
const FUZZ: CargoTool = CargoTool { verb: "fuzz", package: "cargo-fuzz", version: "0.13.2", options: &[] };

/// What a verb is going to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building, demo, tests.
    Tests,
    /// All of that and the checks of CI.
    Ci,
    /// Looking for inputs with a fuzzer.
    Fuzz,
    /// Anything.
    All,
}

/// Installs what is missing as root, or fails with the command that would.
pub(crate) fn ensure(purpose: Purpose) -> Result<()> {
    let fuzzes = [Purpose::Fuzz, Purpose::All].contains(&purpose);
    let tests = purpose != Purpose::Fuzz;
    let needed = TOOLS.iter().filter(|_| tests).chain(fuzzes.then_some(&CXX));
    let missing: Vec<&str> =
        needed.filter(|tool| process::find(tool.program).is_none()).map(|tool| tool.package).collect();
    let clang = has_clang();
    if !missing.is_empty() || !clang {
        install(&missing, !clang)?;
    }
    if [Purpose::Ci, Purpose::All].contains(&purpose) {
        promtool::ready()?;
        DENY.ensure()?;
    }
    if fuzzes {
        FUZZ.ensure()?;
    }
    Ok(())
}

fn has_clang() -> bool {
    let versions = CLANG_VERSIONS.map(|version| format!("{CLANG}-{version}"));
    versions.chain([CLANG.to_owned()]).any(|program| process::find(&program).is_some())
}

fn install(missing: &[&str], clang: bool) -> Result<()> {
    let mut packages: Vec<&str> = missing.iter().flat_map(|names| names.split(' ')).collect();
    if process::find("apt-get").is_none() {
        packages.extend(clang.then_some(CLANG));
        bail!("missing here, and there is no apt-get to install it: {}", packages.join(" "));
    }
    if !process::is_root() {
        packages.extend(clang.then(preferred_clang));
        bail!(
            "something is missing; run this and try again:\n  sudo apt-get update && \
             sudo apt-get install --yes --no-install-recommends {}",
            packages.join(" ")
        );
    }
    apt(&["update"])?;
    packages.extend(clang.then(preferred_clang));
    eprintln!("setup: installing {}", packages.join(" "));
    apt(&[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat())
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "Acquire::Retries=3"]).args(args);
    process::quiet(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn preferred_clang() -> &'static str {
    let found = process::output(Command::new("apt-cache").args(["show", CLANG_PREFERRED]));
    if found.is_ok() { CLANG_PREFERRED } else { CLANG }
}

impl CargoTool {
    fn ensure(&self) -> Result<()> {
        // Cargo finds its own programs in more places than the path.
        let found = process::output(Command::new("cargo").args([self.verb, "--version"]));
        if found.is_ok() { Ok(()) } else { self.install() }
    }

    /// Builds it without optimisation, which takes a third of the time and is fast enough.
    fn install(&self) -> Result<()> {
        let Self { package, version, options, .. } = self;
        eprintln!("setup: building {package} {version}; this happens once and takes a minute or two");
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", "--locked"]).args(*options).args(["--version", version, package]);
        for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("DEBUG", "0"), ("CODEGEN_UNITS", "16")] {
            install.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        // Not into the target folder of this repository, where it would stay.
        install.env_remove("CARGO_TARGET_DIR");
        process::run(&mut install).with_context(|| format!("cannot build {package}"))
    }
}
