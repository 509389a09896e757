//! `policy sign`: a signature as minisign makes them.

use super::{compile, read_sources};
use crate::Common;
use crate::file;
use crate::output::{self, Format};
use crate::verbs::password::PasswordArgs;
use aegis_trust::{Given, Key, MOST_BYTES, NAMESPACE, Trust};
use anyhow::{Context, Result, anyhow, bail};
use base64ct::{Base64, Encoding};
use clap::Args;
use minisign::{PublicKey, SecretKey, SecretKeyBox};
use serde::Serialize;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Cursor, Read};
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `policy sign`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The policy. What does not compile is not signed.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The secret key: that of `aegisbpf keys generate`, or of `minisign -G`.
    #[arg(long, value_name = "SECRET")]
    key: PathBuf,
    /// Where the signature is written, in place of FILE.minisig. `--output` is understood here, too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What was signed.
#[derive(Debug, Serialize)]
struct Signed {
    version: u32,
    policy: String,
    file: PathBuf,
    key: String,
    signature: PathBuf,
}

/// The words of a command line. The C++ AegisBPF has `sign … --output FILE`, where `--output` is how results are written
/// here: what is none of its words is the file.
pub(crate) fn understood(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if !words.windows(2).any(|pair| pair[0] == "policy" && pair[1] == "sign") {
        return words;
    }
    let is_format = |word: &str| ["table", "json"].contains(&word);
    for at in 0..words.len() {
        let next = words.get(at + 1).map(|next| next.to_string_lossy().into_owned());
        let word = words[at].to_string_lossy().into_owned();
        match word.strip_prefix("--output=") {
            Some(value) if !is_format(value) => words[at] = format!("--out={value}").into(),
            None if word == "--output" && next.is_some_and(|next| !is_format(&next)) => {
                words[at] = "--out".into();
            }
            _ => {}
        }
    }
    words
}

pub(super) fn run(common: &Common, args: &SignArgs) -> Result<()> {
    if args.file == Path::new("-") {
        bail!("a signature belongs to a file; name the policy's");
    }
    let sources = read_sources(std::slice::from_ref(&args.file))?;
    let plan = compile(&sources)?.plan;
    let message = sources.first().map(|source| source.text.as_bytes()).unwrap_or_default();
    let secret = secret(args)?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().replace(char::is_control, "?");
    let (text, key) = sign(&secret, message, &name)?;
    let signature = args.out.clone().unwrap_or_else(|| beside(&args.file));
    file::replace(&signature, &text)?;
    if plan.serial().is_none() {
        output::note(
            "note: the policy has no `serial`, and is refused where a signature is required; give it one that grows",
        );
    }
    let signed = Signed {
        version: 1,
        policy: plan.name().to_string(),
        file: args.file.clone(),
        key: key.id(),
        signature,
    };
    if common.output == Format::Json {
        return output::json(&signed);
    }
    let (file, path) = (signed.file.display(), signed.signature.display());
    output::line(&format!("signed {file} (policy {}) by the key {}: {path}", signed.policy, signed.key));
    Ok(())
}

fn beside(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".minisig");
    path.into()
}

/// The text of a signature, and the public key that it is by. It is verified before anybody gets it.
fn sign(secret: &SecretKey, message: &[u8], name: &str) -> Result<(String, Key)> {
    let public = PublicKey::from_secret_key(secret).context("the secret key has no public one")?;
    let key = Key::parse(&public.to_base64())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let trusted = format!("timestamp:{now}\tfile:{name}\thashed");
    let untrusted = format!("signature from minisign secret key {}", key.id());
    let signed =
        minisign::sign(Some(&public), secret, Cursor::new(message), Some(&trusted), Some(&untrusted));
    let text = signed.context("cannot sign")?.into_string();
    let trust = Trust::new(vec![key.clone()], NonZeroU8::MIN)?;
    aegis_trust::verify(&trust, message, &[Given { name: "the new signature", text: &text }])?;
    Ok((text, key))
}

/// Reads the secret key, and asks for its password if it has one.
fn secret(args: &SignArgs) -> Result<SecretKey> {
    let path = args.key.display();
    let mut text = String::new();
    File::open(&args.key)
        .and_then(|file| file.take(MOST_BYTES as u64).read_to_string(&mut text))
        .with_context(|| format!("cannot read the secret key {path}"))?;
    if text.contains("PRIVATE KEY-----") {
        let file = args.file.display();
        bail!(
            "{path} is a secret key of OpenSSH, which signs itself: `ssh-keygen -Y sign -n {NAMESPACE} -f {path} {file}` \
             writes {file}.sig"
        );
    }
    if Key::parse(&text).is_ok() {
        bail!("{path} is a public key; sign with the secret one, whose file ends in `.key`");
    }
    let damaged = || {
        anyhow!(
            "{path} is no secret key, or a damaged one; make one with `aegisbpf keys generate` or `minisign -G`"
        )
    };
    let bytes = text.lines().nth(1).and_then(|line| Base64::decode_vec(line).ok()).unwrap_or_default();
    let boxed = SecretKeyBox::from(text);
    match bytes.get(2..4) {
        Some(b"Sc") => boxed
            .into_secret_key(Some(args.password.of_key()?))
            .map_err(|error| anyhow!("cannot open the secret key {path}: {error}")),
        // As minisign writes them where there is no password: it leaves the sum out. A damaged one signs nothing either, as
        // its signatures do not fit.
        Some([0, 0]) if bytes.ends_with(&[0; 32]) => SecretKey::from_bytes(&bytes).map_err(|_| damaged()),
        Some([0, 0]) => boxed.into_unencrypted_secret_key().map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_understood() {
        let rows = [
            ("a policy sign --output f p", "a policy sign --out f p"),
            ("a policy sign --output=f p", "a policy sign --out=f p"),
            ("a policy sign --output json p", "a policy sign --output json p"),
            ("a policy sign --output=table p", "a policy sign --output=table p"),
            ("a policy sign p --output", "a policy sign p --output"),
            ("a policy lint --output f", "a policy lint --output f"),
        ];
        for (given, expected) in rows {
            let words = understood(given.split(' ').map(OsString::from));
            assert_eq!(words.join(" ".as_ref()), expected);
        }
    }
}
