//! Help, and command lines that are wrong.

use crate::place::{Row, trials_of};
use libtest_mimic::Trial;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("usage", HELP).into_iter().chain(trials_of("usage", WRONG)).collect()
}

const HELP: &[Row] = &[
    Row {
        name: "help",
        words: &["--help"],
        status: 0,
        stdout: &[
            "Usage: aegisbpf [OPTIONS] <COMMAND>",
            "\n  run ",
            "\n  status ",
            "\n  health ",
            "\n  policy ",
            "\n  block ",
            "\n  allow ",
            "\n  stats ",
            "\n  events ",
            "\n  metrics ",
            "\n  detach ",
            "\n  config ",
            "\n  demo ",
            "Exit codes: 0 done, 1 failed, 2 wrong usage",
            "/sys/fs/bpf/aegisbpf",
            "/run/aegisbpf/control.sock",
        ],
        stderr: &[],
    },
    Row { name: "version", words: &["--version"], status: 0, stdout: &["aegisbpf "], stderr: &[] },
    Row {
        name: "help_of_run",
        words: &["run", "--help"],
        status: 0,
        stdout: &[
            "--enforce",
            "--observe",
            "--audit",
            "--mode",
            "--enforce-signal <SIGNAL>",
            "Setting policy.enforce_signal",
            "--config <FILE>",
            "--policy <FILE>",
            "--survival-cgroup",
            "--state-dir <DIR>",
            "--events-file <FILE>",
            "--events-file-when-full <WHAT>",
            "16,384 lines wait",
            "--stdout-when-full <WHAT>",
            "Setting sinks.stdout.when_full",
            "Setting daemon.state_dir",
        ],
        stderr: &[],
    },
    Row { name: "help_of_demo", words: &["demo", "-h"], status: 0, stdout: &["--output"], stderr: &[] },
];

const fn wrong(name: &'static str, words: &'static [&'static str], stderr: &'static [&'static str]) -> Row {
    Row { name, words, status: 2, stdout: &[], stderr }
}

const WRONG: &[Row] = &[
    wrong("no_words", &[], &["Usage: aegisbpf [OPTIONS] <COMMAND>"]),
    wrong("misspelt_verb", &["statu"], &["unrecognized subcommand 'statu'", "'status'"]),
    wrong("unknown_option", &["status", "--quick"], &["unexpected argument '--quick'"]),
    wrong(
        "unknown_format",
        &["status", "-o", "xml"],
        &["invalid value 'xml'", "[possible values: table, json]"],
    ),
    wrong("enforce_and_observe", &["run", "--enforce", "--observe"], &["'--enforce'", "'--observe'"]),
    wrong("enforce_and_audit", &["run", "--enforce", "--audit"], &["'--enforce'", "'--observe'"]),
    wrong("observe_and_mode", &["run", "--observe", "--mode=enforce"], &["'--observe'", "'--mode"]),
    wrong("unknown_mode", &["run", "--mode=block"], &["'block'", "[possible values: enforce, observe]"]),
    wrong(
        "unknown_signal",
        &["run", "--enforce-signal=hup"],
        &["'hup'", "[possible values: none, term, int, kill]"],
    ),
    wrong(
        "unknown_when_full",
        &["run", "--stdout-when-full=block"],
        &["'block'", "[possible values: wait, drop_oldest, drop_newest]"],
    ),
    wrong("block_without_verb", &["block"], &["Usage: aegisbpf block", "add", "del", "list", "clear"]),
    wrong("block_without_entries", &["block", "add"], &["<ENTRY>..."]),
    wrong("allow_without_verb", &["allow"], &["Usage: aegisbpf allow", "add", "del", "list"]),
    wrong("allow_without_cgroups", &["allow", "del"], &["<CGROUP>..."]),
    wrong("odd_ring", &["run", "--ringbuf-bytes", "5000"], &["'5000'", "not a power of two from 4096 on"]),
    wrong("small_ring", &["run", "--ringbuf-bytes", "2048"], &["'2048'", "not a power of two from 4096 on"]),
    wrong("detach_without_reason", &["detach"], &["--reason <REASON>"]),
    wrong("detach_with_blank_reason", &["detach", "--reason", " "], &["say why"]),
    wrong(
        "config_without_verb",
        &["config"],
        &["Usage: aegisbpf config", "check", "dump", "default", "schema"],
    ),
    wrong("policy_without_verb", &["policy"], &["Usage: aegisbpf policy", "lint", "apply", "reset", "show"]),
    wrong("lint_without_files", &["policy", "lint"], &["<FILE>..."]),
    wrong("apply_without_files", &["policy", "apply"], &["<FILE>..."]),
    wrong("events_after_a_word", &["events", "--after", "noon"], &["'noon'", "--after <NUMBER>"]),
];
