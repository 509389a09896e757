//! What `cargo xtask fuzz` asks this crate for. It is a program, as the tasks of the repository must be there before a
//! compiler for the probes is.
#![forbid(unsafe_code)]

use aegis_fuzz::{TARGETS, Target, dictionary};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["list"] => list(),
        ["write", target, folder] => named(target).and_then(|target| write(target, Path::new(folder))),
        ["try", target, file] => named(target).and_then(|target| once(target, file)),
        _ => Err(io::Error::other("inputs list | write TARGET FOLDER | try TARGET FILE")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("inputs: {error}");
            ExitCode::from(2)
        }
    }
}

fn named(name: &str) -> io::Result<&'static Target> {
    Target::named(name).ok_or_else(|| io::Error::other(format!("there is no target `{name}`")))
}

/// The names of all targets, one in a line.
fn list() -> io::Result<bool> {
    TARGETS.iter().try_for_each(|target| writeln!(io::stdout(), "{}", target.name)).map(|()| true)
}

/// The seeds, one in a file, and the words of the language.
fn write(target: &Target, folder: &Path) -> io::Result<bool> {
    let seeds = folder.join("seeds");
    fs::create_dir_all(&seeds)?;
    for (number, seed) in target.seeds()?.iter().enumerate() {
        fs::write(seeds.join(number.to_string()), seed)?;
    }
    fs::write(folder.join("words"), dictionary()).map(|()| true)
}

/// Whether all holds of one input.
fn once(target: &Target, file: &str) -> io::Result<bool> {
    let input = fs::read(file).map_err(|error| io::Error::other(format!("cannot read {file}: {error}")))?;
    let outcome = catch_unwind(AssertUnwindSafe(|| target.check(&input)));
    let found = outcome.unwrap_or_else(|_| Err("it panicked".to_owned())).err();
    writeln!(io::stdout(), "{}: {}", target.name, found.as_deref().unwrap_or("all holds"))?;
    Ok(found.is_none())
}
