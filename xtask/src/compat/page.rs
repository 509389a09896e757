//! The page that is made from what was recorded. It says what was seen, and of what was not seen, that it was not.

use super::record::{Boot, Hook, Iterator, Kernel, Record, State};
use aegis_kernel_abi::Kind;
use std::fmt::Write as _;

/// The words of the kinds of probes, as they are in the record.
const LSM: &str = "lsm";
const FALLBACK: &str = "fallback";

const HEAD: &str = "\
# Compatibility

<!-- Made from compatibility.json, which `cargo xtask compat` writes. Do not edit. -->

What each kernel makes of the probes. `cargo xtask compat` boots every kernel below in a virtual machine, has it load all
programs, attaches them, and proves each by the self-check: an operation of our own, which the kernel must deny by our rule.
[compatibility.json](compatibility.json) has the same for programs. `cargo xtask ci` measures all of it again, and fails if it
is not as it stands here.

A cell says how far a program goes, and how many instructions the verifier looked at before it took it, each as often as it
came by; the verifier gives up at a million. The objects were compiled by the clang that `cargo xtask setup` installs.

- **enforces**: it is attached, and the self-check was denied by our rule, about the right object.
- **reports**: it is attached, and the self-check was seen. Nothing is denied.
- **not there**: the kernel has no such hook. Where another hook is called in its place, that one is named.
- **REFUSED**, **NOT PROVEN**: told below the table, in the kernel's words.

";

/// Says what is not measured.
const OLDER: &str = "\
## Older kernels

Kernels before 6.1 are not supported, and not booted for this page. No version is looked at: the daemon tries to load the probes,
and says what came of it.

- Where the kernel refuses LSM programs as such, or lacks a hook for which no other is named in the tables above, there is only the
  audit fallback, and only if it is asked for by `--observe` or `--allow-audit-fallback`.
- Where it refuses that as well, or its verifier refuses one of the programs on hooks, `aegisbpf run` ends with an error in every
  mode. Nothing is armed then: nothing is denied, and nothing is reported.

Linux 5.10 was booted once, by hand (5.10.0-46 of Debian 11, with `bpf` in `lsm=`), and is of the second sort: its verifier refused
every program on a hook and those of the audit fallback. Of the versions between that one and 6.1 nothing is known. `aegisbpf health`
tries all of it beforehand, and changes nothing.
";

/// The whole page.
pub(super) fn page(record: &Record) -> String {
    let kernels: Vec<&Kernel> = record.kernels.iter().collect();
    let with: Vec<&Boot> = kernels.iter().map(|kernel| &kernel.with_bpf).collect();
    let without: Vec<&Boot> = kernels.iter().map(|kernel| &kernel.without_bpf).collect();
    let mut text = HEAD.to_owned();
    text.push_str("## Kernels\n\n");
    table(&mut text, &["name", "Linux", "with `bpf` in `lsm=`", "without"], kernels.iter().map(kernel_row));
    text.push_str(
        "\n`backports` is the newest kernel that Debian 13 has backports of. It moves on to newer ones by itself.\n\n",
    );
    text.push_str("## With `bpf` among the security modules\n\n");
    hooks(&mut text, &kernels, &with);
    text.push_str("## Without it: the audit fallback\n\n");
    text.push_str("The kernel was booted without `bpf` in the option `lsm=`. Nothing is denied then.\n");
    let seen = Kind::Fallback.sees().words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        text,
        "The probes of the audit fallback see {seen}, after they have happened, and nothing else.\n"
    );
    for (kernel, boot) in kernels.iter().zip(&without) {
        if let Some(why) = &boot.why {
            let _ = writeln!(text, "- {}: {}.", kernel.name, first_line(why));
        }
    }
    text.push('\n');
    hooks(&mut text, &kernels, &without);
    iterators(&mut text, &kernels, &with);
    text.push_str(OLDER);
    text
}

fn kernel_row(kernel: &&Kernel) -> Vec<String> {
    let Kernel { name, with_bpf, without_bpf } = kernel;
    vec![name.clone(), with_bpf.release.clone(), sum(with_bpf), sum(without_bpf)]
}

/// What is armed, in a few words.
fn sum(boot: &Boot) -> String {
    let there: Vec<&Hook> = boot.hooks.iter().filter(|hook| hook.state() != State::NotThere).collect();
    let proven = there.iter().filter(|hook| hook.state() == State::Proven).count();
    let lacking = match boot.hooks.len().saturating_sub(there.len()) {
        0 => String::new(),
        count => format!("; {count} not there"),
    };
    match boot.armed.as_deref() {
        Some(LSM) => format!("enforces on {proven} of {} hooks{lacking}", there.len()),
        Some(FALLBACK) => format!("audit fallback: reports on {proven} of {} hooks{lacking}", there.len()),
        Some(other) => format!("{other}: {proven} of {} hooks{lacking}", there.len()),
        None => "NOTHING can be armed".to_owned(),
    }
}

/// A table for each class, in the order in which the classes come, and what is to be told of it.
fn hooks(text: &mut String, kernels: &[&Kernel], boots: &[&Boot]) {
    let rows = || boots.iter().flat_map(|boot| &boot.hooks);
    for class in distinct(rows().map(|hook| hook.class.as_str())) {
        let names = distinct(rows().filter(|hook| hook.class == class).map(|hook| hook.hook.as_str()));
        let row = |name: &&str| {
            let cell = |boot: &&Boot| {
                let found = boot.hooks.iter().find(|hook| hook.hook == *name);
                found.map_or_else(|| "—".to_owned(), hook_cell)
            };
            std::iter::once(format!("`{name}`")).chain(boots.iter().map(cell)).collect()
        };
        let _ = writeln!(text, "### Class `{class}`\n");
        table(text, &columns("hook", kernels), names.iter().map(row));
        text.push('\n');
    }
    let before = text.len();
    for (kernel, boot) in kernels.iter().zip(boots) {
        for hook in &boot.hooks {
            let why = hook.proof.as_ref().filter(|_| hook.state() == State::Unproven);
            tell(text, &kernel.name, &hook.hook, why.or(hook.loaded.refused.as_ref()));
        }
    }
    if text.len() > before {
        text.push('\n');
    }
}

fn iterators(text: &mut String, kernels: &[&Kernel], boots: &[&Boot]) {
    text.push_str(
        "## Iterator programs\n\nThey tell the object keys of files and who holds files. They decide nothing and need no `bpf` among \
         the security\nmodules.\n\n",
    );
    let rows = || boots.iter().flat_map(|boot| &boot.iterators);
    let row = |name: &&str| {
        let find = |boot: &&Boot| boot.iterators.iter().find(|iterator| iterator.program == *name).cloned();
        let over = boots.iter().find_map(find).map(|iterator| iterator.over).unwrap_or_default();
        let cell = |boot: &&Boot| find(boot).map_or_else(|| "—".to_owned(), |found| iterator_cell(&found));
        [format!("`{name}`"), format!("`{over}`")].into_iter().chain(boots.iter().map(cell)).collect()
    };
    let names = distinct(rows().map(|iterator| iterator.program.as_str()));
    let mut columns = columns("program", kernels);
    columns.insert(1, "over");
    table(text, &columns, names.iter().map(row));
    text.push('\n');
    for (kernel, boot) in kernels.iter().zip(boots) {
        for iterator in &boot.iterators {
            tell(text, &kernel.name, &iterator.program, iterator.loaded.refused.as_ref());
        }
    }
}

/// Why something is not as it should be, where there is something to tell.
fn tell(text: &mut String, kernel: &str, what: &str, why: Option<&String>) {
    if let Some(why) = why {
        let _ = writeln!(text, "- {kernel}, `{what}`: {}", first_line(why));
    }
}

fn hook_cell(hook: &Hook) -> String {
    let count = hook.loaded.instructions.map_or_else(|| "—".to_owned(), grouped);
    match (hook.state(), hook.kind.as_str()) {
        (State::NotThere, _) => match &hook.stand_in {
            Some(other) => format!("not there: `{other}` is called"),
            None => "not there".to_owned(),
        },
        (State::Refused, _) => "REFUSED".to_owned(),
        (State::Loads, _) => format!("loads, is not armed, {count}"),
        (State::Unproven, _) => format!("NOT PROVEN, {count}"),
        (State::Proven, FALLBACK) => format!("reports, {count}"),
        (State::Proven, _) => format!("enforces, {count}"),
    }
}

fn iterator_cell(iterator: &Iterator) -> String {
    match (iterator.loaded.state(), iterator.loaded.instructions) {
        (State::NotThere, _) => "not there".to_owned(),
        (_, Some(count)) => format!("loads, {}", grouped(count)),
        (_, None) => "REFUSED".to_owned(),
    }
}

fn columns<'a>(first: &'a str, kernels: &[&'a Kernel]) -> Vec<&'a str> {
    std::iter::once(first).chain(kernels.iter().map(|kernel| kernel.name.as_str())).collect()
}

fn table(text: &mut String, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut line = |cells: &[String]| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>());
    line(&columns.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    rows.into_iter().for_each(|row| line(&row));
}

/// Each once, in the order in which they come first.
fn distinct<'a>(words: impl std::iter::Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    words.for_each(|word| {
        if !found.contains(&word) {
            found.push(word);
        }
    });
    found
}

/// The kernel's words can be as long as a whole log.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}

/// 12,345
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    grouped.into_iter().rev().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::record::PROVEN;
    use super::super::sample;
    use super::*;

    /// The page of a changed record must have each of these.
    fn check(change: impl FnOnce(&mut Kernel), expected: &[&str]) {
        let mut record = sample::record();
        change(&mut record.kernels[0]);
        let page = page(&record);
        for text in expected {
            assert!(page.contains(text), "{text} is not in\n{page}");
        }
    }

    #[test]
    fn everything_that_was_measured_is_told() {
        check(
            |_| {},
            &[
                "| 6.1 | 6.1.0-56-cloud-amd64 | enforces on 1 of 1 hooks; 1 not there | audit fallback: reports on 1 of 1 hooks |",
                "| `file_open` | enforces, 1,000 |",
                "| `file_truncate` | not there: `path_truncate` is called |",
                "| `sys_exit` | reports, 500 |",
                "| `aegis_resolve` | `task_file` | loads, 20 |",
                "- 6.1: it is not called.",
            ],
        );
    }

    #[test]
    fn nothing_is_called_enforcing_that_is_not_proven() {
        let proof = |proof: Option<&str>| {
            let proof = proof.map(str::to_owned);
            move |kernel: &mut Kernel| kernel.with_bpf.hooks[0].proof = proof
        };
        check(proof(Some(PROVEN)), &["| `file_open` | enforces, 1,000 |"]);
        check(
            proof(Some("another\nlong")),
            &["enforces on 0 of 1", "| `file_open` | NOT PROVEN, 1,000 |", "- 6.1, `file_open`: another\n"],
        );
        check(proof(None), &["enforces on 0 of 1", "| `file_open` | loads, is not armed, 1,000 |"]);
        let refused = |kernel: &mut Kernel| {
            kernel.with_bpf.armed = None;
            kernel.with_bpf.hooks[0].proof = None;
            let loaded = &mut kernel.with_bpf.hooks[0].loaded;
            (loaded.instructions, loaded.refused) = (None, Some("too complex".to_owned()));
        };
        check(
            refused,
            &["NOTHING can be armed", "| `file_open` | REFUSED |", "- 6.1, `file_open`: too complex"],
        );
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
