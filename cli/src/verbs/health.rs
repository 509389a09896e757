//! `health`: whether this host can enforce, and does.

use crate::Common;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use aegis_actors::host::{Capabilities, capabilities};
use aegis_control_api::{API_VERSION, Posture};
use anyhow::Result;
use serde::Serialize;

/// One thing that was checked.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) finding: String,
}

#[derive(Debug, Serialize)]
struct Health {
    version: u32,
    kernel: String,
    posture: Posture,
    checks: Vec<Check>,
}

/// Prints what was found; exit code 7 if the kernel refuses the probes, 5 if anything else is not as it should be.
pub(crate) fn run(common: &Common, output: Format) -> Result<()> {
    let host = capabilities();
    let (posture, proof) = proof(common);
    let mut checks = checks(&host);
    checks.push(proof);
    let refused = host.lsm.is_err();
    let healthy = checks.iter().all(|check| check.ok);
    let health = Health { version: API_VERSION, kernel: host.kernel, posture, checks };
    match output {
        Format::Json => output::json(&health)?,
        Format::Table => print(&health),
    }
    match (refused, healthy) {
        (true, _) => Err(Failure::new(Exit::NoLsm, super::run::no_lsm_remedy()).into()),
        (_, false) => {
            Err(Failure::new(Exit::Degraded, "not everything is as it should be; see above").into())
        }
        _ => Ok(()),
    }
}

fn proof(common: &Common) -> (Posture, Check) {
    let name = "posture";
    match super::status::read(common) {
        Ok(status) => {
            let posture = status.posture();
            let why =
                status.classes.iter().filter_map(|class| class.why.clone()).collect::<Vec<_>>().join("; ");
            let why = status.notice.into_iter().chain((!why.is_empty()).then_some(why));
            let why = why.collect::<Vec<_>>().join("; ");
            let finding =
                if why.is_empty() { posture.word().to_owned() } else { format!("{}: {why}", posture.word()) };
            (posture, Check { name, ok: matches!(posture, Posture::Enforce | Posture::Observe), finding })
        }
        Err(error) => (Posture::Off, Check { name, ok: false, finding: format!("OFF: {error:#}") }),
    }
}

pub(super) fn checks(host: &Capabilities) -> Vec<Check> {
    let check =
        |name, ok, yes: &str, no: &str| Check { name, ok, finding: if ok { yes } else { no }.to_owned() };
    let result = |name, result: &Result<(), String>| Check {
        name,
        ok: result.is_ok(),
        finding: result.as_ref().err().cloned().unwrap_or_else(|| "the kernel takes them".to_owned()),
    };
    let modules = match &host.security_modules {
        Some(modules) => Check {
            name: "security modules",
            ok: modules.iter().any(|module| module == "bpf"),
            finding: modules.join(","),
        },
        None => check(
            "security modules",
            true,
            "unknown: securityfs is not mounted (mount -t securityfs securityfs /sys/kernel/security); the self-check \
             decides",
            "",
        ),
    };
    let cgroup = host.cgroup2.as_ref().map(|path| path.display().to_string());
    vec![
        check(
            "kernel types",
            host.has_btf,
            "/sys/kernel/btf/vmlinux",
            "missing: a kernel with CONFIG_DEBUG_INFO_BTF is needed",
        ),
        modules,
        result("BPF LSM programs", &host.lsm),
        result("audit fallback", &host.fallback),
        result("BPF iterators", &host.iterators),
        check("bpf file system", host.has_bpffs, "mounted", "not mounted: mount -t bpf bpf /sys/fs/bpf"),
        check(
            "cgroup version 2",
            cgroup.is_some(),
            cgroup.as_deref().unwrap_or_default(),
            "not mounted: rules cannot name cgroups",
        ),
    ]
}

fn print(health: &Health) {
    output::line(&format!("kernel {}, posture {}", health.kernel, health.posture.word()));
    let word = |ok| if ok { "ok" } else { "NOT OK" };
    let rows = health
        .checks
        .iter()
        .map(|check| [check.name.to_owned(), word(check.ok).to_owned(), check.finding.clone()]);
    output::table(["check", "", "finding"], rows);
}
