//! Compiles the probes with clang. The objects are part of the library: a host needs no compiler.
#![allow(clippy::disallowed_methods, reason = "this is main")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Every object, by the stem of its source.
const OBJECTS: [&str; 6] = ["called", "empty", "fallback", "holders", "lsm", "resolve"];

/// Compilers that are tried, the best known first. Anything from 14 on will do.
const COMPILERS: [&str; 8] =
    ["clang-19", "clang", "clang-20", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"];

fn main() {
    let source = Path::new("bpf");
    println!("cargo:rerun-if-changed=bpf");
    println!("cargo:rerun-if-env-changed=AEGIS_CLANG");
    let Some(compiler) = compiler() else {
        println!("cargo:warning=no clang found: install it with `cargo xtask setup`, or set AEGIS_CLANG");
        std::process::exit(1);
    };
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo:warning=OUT_DIR is not set: this program is for cargo to run");
        std::process::exit(1);
    };
    for stem in OBJECTS {
        compile(&compiler, &source.join(format!("{stem}.bpf.c")), &out.join(format!("{stem}.bpf.o")));
    }
}

fn compiler() -> Option<String> {
    let named = std::env::var("AEGIS_CLANG").ok();
    let runs =
        |name: &String| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    named.into_iter().chain(COMPILERS.map(str::to_owned)).find(runs)
}

fn compile(compiler: &str, source: &Path, object: &Path) {
    let status = Command::new(compiler)
        // Absolute paths in debug information would make the digest of the object depend on where it was built.
        .args([
            "-target",
            "bpf",
            "-mcpu=v3",
            "-O2",
            "-g",
            "-fdebug-prefix-map=bpf=bpf",
            "-fdebug-compilation-dir=.",
        ])
        .args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-const-variable"])
        .args(["-Wno-unused-variable", "-Wno-unused-function", "-c"])
        .arg(source)
        .arg("-o")
        .arg(object)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("cargo:warning={compiler} could not compile {}", source.display());
        std::process::exit(1);
    }
}
