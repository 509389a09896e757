//! The settings of this run of the command: options are their top layer.

use crate::exit::{Exit, Failure};
use crate::{Common, CommonArgs, output};
use aegis_config::{Flag, Loaded, Places, Report, Settings, Value};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Options that were given, as a layer.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<Flag>);

impl Flags {
    /// Those of every verb.
    pub(crate) fn of(common: &CommonArgs) -> Self {
        let mut flags = Self::default();
        flags.path("daemon.bpffs_root", "--bpffs-root", common.bpffs_root.as_deref());
        flags.path("daemon.socket", "--socket", common.socket.as_deref());
        flags
    }

    fn push(&mut self, key: &'static str, option: String, value: Value) {
        self.0.push(Flag { key, option, value });
    }

    /// An option without a value.
    pub(crate) fn switch(&mut self, key: &'static str, option: &str, value: Value) {
        self.push(key, option.to_owned(), value);
    }

    /// An option with a word.
    pub(crate) fn word(&mut self, key: &'static str, option: &str, word: Option<&str>) {
        if let Some(word) = word {
            self.push(key, format!("{option} {word}"), Value::Text(word.to_owned()));
        }
    }

    /// An option with a number.
    pub(crate) fn integer(&mut self, key: &'static str, option: &str, number: Option<u32>) {
        if let Some(number) = number {
            self.push(key, format!("{option} {number}"), Value::Integer(number));
        }
    }

    /// An option with a path.
    pub(crate) fn path(&mut self, key: &'static str, option: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.word(key, option, Some(&path.to_string_lossy()));
        }
    }

    /// An option that can be given more than once.
    pub(crate) fn list(&mut self, key: &'static str, option: &str, items: &[String]) {
        if !items.is_empty() {
            let given: Vec<String> = items.iter().map(|item| format!("{option} {item}")).collect();
            self.push(key, given.join(" "), Value::List(items.to_vec()));
        }
    }

    /// The same with paths.
    pub(crate) fn paths(&mut self, key: &'static str, option: &str, paths: &[PathBuf]) {
        let items: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        self.list(key, option, &items);
    }
}

/// Loads the settings, or fails with all that is wrong told on standard error.
pub(crate) fn load(common: &CommonArgs, flags: &Flags) -> anyhow::Result<Loaded> {
    try_load(common, flags).map_err(|report| {
        output::note(render(&report).trim_end());
        refusal(&report).into()
    })
}

/// Loads the settings.
pub(crate) fn try_load(common: &CommonArgs, flags: &Flags) -> Result<Loaded, Report> {
    let places = Places { root: common.config_root.clone(), file: common.config.clone() };
    let variables: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| aegis_config::is_variable(name)).collect();
    aegis_config::load(&places, &variables, &flags.0)
}

/// What the command ends with when the configuration is wrong.
pub(crate) fn refusal(report: &Report) -> Failure {
    Failure::new(Exit::Refused, format!("{} error(s) in the configuration", report.errors()))
}

fn render(report: &Report) -> String {
    report.render(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
}

/// Where a verb finds the daemon and its pins. A configuration that is wrong does not stop it: who must get something
/// down in a hurry cannot put that right first.
pub(crate) fn places(args: &CommonArgs) -> Common {
    let with = |bpffs_root: &Path, socket: &Path| Common {
        bpffs_root: args.bpffs_root.clone().unwrap_or_else(|| bpffs_root.to_owned()),
        socket: args.socket.clone().unwrap_or_else(|| socket.to_owned()),
        output: args.output,
    };
    if let (Some(bpffs_root), Some(socket)) = (&args.bpffs_root, &args.socket) {
        return with(bpffs_root, socket);
    }
    let settings = try_load(args, &Flags::default()).map(|loaded| loaded.settings);
    let daemon = settings.unwrap_or_else(|report| built_in(args, &report)).daemon;
    with(&daemon.bpffs_root, &daemon.socket)
}

/// The built-in settings, and a word on it.
fn built_in(args: &CommonArgs, report: &Report) -> Settings {
    let settings = Settings::default();
    let root = ("--bpffs-root", args.bpffs_root.is_none(), &settings.daemon.bpffs_root);
    let socket = ("--socket", args.socket.is_none(), &settings.daemon.socket);
    let taken: Vec<String> = [root, socket]
        .iter()
        .filter(|(_, missing, _)| *missing)
        .map(|(option, _, path)| format!("{option} {}", path.display()))
        .collect();
    output::note(&format!(
        "warning: {} error(s) in the configuration, see `aegisbpf config check`; taken is what is built in: {}",
        report.errors(),
        taken.join(" ")
    ));
    settings
}
