//! What a rule is about: its operations and objects, and whether they go together.

use super::{digest, inode, net, path, words};
use crate::diagnostic::{Code, Fault, Place, Sink, enumerate};
use crate::plan::{Net, Object, Operations, Verity};
use crate::syntax::{Fields, Placed};
use std::collections::HashSet;

/// The keys of objects.
const OBJECTS: [&str; 8] = ["path", "subtree", "inode", "sha256", "fsverity", "net", "unix", "any"];

pub(super) fn operations(fields: &Fields<'_>, sink: &mut Sink) -> Vec<Placed<Operations>> {
    fields.require("on", "on = [\"read\", \"write\"]", sink);
    let mut all: Vec<Placed<Operations>> = Vec::new();
    for text in fields.texts("on", sink) {
        let Some(operation) = text.parsed(words::operation, sink) else { continue };
        if all.iter().any(|known| known.value == operation.value) {
            sink.push(words::repeated(text.value).at(text.place));
        } else {
            all.push(operation);
        }
    }
    all
}

/// What a text of an object's key means.
type Read = fn(&str) -> Result<Object, Fault>;

pub(super) fn objects(fields: &Fields<'_>, sink: &mut Sink) -> Vec<Placed<Object>> {
    if !OBJECTS.iter().any(|key| fields.has(key)) {
        sink.push(no_object(fields.place));
    }
    let kinds: [(&str, Read); 7] = [
        ("path", path::object),
        ("subtree", path::subtree),
        ("inode", inode::object),
        ("sha256", digest::sha256),
        ("fsverity", digest::fsverity),
        ("net", |text| net::net(text).map(Object::Net)),
        ("unix", path::socket),
    ];
    let mut objects: Vec<Placed<Object>> = Vec::new();
    // Only of lists: most rules name one thing.
    let mut seen: HashSet<Object> = HashSet::new();
    for (key, read) in kinds {
        for text in fields.texts(key, sink) {
            if ["path", "subtree", "unix"].contains(&key) {
                sink.extend(path::wildcard(text.value).map(|fault| fault.at(text.place)));
            }
            let Some(object) = text.parsed(read, sink) else { continue };
            if let [first] = &objects[..] {
                seen.insert(first.value.clone());
            }
            if !objects.is_empty() && !seen.insert(object.value.clone()) {
                sink.push(words::repeated(text.value).at(text.place));
            } else {
                objects.push(object);
            }
        }
    }
    objects.extend(fields.flag("any", sink).map(|place| Placed { value: Object::Any, place }));
    objects
}

fn no_object(place: Place) -> crate::Diagnostic {
    Fault::new(Code::NoObject, "the rule protects nothing")
        .label(format!("it has none of {}", enumerate(OBJECTS)))
        .help("add what to protect, such as `path = [\"/etc/shadow\"]`")
        .at(place)
}

/// Each object must be of a kind that one of the operations can concern, and each operation must find one.
pub(super) fn never_matches(
    on: &[Placed<Operations>],
    objects: &[Placed<Object>],
    fields: &Fields<'_>,
    sink: &mut Sink,
) {
    if on.is_empty() || objects.is_empty() {
        return;
    }
    let declared = on.iter().fold(Operations::empty(), |all, operation| all | operation.value);
    if objects.iter().all(|object| object.value.concerned_by().contains(declared)) {
        return;
    }
    // One of each kind says it all.
    let mut told = HashSet::new();
    for object in objects.iter().filter(|object| !object.value.concerned_by().intersects(declared)) {
        if told.insert(object.value.key()) {
            sink.push(foreign_object(&object.value, declared).at(object.place));
        }
    }
    let found = objects.iter().fold(Operations::empty(), |all, object| all | object.value.concerned_by());
    // What was not valid might have been what the operation is about.
    let is_complete = OBJECTS.iter().filter(|key| fields.has(key)).count() == kinds(objects);
    for operation in on.iter().filter(|operation| is_complete && !found.contains(operation.value)) {
        sink.push(foreign_operation(operation.value).at(operation.place));
    }
}

fn kinds(objects: &[Placed<Object>]) -> usize {
    objects.iter().map(|object| object.value.key()).collect::<HashSet<_>>().len()
}

fn foreign_object(object: &Object, declared: Operations) -> Fault {
    let operations = enumerate(declared.words());
    let key = object.key();
    let can = enumerate(object.concerned_by().words());
    Fault::new(Code::NeverMatches, format!("{operations} can never concern `{key}`"))
        .label("none of the rule's operations is ever done with it")
        .help(format!("`{key}` goes with {can}: add one of them, or name something else"))
}

fn foreign_operation(operation: Operations) -> Fault {
    let word = enumerate(operation.words());
    let one_of_each = [
        Object::Path(String::new()),
        Object::Subtree(String::new()),
        Object::Inode { major: 0, minor: 0, ino: 0, inode_generation: None },
        Object::Sha256([0; 32]),
        Object::Verity(Verity::Sha256([0; 32])),
        Object::Net(Net::ANY),
        Object::Unix(String::new()),
        Object::Any,
    ];
    let keys = one_of_each.iter().filter(|object| object.concerned_by().contains(operation)).map(Object::key);
    let help = match &keys.collect::<Vec<_>>()[..] {
        [only] => format!("write `{only} = true` into the rule, or remove the operation"),
        some => format!("name that by one of {}, or remove the operation", enumerate(some.iter().copied())),
    };
    Fault::new(Code::NeverMatches, format!("{word} can never concern anything that the rule names"))
        .label("nothing is named that it could be done with")
        .help(help)
}
