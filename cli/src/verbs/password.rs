//! Passwords of secret keys: from a file, from the terminal, or none.

use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the password is.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// The first line of this file is the password. Without it the terminal is asked.
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    password_file: Option<PathBuf>,
    /// The secret key has no password: whoever can read its file can sign.
    #[arg(long)]
    no_password: bool,
}

impl PasswordArgs {
    /// A new one, which is asked for twice. Nothing if there is to be none.
    pub(crate) fn new_one(&self) -> Result<Option<String>> {
        if self.no_password {
            return Ok(None);
        }
        let password = match &self.password_file {
            Some(file) => of_file(file)?,
            None => {
                let password = ask("Password for the secret key: ")?;
                if ask("The same once more: ")? != password {
                    bail!("the two passwords differ; nothing was written, try again");
                }
                password
            }
        };
        if password.is_empty() {
            bail!("the password is empty; if the secret key is to have none, say --no-password");
        }
        Ok(Some(password))
    }

    /// That of a key that has one.
    pub(crate) fn of_key(&self) -> Result<String> {
        match &self.password_file {
            Some(file) => of_file(file),
            None if self.no_password => bail!("the secret key has a password; leave out --no-password"),
            None => ask("Password of the secret key: "),
        }
    }
}

fn of_file(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the password in {}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn ask(what: &str) -> Result<String> {
    rpassword::prompt_password(what)
        .context("there is no terminal to ask for the password; name a file with --password-file")
}
