//! How the crates of the workspace may depend on each other and on foreign ones, and where `unsafe` may be.

use super::{Finding, SourceFile};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

const ABI: &str = "aegis-kernel-abi";
const ACTORS: &str = "aegis-actors";
const CONFIG: &str = "aegis-config";
const CONTROL_API: &str = "aegis-control-api";
const DECIDE: &str = "aegis-decide";
const PLUGIN_API: &str = "aegis-plugin-api";
const POLICY: &str = "aegis-policy";
const PROBES: &str = "aegis-probes";
const SUPERVISOR: &str = "aegis-supervisor";
const TESTS: &str = "aegis-tests";
const TRUST: &str = "aegis-trust";

/// Which crates of ours a crate may use. What is not here is forbidden.
const DIRECTION: &[(&str, &[&str])] = &[
    (ABI, &[]),
    (ACTORS, &[SUPERVISOR, POLICY, CONFIG, PROBES, PLUGIN_API, CONTROL_API, TRUST, ABI]),
    (CONFIG, &[]),
    (CONTROL_API, &[]),
    (DECIDE, &[ABI]),
    (PLUGIN_API, &[]),
    (POLICY, &[ABI, DECIDE]),
    (PROBES, &[ABI, DECIDE]),
    (SUPERVISOR, &[]),
    (TRUST, &[]),
    ("aegis-fuzz", &[ACTORS, CONTROL_API, ABI, POLICY, TRUST]),
    ("aegis-chaos", &[SUPERVISOR, ACTORS, CONTROL_API, TESTS]),
    ("aegisbpf", &[ACTORS, CONTROL_API, POLICY, CONFIG, TRUST]),
    // It installs the compiler of the probes, so nothing here may need one.
    ("xtask", &[CONFIG, CONTROL_API, ABI, POLICY]),
];
/// What every crate below `sinks/` may use.
const SINKS: &[&str] = &[PLUGIN_API];
/// These look at the product from outside and may use any of it.
const OUTSIDE: &[&str] = &["aegis-bench", TESTS];

/// Foreign crates that only some folders may use.
const EXCLUSIVE: &[(&str, &[&str])] = &[
    ("anyhow", &["cli", "xtask", "tests", "chaos"]),
    ("aya", &["probes-ebpf"]),
    ("libloading", &["sinks/host"]),
    // What makes secret keys, and signs.
    ("minisign", &["cli"]),
];

/// Folders of the crates that may contain `unsafe`.
const UNSAFE: &[&str] = &["plugin-api", "probes-ebpf", "probes-ebpf/decide", "sinks/host"];
const FORBID: &str = "#![forbid(unsafe_code)]";

/// A crate of the workspace.
pub(super) struct Crate {
    name: String,
    folder: String,
    dependencies: Vec<Dependency>,
    /// The first file of the library and of each program.
    roots: Vec<String>,
    features: Vec<String>,
}

struct Dependency {
    name: String,
    ours: bool,
}

/// Reads the crates from `cargo metadata`.
pub(super) fn read(metadata: &Value, root: &Path) -> Result<Vec<Crate>> {
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    packages.iter().map(|package| read_one(package, root)).collect()
}

fn read_one(package: &Value, root: &Path) -> Result<Crate> {
    let name = package["name"].as_str().context("a package without a name")?.to_owned();
    let relative = |value: &Value| {
        let path = Path::new(value.as_str().unwrap_or_default());
        path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
    };
    let manifest = relative(&package["manifest_path"]);
    let folder = manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned();
    let dependency = |value: &Value| {
        let name = value["name"].as_str()?.to_owned();
        Some(Dependency { name, ours: value["path"].is_string() })
    };
    let list = |field: &str| package[field].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let is_root = |target: &&Value| {
        let kinds = target["kind"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        kinds.iter().any(|kind| ["lib", "bin", "proc-macro"].contains(&kind.as_str().unwrap_or_default()))
    };
    Ok(Crate {
        name,
        folder,
        dependencies: list("dependencies").iter().filter_map(dependency).collect(),
        roots: list("targets").iter().filter(is_root).map(|target| relative(&target["src_path"])).collect(),
        features: package["features"]
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default(),
    })
}

pub(super) fn check(crates: &[Crate], files: &[SourceFile]) -> Vec<Finding> {
    crates
        .iter()
        .flat_map(|one| [direction(one, files), unsafe_code(one, files), features(one, files)].concat())
        .collect()
}

fn direction(one: &Crate, files: &[SourceFile]) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", one.folder);
    let finding = |word: &str, what, why, remedy| {
        let line = line_of(files, &manifest, word);
        Finding { path: manifest.clone(), line, what, why, remedy }
    };
    let why = "dependencies have one direction, so that a part can be understood without those that use it";
    let Some(allowed) = allowed(one) else {
        let remedy = "add it to the table in xtask/src/tidy/crates.rs";
        return vec![finding("name", format!("{} has no place among the crates", one.name), why, remedy)];
    };
    let mut findings = Vec::new();
    for Dependency { name, ours } in &one.dependencies {
        if *ours && allowed.is_some_and(|allowed| !allowed.contains(&name.as_str())) {
            let remedy = "move what is needed to a crate that both may use";
            findings.push(finding(name, format!("{} may not use {name}", one.name), why, remedy));
        }
        let folders = EXCLUSIVE.iter().find(|(exclusive, _)| exclusive == name).map(|(_, folders)| *folders);
        if folders.is_some_and(|folders| !folders.contains(&one.folder.as_str())) {
            let why = "what this crate does is done in one place only";
            let remedy = "ask the crate that may use it";
            findings.push(finding(name, format!("{} may not use {name}", one.name), why, remedy));
        }
    }
    findings
}

/// What a crate may use; `Some(None)` is everything.
#[expect(clippy::option_option, reason = "unknown, unlimited and limited are three answers")]
fn allowed(one: &Crate) -> Option<Option<&'static [&'static str]>> {
    if OUTSIDE.contains(&one.name.as_str()) {
        return Some(None);
    }
    if one.folder.starts_with("sinks/") {
        return Some(Some(SINKS));
    }
    DIRECTION.iter().find(|(name, _)| *name == one.name).map(|(_, allowed)| Some(*allowed))
}

fn unsafe_code(one: &Crate, files: &[SourceFile]) -> Vec<Finding> {
    if UNSAFE.contains(&one.folder.as_str()) {
        return Vec::new();
    }
    let forbids =
        |root: &&String| files.iter().any(|file| file.path == **root && file.text().contains(FORBID));
    let finding = |root: &String| Finding {
        path: root.clone(),
        line: 1,
        what: format!("`{FORBID}` is missing"),
        why: "unsafe code is reviewed where it is expected; it must not appear elsewhere",
        remedy: "add the attribute, or move the unsafe code to a crate that may have it",
    };
    one.roots.iter().filter(|root| !forbids(root)).map(finding).collect()
}

fn features(one: &Crate, files: &[SourceFile]) -> Vec<Finding> {
    if one.name == "aegis-chaos"
        || OUTSIDE.contains(&one.name.as_str())
        || !one.features.contains(&"chaos".to_owned())
    {
        return Vec::new();
    }
    let path = format!("{}/Cargo.toml", one.folder);
    vec![Finding {
        line: line_of(files, &path, "chaos"),
        path,
        what: "a feature `chaos`".to_owned(),
        why: "what is tested must be what is shipped: faults are injected from outside",
        remedy: "inject the fault from the chaos crate",
    }]
}

fn line_of(files: &[SourceFile], path: &str, word: &str) -> usize {
    let text = files.iter().find(|file| file.path == path).map(SourceFile::text).unwrap_or_default();
    text.lines().position(|line| line.trim_start().starts_with(word)).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn member(name: &str, folder: &str, dependencies: &[(&str, bool)]) -> Crate {
        let dependencies = dependencies
            .iter()
            .map(|(name, ours)| Dependency { name: (*name).to_owned(), ours: *ours })
            .collect();
        let root = format!("{folder}/src/lib.rs");
        Crate {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies,
            roots: vec![root],
            features: vec![],
        }
    }

    #[test]
    fn direction_is_enforced() {
        let cases: &[(&str, &str, &str, bool, bool)] = &[
            ("aegisbpf", "cli", ACTORS, true, true),
            ("aegisbpf", "cli", PROBES, true, false),
            (ABI, "kernel-abi", POLICY, true, false),
            (POLICY, "policy", ABI, true, true),
            (POLICY, "policy", TRUST, true, false),
            (TRUST, "trust", ABI, true, false),
            ("aegis-sink-http", "sinks/http", PLUGIN_API, true, true),
            ("aegis-sink-http", "sinks/http", ACTORS, true, false),
            ("aegis-tests", "tests", PROBES, true, true),
            ("xtask", "xtask", POLICY, true, true),
            ("xtask", "xtask", "aegis-fuzz", true, false),
            (PROBES, "probes-ebpf", "aya", false, true),
            (ACTORS, "actors", "aya", false, false),
            (ACTORS, "actors", "anyhow", false, false),
            (ACTORS, "actors", "serde", false, true),
            ("aegis-sink-file", "sinks/file", "libloading", false, false),
        ];
        for &(name, folder, dependency, ours, good) in cases {
            let found = direction(&member(name, folder, &[(dependency, ours)]), &[]);
            assert_eq!(found.is_empty(), good, "{name} on {dependency}");
        }
        assert_eq!(direction(&member("aegis-new", "new", &[]), &[]).len(), 1);
    }

    #[test]
    fn a_finding_names_the_line_of_the_dependency() {
        let manifest = file("policy/Cargo.toml", "[dependencies]\naegis-actors.workspace = true\n");
        let found = direction(&member(POLICY, "policy", &[(ACTORS, true)]), &[manifest]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn crates_forbid_unsafe() {
        let policy = member(POLICY, "policy", &[]);
        assert_eq!(unsafe_code(&policy, &[file("policy/src/lib.rs", "//! x")]).len(), 1);
        assert!(unsafe_code(&policy, &[file("policy/src/lib.rs", FORBID)]).is_empty());
        assert!(unsafe_code(&member(PROBES, "probes-ebpf", &[]), &[]).is_empty());
    }

    #[test]
    fn chaos_is_no_feature() {
        let mut policy = member(POLICY, "policy", &[]);
        assert!(features(&policy, &[]).is_empty());
        policy.features.push("chaos".to_owned());
        assert_eq!(features(&policy, &[]).len(), 1);
    }
}
