//! `keys generate`: a pair of keys as minisign has them.

use super::super::password::PasswordArgs;
use super::Shown;
use crate::output::{self, Format};
use aegis_trust::Key;
use anyhow::{Context, Result, bail};
use clap::Args;
use minisign::KeyPair;
use serde::Serialize;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Options of `keys generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The secret key is written to PREFIX.key and the public one to PREFIX.pub. Nothing is overwritten.
    #[arg(long, value_name = "PREFIX", default_value = "aegisbpf")]
    out: PathBuf,
    /// What is written beside the public key, such as whose it is.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Generated {
    version: u32,
    secret: PathBuf,
    public: Shown,
}

pub(super) fn run(format: Format, args: &GenerateArgs) -> Result<()> {
    if args.comment.as_ref().is_some_and(|comment| comment.contains(char::is_control)) {
        bail!("the comment must be one line of text");
    }
    let (secret_path, public_path) = (with(&args.out, ".key"), with(&args.out, ".pub"));
    // Before anybody is asked anything.
    for path in [&secret_path, &public_path] {
        if path.symlink_metadata().is_ok() {
            bail!(
                "{} is there already, and is not overwritten; name another place with --out",
                path.display()
            );
        }
    }
    let (secret, key) = make(args.password.new_one()?, args.comment.as_deref())?;
    create(&secret_path, 0o600, &secret)?;
    if let Err(error) = create(&public_path, 0o644, &key.to_text()) {
        // Half a pair is of no use to anybody.
        let _ = std::fs::remove_file(&secret_path);
        return Err(error);
    }
    if format == Format::Json {
        return output::json(&Generated {
            version: 1,
            public: Shown::of(&key, &public_path),
            secret: secret_path,
        });
    }
    output::line(&format!("key {}", key.id()));
    output::line(&format!("secret: {}, to sign with; keep it to yourself", secret_path.display()));
    output::line(&format!("public: {}, for `aegisbpf keys add` on each host", public_path.display()));
    Ok(())
}

/// The text of the secret key, and the public one.
fn make(password: Option<String>, comment: Option<&str>) -> Result<(String, Key)> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.context("cannot make a pair of keys")?;
    let key = Key::parse(&pair.pk.to_base64())?;
    let comment = comment.map_or_else(|| format!("minisign public key {}", key.id()), str::to_owned);
    let key = Key::parse(&format!("untrusted comment: {comment}\n{}\n", pair.pk.to_base64()))?;
    let secret = pair.sk.to_box(Some(&format!("minisign secret key {}", key.id())));
    Ok((secret.context("cannot write the secret key")?.into_string(), key))
}

fn with(prefix: &Path, end: &str) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Writes a file that was not there.
fn create(path: &Path, mode: u32, text: &str) -> Result<()> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|file| {
        let done = fill(file, mode, text);
        if done.is_err() {
            let _ = std::fs::remove_file(path);
        }
        done
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn fill(mut file: File, mode: u32, text: &str) -> std::io::Result<()> {
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
