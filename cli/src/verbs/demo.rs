//! `demo`: placeholder until written below.

use crate::Common;
use anyhow::Result;
use clap::Args;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

pub(crate) fn run(_common: &Common, _args: &DemoArgs) -> Result<()> {
    anyhow::bail!("not written yet")
}
