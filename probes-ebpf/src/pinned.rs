//! Whether everything is pinned that an armed agent needs, and is what this version has pinned. Needs no lock: a daemon
//! may be at work, and is not asked. It changes nothing, and proves nothing: that is what the self-check is for.

use crate::error::{Error, call, call_path};
use crate::generation::Generations;
use crate::object::{IDENTITY, MAPS, RECORDER};
use crate::pins::{LINKS_DIR, MAPS_DIR, PROGRAMS_DIR, PinDir};
use crate::probes::identity_of_this_build;
use crate::sys;
use aegis_kernel_abi::{Class, Hook, Identity, Kind, Operations};
use aya_obj::generated::{bpf_link_info, bpf_map_info, bpf_prog_info};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::os::fd::AsFd;

/// What was found below a pin directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Maps that are pinned.
    pub maps: usize,
    /// Programs that are pinned.
    pub programs: usize,
    /// Links that are pinned.
    pub links: usize,
    /// The generation in force; 0 before the first.
    pub generation: u32,
    /// What is not as it should be; nothing if all is well.
    pub wrong: Vec<String>,
}

/// The names of the pins of a kind.
type Names = BTreeSet<String>;

/// Looks at all pins and reads the tables in force back; `None` if nothing is pinned there. `needed` tells the classes
/// that rules on these operations need.
///
/// # Errors
/// If the pins cannot be looked at, are others', or those of another version.
pub fn examine(pins: &PinDir, needed: fn(Operations) -> Vec<Class>) -> Result<Option<Pinned>, Error> {
    if !pins.exists_on_bpffs()? {
        return Ok(None);
    }
    pins.refuse_foreign()?;
    let [maps, programs, links] = [MAPS_DIR, PROGRAMS_DIR, LINKS_DIR].map(|directory| pins.names(directory));
    let (maps, programs, links) = (maps?, programs?, links?);
    let mut found =
        Pinned { maps: maps.len(), programs: programs.len(), links: links.len(), ..Pinned::default() };
    if found == Pinned::default() {
        return Ok(None);
    }
    found.wrong = differences(MAPS_DIR, &maps, &MAPS, &MAPS);
    if !maps.contains(IDENTITY) {
        // Nothing tells whose the others are.
        return Ok(Some(found));
    }
    let (identity, kind) = identity_of_this_build(pins)?;
    let loaded = |hook: &Hook| identity.program_tags.get(*hook as usize).is_some_and(|tag| *tag != 0);
    let all: Vec<&str> = kind.hooks().filter(loaded).map(Hook::word).collect();
    let all_programs = [&all[..], &[RECORDER]].concat();
    found.wrong.extend(differences(PROGRAMS_DIR, &programs, &all_programs, &all_programs));
    let mut attached = Vec::new();
    // Without all of its tables a generation cannot be read, and they are named already.
    if MAPS.iter().all(|name| maps.contains(*name)) {
        let generations = Generations::open(pins)?;
        let operations = read_back(&generations, &mut found)?;
        let classes = needed(operations);
        let hooks: BTreeSet<Hook> = classes.iter().flat_map(|class| class.hooks(kind)).collect();
        attached = hooks.into_iter().filter(loaded).map(Hook::word).collect();
    }
    found.wrong.extend(differences(LINKS_DIR, &links, &attached, &all));
    found.wrong.extend(replaced(pins, (&identity, kind), [&maps, &programs, &links])?);
    Ok(Some(found))
}

/// What is needed and not there, and what is there and not known.
fn differences(directory: &str, found: &Names, needed: &[&str], known: &[&str]) -> Vec<String> {
    let missing = needed.iter().filter(|name| !found.contains(**name));
    let missing = missing.map(|name| format!("{directory}/{name} is missing"));
    let strange = found.iter().filter(|name| !known.contains(&name.as_str()));
    missing.chain(strange.map(|name| format!("{directory}/{name} is not ours"))).collect()
}

/// How often the tables are read again because another generation came into force meanwhile.
const TRIES: usize = 3;

/// Reads the tables in force back and compares their digest. Returns the operations that rules are on.
fn read_back(generations: &Generations, found: &mut Pinned) -> Result<Operations, Error> {
    let mut last = None;
    for _ in 0..TRIES {
        let active = generations.active().generation;
        found.generation = active;
        let Some(info) = generations.info(active)? else {
            last = (active > 0).then(|| format!("generation {active} is in force, and has no tables"));
            continue;
        };
        match generations.verify(active, &info) {
            Ok(()) => return Ok(Operations::from_bits_truncate(info.operations)),
            Err(error) => last = Some(error.to_string()),
        }
        if generations.active().generation == active {
            break;
        }
    }
    found.wrong.extend(last);
    Ok(Operations::empty())
}

/// Pins under right names that are not what these names stand for: programs of other instructions, links of other
/// programs, maps that the programs use under another name, or do not use while they use another one of that name.
fn replaced(
    pins: &PinDir,
    (identity, kind): (&Identity, Kind),
    [maps, programs, links]: [&Names; 3],
) -> Result<Vec<String>, Error> {
    let (mut wrong, mut used) = (Vec::new(), BTreeMap::new());
    for hook in kind.hooks().filter(|hook| programs.contains(hook.word())) {
        let path = pins.program(hook);
        let program = sys::open_pin(&path).map_err(call_path("open", &path))?;
        let info: bpf_prog_info = sys::describe(program.as_fd()).map_err(call_path("describe", &path))?;
        if identity.program_tags.get(hook as usize) != Some(&u64::from_ne_bytes(info.tag)) {
            wrong.push(format!("{PROGRAMS_DIR}/{} is another program", hook.word()));
            continue;
        }
        for id in sys::program_maps(program.as_fd()).map_err(call_path("describe", &path))? {
            if let std::collections::btree_map::Entry::Vacant(entry) = used.entry(id) {
                entry.insert(name_of(id)?);
            }
        }
        if links.contains(hook.word()) {
            let path = pins.link(hook);
            let link = sys::open_pin(&path).map_err(call_path("open", &path))?;
            let link: bpf_link_info = sys::describe(link.as_fd()).map_err(call_path("describe", &path))?;
            if link.prog_id != info.id {
                wrong.push(format!("{LINKS_DIR}/{} is a link of another program", hook.word()));
            }
        }
    }
    for name in MAPS.iter().filter(|name| maps.contains(**name)) {
        let path = pins.map(name);
        let map = sys::open_pin(&path).map_err(call_path("open", &path))?;
        let id = sys::describe::<bpf_map_info>(map.as_fd()).map_err(call_path("describe", &path))?.id;
        let is_another = match used.get(&id) {
            Some(used) => used != name,
            // Some are the daemon's alone, and no program uses any of that name.
            None => used.values().any(|used| used == name),
        };
        if is_another {
            wrong.push(format!("{MAPS_DIR}/{name} is not the one that the probes use"));
        }
    }
    Ok(wrong)
}

/// The kernel's name of a map, which is that of the object.
fn name_of(map: u32) -> Result<String, Error> {
    let failed = || call("describe", format!("map {map}"));
    let info: bpf_map_info =
        sys::map_by_id(map).and_then(|map| sys::describe(map.as_fd())).map_err(failed())?;
    let bytes = info.name.map(i8::cast_unsigned);
    Ok(CStr::from_bytes_until_nul(&bytes).unwrap_or_default().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_strange_is_named() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Names>();
        for (found, needed, known, wrong) in [
            (&["a", "b"][..], &["a", "b"][..], &["a", "b"][..], &[][..]),
            (&["a"], &["a", "b"], &["a", "b"], &["maps/b is missing"]),
            // A link that no rule needs may stay.
            (&["a", "b"], &["a"], &["a", "b"], &[]),
            (&["a", "c"], &["a", "b"], &["a", "b"], &["maps/b is missing", "maps/c is not ours"]),
            (&[], &[], &[], &[]),
        ] {
            assert_eq!(differences("maps", &names(found), needed, known), wrong, "{found:?}");
        }
    }

    /// The kernel cuts longer names, and then they would not be found again.
    #[test]
    fn names_of_maps_fit_into_the_kernels() {
        const ROOM: usize = 15;
        assert!(MAPS.iter().all(|name| name.len() <= ROOM));
    }
}
