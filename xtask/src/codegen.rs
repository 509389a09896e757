//! `cargo xtask codegen`: files that are made from other files and committed, so that a clone needs no
//! generator. `--check` writes nothing and fails when one is stale.

use crate::compat;
use aegis_kernel_abi::{Class, Hook, Kind, Mode, Reason, Verdict};
use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Options of `codegen`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Write nothing; fail if a generated file is stale.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Writes (or checks) every generated file.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = repository_root();
    let files = [
        ("probes-ebpf/bpf/abi.h", abi_header(&root)?),
        ("config/default.toml", aegis_config::default_file()),
        ("config/schema.json", aegis_config::schema_text()),
        ("config/policies/policy.schema.json", format!("{:#}\n", aegis_policy::schema())),
        ("docs/openapi.json", control_api()?),
        compat::page()?,
    ];
    files.iter().try_for_each(|(path, fresh)| settle(&root.join(path), fresh, args.check))
}

/// What the daemon says of its control API, for those who have no daemon at hand.
fn control_api() -> Result<String> {
    let document = serde_json::to_string_pretty(&aegis_control_api::document());
    Ok(document.context("the document of the control API is no JSON")? + "\n")
}

fn repository_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

fn settle(path: &Path, fresh: &str, check: bool) -> Result<()> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    if old == fresh {
        return Ok(());
    }
    if check {
        bail!("{} is stale: run `cargo xtask codegen` and commit it", path.display());
    }
    std::fs::write(path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The C header of the probes: structs and constants by cbindgen, enums from their own lists.
fn abi_header(root: &Path) -> Result<String> {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Tag,
        no_includes: true,
        documentation: false,
        header: Some("/* Made from kernel-abi/ by `cargo xtask codegen`. Do not edit. */".to_owned()),
        include_guard: Some("AEGIS_ABI_H".to_owned()),
        after_includes: Some(enums()),
        export: cbindgen::ExportConfig {
            include: structs(),
            prefix: Some("aegis_".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("kernel-abi/src/access.rs"))
        .with_src(root.join("kernel-abi/src/tables.rs"))
        .with_src(root.join("kernel-abi/src/event.rs"))
        .with_src(root.join("kernel-abi/src/process.rs"))
        .with_src(root.join("kernel-abi/src/holder.rs"))
        .with_src(root.join("kernel-abi/src/subject.rs"))
        .with_src(root.join("kernel-abi/src/accounts.rs"))
        .generate()
        .context("cbindgen could not read kernel-abi")?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let header = String::from_utf8(bytes).context("cbindgen wrote a header that is not UTF-8")?;
    Ok(c_names(&header))
}

/// Turns `aegis_ObjectKey` into `aegis_object_key` and `aegis_MAX_ROWS` into `AEGIS_MAX_ROWS`.
fn c_names(header: &str) -> String {
    let mut text = String::with_capacity(header.len());
    let mut rest = header;
    while let Some(at) = rest.find("aegis_") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let name = word.trim_start_matches("aegis_");
        let constant = !name.contains(char::is_lowercase);
        text.push_str(before);
        text.push_str(if constant { "AEGIS_" } else { "aegis_" });
        text.push_str(&if constant { name.to_owned() } else { upper_snake(name).to_lowercase() });
        rest = after;
    }
    text + rest
}

fn structs() -> Vec<String> {
    let names = [
        "ObjectKey",
        "InodeNumber",
        "SlotKey",
        "Entry",
        "Row",
        "RuleInfo",
        "Exempt",
        "GenerationInfo",
        "SurvivalKey",
        "Survival",
        "Accepted",
        "Identity",
        "Active",
        "SelfCheck",
        "Proof",
        "Event",
        "ProcessEvent",
        "ExecEvent",
        "Notice",
        "Resolved",
        "Process",
        "Held",
        "Membership",
        "Condition",
        "MemberKey",
        "Member",
        "Range",
        "Image",
        "Lineage",
        "Counters",
        "StormKey",
        "Storm",
        "Summarised",
        "Ledger",
        "Delivered",
        "ReaderMark",
    ];
    names.map(str::to_owned).to_vec()
}

fn enums() -> String {
    let mut text = String::from("\n");
    define(&mut text, "HOOK", Hook::ALL, |value| *value as u8);
    define(&mut text, "KIND", Kind::ALL, |value| *value as u8);
    define(&mut text, "CLASS", Class::ALL, |value| *value as u8);
    define(&mut text, "VERDICT", Verdict::ALL, |value| *value as u8);
    define(&mut text, "MODE", Mode::ALL, |value| *value as u8);
    define(&mut text, "REASON", Reason::ALL, |value| *value as u8);
    text
}

fn define<T: std::fmt::Debug>(text: &mut String, prefix: &str, all: &[T], number: fn(&T) -> u8) {
    for value in all {
        let name = upper_snake(&format!("{value:?}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "#define AEGIS_{prefix}_{name} {}", number(value));
    }
}

fn upper_snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}
