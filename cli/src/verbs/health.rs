//! `health`: whether this host can enforce, and does.

use crate::Common;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use aegis_actors::host::{Capabilities, Pinned, capabilities};
use aegis_actors::loader::examine_pins;
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
    /// None if nothing is pinned, or the pins could not be looked at; then the check says why.
    pins: Option<Pins>,
    checks: Vec<Check>,
}

/// What is pinned.
#[derive(Debug, Serialize)]
struct Pins {
    maps: usize,
    programs: usize,
    links: usize,
    /// The one in force, 0 before the first.
    generation: u32,
    /// What is not as it should be.
    wrong: Vec<String>,
}

/// Prints what was found; exit code 7 if the kernel refuses the probes, 5 if anything else is not as it should be.
pub(crate) fn run(common: &Common, output: Format) -> Result<()> {
    let host = capabilities();
    let mut checks = checks(&host);
    let pinned = examine_pins(&common.bpffs_root).map_err(|error| error.whole());
    checks.push(pins(&pinned));
    let (posture, proof) = proof(common);
    checks.push(proof);
    let refused = host.lsm.is_err();
    let healthy = checks.iter().all(|check| check.ok);
    let pins = pinned.ok().flatten().map(|Pinned { maps, programs, links, generation, wrong }| Pins {
        maps,
        programs,
        links,
        generation,
        wrong,
    });
    let health = Health { version: API_VERSION, kernel: host.kernel, posture, pins, checks };
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

/// That nothing is pinned is not wrong; what it means is for the posture to say.
pub(super) fn pins(pinned: &Result<Option<Pinned>, String>) -> Check {
    let (ok, finding) = match pinned {
        Err(why) => (false, why.clone()),
        Ok(None) => (true, "none: nothing is armed".to_owned()),
        Ok(Some(Pinned { wrong, .. })) if !wrong.is_empty() => (false, wrong.join("; ")),
        Ok(Some(Pinned { maps, programs, links, generation, .. })) => {
            let read = match generation {
                0 => "no generation is in force".to_owned(),
                number => format!("the tables of generation {number} read back to its digest"),
            };
            (true, format!("{maps} maps, {programs} programs, {links} links, all of this version; {read}"))
        }
    };
    Check { name: PINS, ok, finding }
}

/// The name of that check.
pub(super) const PINS: &str = "pinned tables";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_told_in_words() {
        let all = Pinned { maps: 19, programs: 9, links: 4, generation: 3, wrong: Vec::new() };
        let part = |wrong: &[&str]| Pinned {
            wrong: wrong.iter().map(|one| (*one).to_owned()).collect(),
            ..all.clone()
        };
        for (pinned, ok, words) in [
            (Ok(None), true, "nothing is armed"),
            (
                Ok(Some(all.clone())),
                true,
                "4 links, all of this version; the tables of generation 3 read back",
            ),
            (Ok(Some(Pinned { generation: 0, ..all.clone() })), true, "no generation is in force"),
            (Ok(Some(part(&["maps/a is missing", "maps/b is missing"]))), false, "maps/a is missing; maps/b"),
            (Err("they are others'".to_owned()), false, "they are others'"),
        ] {
            let check = pins(&pinned);
            assert!(check.ok == ok && check.finding.contains(words), "{check:?}");
        }
    }
}
