//! What is allowed and probably not meant, seen over the whole policy. Which files are on a host is not known here: paths
//! stand for themselves.

use super::rule::Draft;
use crate::diagnostic::{Code, Fault, Level, Place, Sink, quote};
use crate::plan::{Action, Anchors, Object, Operations, Subject, is_below};
use crate::syntax::Placed;
use aegis_kernel_abi::Mode;
use std::collections::HashMap;

/// What is never denied to anybody, where it usually is: dynamic loaders, PID 1, the agent.
const SURVIVORS: [&str; 13] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/usr/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/usr/lib/ld-linux-aarch64.so.1",
    "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/sbin/init",
    "/usr/sbin/init",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd",
    "/usr/bin/aegisbpf",
];

/// Directories in which anybody can make files.
const WRITABLE: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];

/// Where block devices are.
const DEVICES: &str = "/dev";

/// Looks at all rules of a policy of this mode.
pub(super) fn policy(rules: &[Draft], mode: Mode, sink: &mut Sink) {
    for rule in rules {
        swallowed(rule, sink);
        writable(rule, sink);
        covered(rule, sink);
        if rule.is_for_all() && rule.mode(mode) == Mode::Enforce {
            survivors(rule, sink);
        }
    }
    idle_allow(rules, sink);
    // Advice is for whoever has nothing else to mend.
    if sink.iter().all(|found| found.level() != Level::Error) {
        sink.extend(raw_devices(rules));
    }
}

/// Exceptions that except everybody for whom a condition holds.
fn swallowed(rule: &Draft, sink: &mut Sink) {
    if rule.unless.is_empty() {
        return;
    }
    let everybody = [Placed { value: Subject::default(), place: rule.place }];
    let when = if rule.when.is_empty() { &everybody[..] } else { &rule.when[..] };
    let excepting =
        |subject: &Placed<Subject>| rule.unless.iter().find(|unless| unless.value.covers(&subject.value));
    let Some(all) = when.iter().map(excepting).collect::<Option<Vec<_>>>() else { return };
    let Some(first) = all.first() else { return };
    let fault = Fault::new(Code::Swallowed, format!("rule `{}` is about nobody", rule.id()))
        .label("this excepts everybody whom it is about")
        .help("narrow `unless`, or remove the rule");
    sink.push(fault.at(first.place));
}

fn writable_above(path: &str) -> Option<&'static str> {
    WRITABLE.into_iter().find(|directory| is_below(path, directory) && path != *directory)
}

/// What is excepted because of where it is, and rules that follow what anybody can move.
fn writable(rule: &Draft, sink: &mut Sink) {
    for unless in &rule.unless {
        let paths = unless.value.exe().iter().chain(unless.value.ancestor());
        let Some((path, above)) = paths.into_iter().find_map(|path| Some((path, writable_above(path)?)))
        else {
            continue;
        };
        let fault =
            Fault::new(Code::WritableParent, format!("anybody can be excepted by way of {}", quote(path)))
                .label(format!("everybody can make files in {above}"))
                .help("keep the program where only root can write");
        sink.push(fault.at(unless.place));
    }
    if rule.anchors() != Anchors::Follow {
        return;
    }
    for object in &rule.objects {
        let (Object::Path(path) | Object::Subtree(path)) = &object.value else { continue };
        let Some(above) = writable_above(path) else { continue };
        let fault =
            Fault::new(Code::WritableParent, format!("{} can be moved away from the rule", quote(path)))
                .label(format!(
                    "everybody can make and move directories in {above}, and `anchors` is `follow`"
                ))
                .help("remove `anchors`, or keep it where only root can write");
        sink.push(fault.at(object.place));
    }
}

/// What is below a directory of the same rule, or in a network of it.
fn covered(rule: &Draft, sink: &mut Sink) {
    if rule.objects.len() < 2 {
        return;
    }
    let subtrees: HashMap<&str, Place> = rule
        .objects
        .iter()
        .filter_map(|object| match &object.value {
            Object::Subtree(path) => Some((path.as_str(), object.place)),
            _ => None,
        })
        .collect();
    let any = rule.objects.iter().find(|object| object.value == Object::Any);
    for object in &rule.objects {
        let above = match &object.value {
            Object::Path(path) => above(&subtrees, path, true),
            Object::Subtree(path) => above(&subtrees, path, false),
            _ => None,
        };
        let any = any.filter(|any| any.place != object.place).map(|any| any.place);
        let Some(place) = above.or(any) else { continue };
        sink.push(covered_by(object).at(object.place).see(place, "this covers it"));
    }
    networks(rule, sink);
}

/// The directory that covers a path, if there is one: as many look-ups as the path has names.
fn above(subtrees: &HashMap<&str, Place>, path: &str, itself: bool) -> Option<Place> {
    let mut rest = if itself { Some(path) } else { parent(path) };
    while let Some(path) = rest {
        if let Some(place) = subtrees.get(path) {
            return Some(*place);
        }
        rest = parent(path);
    }
    None
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

fn covered_by(object: &Placed<Object>) -> Fault {
    let shown = quote(&object.value.to_string());
    Fault::new(Code::Covered, format!("{shown} is covered already"))
        .label("another entry of this rule covers it")
        .help("remove it, or give it a rule of its own if it is to be told apart")
}

/// Networks in another one of the same rule. In their order a network follows what covers it, but for those that differ in
/// ports or protocol: these are looked at in turn, and there are few of them.
fn networks(rule: &Draft, sink: &mut Sink) {
    let mut nets: Vec<_> = rule
        .objects
        .iter()
        .filter_map(|object| match object.value {
            Object::Net(net) => Some((net, object)),
            _ => None,
        })
        .collect();
    nets.sort_unstable_by_key(|(net, _)| {
        (net.network, net.ports.first, std::cmp::Reverse(net.ports.last), net.protocol)
    });
    let mut open: Vec<(crate::plan::Net, &Placed<Object>)> = Vec::new();
    for (net, object) in nets {
        open.retain(|(outer, _)| outer.network.covers(net.network));
        if let Some((_, outer)) = open.iter().find(|(outer, _)| outer.covers(&net)) {
            sink.push(covered_by(object).at(object.place).see(outer.place, "this covers it"));
        } else {
            open.push((net, object));
        }
    }
}

/// Rules for everybody that keep programs from being started: what survives is allowed all the same, the rest is not.
fn survivors(rule: &Draft, sink: &mut Sink) {
    let starting = Operations::EXEC | Operations::MAP_EXEC | Operations::READ;
    let asked = rule.declared() & starting;
    if asked.is_empty() {
        return;
    }
    for object in &rule.objects {
        let covers = |path: &str| match &object.value {
            Object::Subtree(directory) => is_below(path, directory),
            Object::Any => true,
            _ => false,
        };
        if SURVIVORS.iter().any(|path| covers(path)) {
            let fault =
                Fault::new(Code::NoBoot, format!("rule `{}` keeps this host from working", rule.id()))
                    .label("programs and libraries that everything needs are below it")
                    .help("say for whom by `when`, name less, or begin with `mode = \"observe\"`");
            sink.push(fault.at(object.place));
        } else if let Object::Path(path) = &object.value
            && SURVIVORS.contains(&path.as_str())
        {
            let fault = Fault::new(Code::Survivor, format!("{} is never denied", quote(path)))
                .label("the survival list goes before all rules")
                .help("remove it: without it nothing could be started, not even to undo the policy");
            sink.push(fault.at(object.place));
        }
    }
}

/// Rules that allow what their tenant does not deny.
fn idle_allow(rules: &[Draft], sink: &mut Sink) {
    if rules.iter().all(|rule| rule.action() == Action::Deny) {
        return;
    }
    let mut denied: HashMap<&str, Operations> = HashMap::new();
    for rule in rules.iter().filter(|rule| rule.action() == Action::Deny) {
        if let Some(tenant) = &rule.tenant {
            *denied.entry(tenant.value.as_str()).or_insert(Operations::empty()) |= rule.declared().widened();
        }
    }
    for rule in rules.iter().filter(|rule| rule.action() == Action::Allow) {
        let Some(tenant) = &rule.tenant else { continue };
        let by_tenant = denied.get(tenant.value.as_str()).copied().unwrap_or(Operations::empty());
        if !by_tenant.intersects(rule.declared()) {
            let fault =
                Fault::new(Code::IdleAllow, format!("rule `{}` allows what nothing denies", rule.id()))
                    .label("no rule of this tenant denies any of its operations")
                    .help("remove it, or add what it is an exception from");
            sink.push(fault.at(rule.place));
        }
    }
}

/// Who can open a disk can read and write every file on it.
fn raw_devices(rules: &[Draft]) -> Option<crate::Diagnostic> {
    let contents = Operations::READ | Operations::WRITE | Operations::APPEND;
    let is_file = |object: &Placed<Object>| {
        matches!(object.value, Object::Path(_) | Object::Subtree(_) | Object::Inode { .. })
    };
    let is_device = |object: &Placed<Object>| match &object.value {
        Object::Path(path) | Object::Subtree(path) => is_below(path, DEVICES),
        Object::Any => true,
        _ => false,
    };
    let on_files = || rules.iter().filter(|rule| rule.declared().intersects(contents));
    if on_files().any(|rule| rule.objects.iter().any(is_device)) {
        return None;
    }
    let (rule, object) =
        on_files().find_map(|rule| Some((rule, rule.objects.iter().find(|object| is_file(object))?)))?;
    let fault = Fault::new(Code::RawDevices, "block devices are left open")
        .label(format!("whoever opens the disk below it gets around rule `{}`", rule.id()))
        .help("deny `read` and `write` of the host's disks in `/dev` to all but the programs that need them; root can load \
               modules that do it all the same");
    Some(fault.at(object.place))
}
