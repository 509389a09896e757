//! From a plan and the identities of what it names to tables. Pure.

use super::paths::Paths;
use super::subjects::{Allowing, clauses, missing_cgroups};
use aegis_control_api::{
    ClassStatus, Counts, GenerationStatus, LinkStatus, PendingRule, Posture, UnseenRule,
};
use aegis_kernel_abi::{
    Class, Counters, GenerationInfo, InodeNumber, Kind, Mode, ObjectKey, Operations, SlotKey,
};
use aegis_policy::{Action, Anchors, CgroupRef, Object, Plan, Rule};
use aegis_probes::{Anchor, Builder, Error, Escalate, Header, LinkInfo, Say, Tables, unpadded};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What a path is on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// What is there now, and what was there when it was resolved before: a file does not lose its rule by getting
    /// another name.
    pub(crate) objects: Vec<ObjectKey>,
    /// The names by which it is reached: its own, and those of the links it goes through.
    pub(crate) slots: Vec<SlotKey>,
    /// Directories and links on the way to these names, which would lead elsewhere if they moved.
    pub(crate) anchors: Vec<Arc<[ObjectKey]>>,
    /// The first name on the way that is not there, if it is not the last.
    pub(crate) missing: Option<SlotKey>,
    /// Where the symbolic links lead that were followed.
    pub(crate) links: Vec<PathBuf>,
    /// Why it leads nowhere.
    pub(crate) stuck: Option<String>,
    /// Whether something is there now.
    pub(crate) is_there: bool,
}

/// Everything that was found out about this host for one plan.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// What its paths are.
    pub(crate) paths: Paths,
    /// Ids of exempt cgroups.
    pub(crate) exempt: BTreeSet<u64>,
    /// Paths of exempt cgroups that are not there.
    pub(crate) pending_exempt: Vec<String>,
    /// Ids of the cgroups that conditions name by path, of those that are there.
    pub(crate) cgroups: HashMap<String, u64>,
    /// Numbers of the host's namespaces of users, processes and mounts.
    pub(crate) namespaces: [u32; 3],
    /// Paths that lead nowhere, each with its rule and the reason.
    pub(crate) stuck: Vec<String>,
}

impl Host {
    /// The id of a cgroup; `None` if it is not there.
    pub(crate) fn cgroup_id(&self, cgroup: &CgroupRef) -> Option<u64> {
        match cgroup {
            CgroupRef::Id(id) => Some(*id),
            CgroupRef::Path(path) => self.cgroups.get(path).copied(),
        }
    }
}

/// What is without effect until something can be resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Rules by number, with the paths on which they are.
    pub(crate) rules: BTreeMap<u32, Vec<String>>,
    /// Exempt cgroups by path.
    pub(crate) exempt: Vec<String>,
}

/// The most objects that one path keeps beside what is there and the one that the policy was applied to: whoever replaces
/// its file again and again does not fill the tables. The newest stay.
const KEPT_OBJECTS: usize = 64;

/// Takes what was known before into what is found now: the objects of each path, and of a path that leads nowhere now
/// everything. Numbers that have passed to other inodes meanwhile are left out.
pub(crate) fn keep(earlier: &Paths, host: &mut Host) {
    let mut numbers: HashMap<InodeNumber, u32> = HashMap::new();
    let mut note = |key: &ObjectKey| {
        let number = InodeNumber::new(key.ino, key.dev);
        *numbers.entry(number).or_insert(key.inode_generation) == key.inode_generation
    };
    for found in host.paths.values() {
        let anchors = found.anchors.iter().flat_map(|anchors| anchors.iter());
        let slots = found.slots.iter().chain(&found.missing).map(|slot| &slot.parent);
        found.objects.iter().chain(anchors).chain(slots).for_each(|key| _ = note(key));
    }
    for (path, found) in host.paths.iter_mut() {
        let Some(before) = earlier.get(path) else { continue };
        keep_objects(&before.objects, &mut found.objects, &mut note);
        found.links.clone_from(&before.links);
        if found.stuck.is_none() {
            continue;
        }
        // What is known again is not kept twice: such a path is looked at again and again.
        let slots: Vec<_> = before.slots.iter().filter(|slot| !found.slots.contains(slot)).collect();
        found.slots.extend(slots.into_iter().filter(|slot| note(&slot.parent)));
        let is_new = |key: &&ObjectKey| !found.anchors.iter().any(|anchors| anchors.contains(key));
        let held: BTreeSet<_> =
            before.anchors.iter().flat_map(|anchors| anchors.iter()).filter(is_new).collect();
        let held: Arc<[ObjectKey]> = held.into_iter().filter(|key| note(key)).copied().collect();
        found.anchors.extend(Some(held).filter(|held| !held.is_empty()));
        found.missing = found.missing.or(before.missing.filter(|slot| note(&slot.parent)));
    }
}

/// Puts the objects that a path had before those that it has, the oldest first. An inode generation of 0 says nothing of
/// reuse (overlayfs has no other): such a number may be another file's by now, and is not kept.
fn keep_objects(
    before: &[ObjectKey],
    objects: &mut Vec<ObjectKey>,
    mut is_still_its: impl FnMut(&ObjectKey) -> bool,
) {
    let fresh = std::mem::take(objects);
    let lasts = |key: &&ObjectKey| fresh.contains(key) || key.inode_generation != 0 && is_still_its(key);
    objects.extend(before.iter().filter(lasts));
    objects.extend(fresh.iter().filter(|key| !before.contains(key)));
    let mut surplus = objects.len().saturating_sub(1 + fresh.len() + KEPT_OBJECTS);
    let mut index = 0;
    objects.retain(|key| {
        let goes = surplus > 0 && index > 0 && !fresh.contains(key);
        (index, surplus) = (index + 1, surplus - usize::from(goes));
        !goes
    });
}

/// The rules of a plan that are pending on this host.
pub(crate) fn pending(plan: &Plan, host: &Host) -> Pending {
    let mut pending = Pending { exempt: host.pending_exempt.clone(), ..Pending::default() };
    // Mostly nothing is, and looking each path up would cost more than all that this finds.
    let is_stuck = !host.stuck.is_empty();
    let may_be = |(_, rule): &(u32, &Rule)| is_stuck || anchor(rule) == Anchor::Follow;
    for (number, rule) in (0_u32..).zip(plan.rules()) {
        let missing: Vec<_> = missing_cgroups(plan, rule, host).collect();
        if !missing.is_empty() {
            pending.rules.insert(number, missing);
        }
    }
    for (number, rule) in (0_u32..).zip(plan.rules()).filter(may_be) {
        for path in rule.objects().iter().filter_map(Object::as_path) {
            let found = host.paths.get(path);
            let told = match found.and_then(|found| found.stuck.as_ref()) {
                Some(why) => format!("{path}: {why}"),
                None if anchor(rule) == Anchor::Hold => continue,
                None if found.is_some_and(|found| found.missing.is_none()) => continue,
                None => path.to_owned(),
            };
            pending.rules.entry(number).or_default().push(told);
        }
    }
    pending
}

/// The same in the words of the API.
pub(crate) fn pending_rules(plan: &Plan, pending: &Pending) -> Vec<PendingRule> {
    let rule = |(number, paths): (&u32, &Vec<String>)| {
        let rule = plan.rules().get(usize::try_from(*number).ok()?)?;
        Some(PendingRule { rule: rule.id().as_str().to_owned(), paths: paths.clone() })
    };
    let exempt = Some(&pending.exempt).filter(|paths| !paths.is_empty());
    let exempt = exempt.map(|paths| PendingRule { rule: "[exempt]".to_owned(), paths: paths.clone() });
    pending.rules.iter().filter_map(rule).chain(exempt).collect()
}

fn anchor(rule: &Rule) -> Anchor {
    match rule.anchors() {
        Anchors::Hold => Anchor::Hold,
        Anchors::Follow => Anchor::Follow,
    }
}

/// What the command line adds to each rule of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The strongest mode that a rule can have.
    pub(crate) mode: Mode,
    /// The signal that a process gets whom an enforcing rule denies; 0 is none.
    pub(crate) signal: u8,
}

/// Builds the tables. What is pending on this host is known.
pub(crate) fn tables(
    plan: &Plan,
    manner: Manner,
    host: &Host,
    pending: &Pending,
    (built_at_ns, name_key): (u64, [u64; 2]),
) -> Result<Tables, Error> {
    let Manner { mode, signal } = manner;
    let mut builder = Builder::with_capacity(host.paths.len(), name_key);
    let allowing = Allowing::of(plan)?;
    let mut named = host.paths.named();
    for (number, rule) in (0_u32..).zip(plan.rules()) {
        let signal = rule.signal().map_or(signal, |signal| signal as u8);
        let allow = rule.action() == Action::Allow;
        let operations = if allow { allowing.allowed(rule) } else { rule.operations().decided() };
        let who = builder.who(clauses(plan, rule, host), allowing.number(rule))?;
        let say =
            Say { rule: number, operations, mode: rule.mode().and(mode), signal, subtree: false, allow, who };
        secure(&mut builder, rule, host)?;
        for object in rule.objects() {
            match object {
                Object::Path(path) | Object::Subtree(path) => {
                    let found = named.next().filter(|(named, _)| named == path);
                    let (_, found) = found.ok_or_else(|| unresolved(rule, path))?;
                    let say = Say { subtree: matches!(object, Object::Subtree(_)), ..say };
                    add_path(&mut builder, found, anchor(rule), say)?;
                }
                Object::Any => builder.any(say),
                Object::Inode { major, minor, ino, inode_generation } => {
                    let dev = device(*major, *minor);
                    match *inode_generation {
                        Some(inode_generation) => {
                            builder.object(ObjectKey { ino: *ino, dev, inode_generation }, say)?;
                        }
                        None => builder.inode(InodeNumber::new(*ino, dev), say),
                    }
                }
                // Such a plan was refused before.
                other => return Err(Error::Unloadable(format!("rule {}: {other} in no table", rule.id()))),
            }
        }
    }
    host.exempt.iter().for_each(|cgroup| builder.exempt(*cgroup));
    builder.build(&Header {
        policy: plan.name().as_str().to_owned(),
        serial: plan.serial().unwrap_or(0),
        mode: plan.mode().and(mode),
        plan_digest: plan.digest(),
        rules: plan.rules().iter().map(|rule| rule.id().as_str()).collect(),
        pending: pending.rules.keys().copied().collect(),
        asked: plan.rules().iter().map(|rule| rule.operations().decided()).collect(),
        escalate: plan.rules().iter().map(escalate).collect(),
        built_at_ns,
    })
}

/// Paths and rules are those of one plan, so this is a mistake of the agent.
fn unresolved(rule: &Rule, path: &str) -> Error {
    Error::Unloadable(format!("rule {}: {path} was not resolved", rule.id()))
}

/// When the signal of a rule becomes SIGKILL.
fn escalate(rule: &Rule) -> Escalate {
    rule.escalation()
        .map_or_else(Escalate::default, |to| Escalate { after: to.after, within_seconds: to.within_seconds })
}

/// Who is excepted by what he was started from does not load what others tell it to.
fn secure(builder: &mut Builder, rule: &Rule, host: &Host) -> Result<(), Error> {
    let excepted = rule.unless().iter().flat_map(|subject| subject.exe().iter().chain(subject.ancestor()));
    for found in excepted.filter_map(|path| host.paths.get(path)) {
        found.objects.iter().try_for_each(|key| builder.secure(*key))?;
        found.slots.iter().try_for_each(|slot| builder.secure_slot(*slot))?;
    }
    Ok(())
}

fn add_path(builder: &mut Builder, found: &Resolution, anchor: Anchor, say: Say) -> Result<(), Error> {
    found.objects.iter().try_for_each(|key| builder.object(*key, say))?;
    // Who must not write to a missing file must not put anything in its place either.
    let is_missing = !found.is_there && say.operations.contains(Operations::WRITE);
    let made = if is_missing && !say.allow { Operations::MAKING } else { Operations::empty() };
    let on_name = Say { operations: say.operations | made, ..say };
    found.slots.iter().try_for_each(|slot| builder.slot(*slot, on_name))?;
    // What is allowed keeps nothing where it is.
    if say.allow {
        return Ok(());
    }
    let anchors = found.anchors.iter().flat_map(|anchors| anchors.iter());
    anchors.copied().try_for_each(|key| builder.anchor(key, anchor, say))?;
    found.missing.map_or(Ok(()), |slot| builder.missing(slot, anchor, say))
}

/// The kernel's encoding of a device number.
fn device(major: u32, minor: u32) -> u32 {
    major << 20 | minor & 0xf_ffff
}

/// The classes that must be attached for these operations. What is started is opened and mapped as well, so
/// `exec` needs both; and some ways to truncate pass by the hook on attributes alone.
pub(crate) fn classes(operations: Operations) -> Vec<Class> {
    let mut classes = Vec::new();
    let elsewhere = Operations::ON_NAMES | Operations::ON_ATTRIBUTES;
    if operations.intersects(Operations::all().difference(elsewhere)) {
        classes.push(Class::File);
    }
    if operations.contains(Operations::EXEC) {
        classes.push(Class::Exec);
    }
    if operations.intersects(Operations::ON_NAMES) {
        classes.push(Class::Name);
    }
    if operations.intersects(Operations::ON_ATTRIBUTES | Operations::TRUNCATE) {
        classes.push(Class::Attr);
    }
    // Who acts is known from the beginning on, whether a rule asks for it or not.
    if !classes.is_empty() {
        classes.push(Class::Process);
    }
    classes
}

/// A generation in the words of the API.
pub(crate) fn generation_status(info: &GenerationInfo) -> GenerationStatus {
    GenerationStatus {
        generation: info.generation,
        policy: unpadded(&info.policy),
        serial: info.serial,
        mode: mode(info).word().to_owned(),
        plan_digest: hex(&info.plan_digest),
        table_digest: hex(&info.table_digest),
        built_at_ns: info.built_at_ns,
        rules: info.rules,
        objects: info.objects,
        slots: info.slots,
        rows: info.rows,
        exempt: info.exempt,
    }
}

/// The mode of a generation. A number that is no mode observes: it must not be shown as enforcing.
fn mode(info: &GenerationInfo) -> Mode {
    u8::try_from(info.mode).ok().and_then(Mode::from_byte).unwrap_or(Mode::Observe)
}

/// A link in the words of the API.
#[must_use]
pub fn link_status(link: &LinkInfo) -> LinkStatus {
    LinkStatus {
        hook: link.hook.word().to_owned(),
        link_id: link.link_id,
        program_id: link.program_id,
        recursion_misses: link.recursion_misses,
        run_count: link.run_count,
        run_time_ns: link.run_time_ns,
    }
}

/// Counters in the words of the API.
#[must_use]
pub fn counts(counters: &Counters) -> Counts {
    Counts {
        denied: counters.denied.iter().sum(),
        audited: counters.audited.iter().sum(),
        undecidable: counters.undecidable,
        unseen: counters.unseen,
        survived: counters.survived,
        exempted: counters.exempted,
        reported: counters.reported,
        submitted: counters.submitted,
        suppressed: counters.suppressed,
        dropped: counters.dropped,
        received: None,
        malformed: None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What every answer says under a kind of probes that blocks nothing.
pub(crate) fn notice(kind: Kind) -> Option<String> {
    (kind == Kind::Fallback).then(|| NOTICE.to_owned())
}

const NOTICE: &str = "NOTHING IS BLOCKED: the kernel refuses BPF LSM programs, so the audit fallback reports what the \
                      policy would deny, after it has happened";

/// What rules ask for and a kind of probes cannot see.
pub(crate) fn unseen(kind: Kind, rules: &[(String, Operations)]) -> Vec<UnseenRule> {
    let unseen = |(rule, asked): &(String, Operations)| {
        let operations: Vec<_> = asked.difference(kind.sees()).words().map(str::to_owned).collect();
        (!operations.is_empty()).then(|| UnseenRule { rule: rule.clone(), operations })
    };
    rules.iter().filter_map(unseen).collect()
}

/// How the last self-check of a class ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proven {
    /// No hook of it is attached.
    NotAttached,
    /// All of its hooks were denied by our rule, at this time.
    At(u64),
    /// Not proven, for this reason.
    Not(String),
}

/// The posture of a class: what is proven, never what was asked for.
pub(crate) fn class_status(
    kind: Kind,
    class: Class,
    info: Option<&GenerationInfo>,
    proven: &Proven,
) -> ClassStatus {
    let needed =
        info.is_some_and(|info| classes(Operations::from_bits_retain(info.operations)).contains(&class));
    let (posture, proven_at_ns, why) = match (proven, info.map(mode)) {
        _ if class.hooks(kind).next().is_none() => {
            (Posture::Off, None, needed.then(|| "the audit fallback does not see its operations".to_owned()))
        }
        // A rule needs it: somebody took it away.
        (Proven::NotAttached, Some(_)) if needed => {
            (Posture::Degraded, None, Some("not attached".to_owned()))
        }
        (Proven::NotAttached, _) | (_, None) => (Posture::Off, None, None),
        (Proven::Not(why), Some(_)) => (Posture::Degraded, None, Some(why.clone())),
        (Proven::At(at), Some(_)) if kind == Kind::Fallback => (Posture::AuditFallback, Some(*at), None),
        (Proven::At(at), Some(Mode::Enforce)) => (Posture::Enforce, Some(*at), None),
        (Proven::At(at), Some(Mode::Observe)) => (Posture::Observe, Some(*at), None),
    };
    ClassStatus { class: class.word().to_owned(), posture, proven_at_ns, why }
}

#[cfg(test)]
mod tests;
