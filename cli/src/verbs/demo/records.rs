//! The records of one daemon, read as they come.

use crate::client::Client;
use aegis_control_api::{BlockRecord, Record, paths};
use anyhow::{Context, Result};

/// Records of decisions that no attempt has claimed yet.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The number of the last record that was read; a new daemon counts from 1 again.
    last: u64,
    kept: Vec<BlockRecord>,
}

impl Records {
    /// Reads what has come since.
    pub(super) fn read(&mut self, client: &Client) -> Result<()> {
        let mut bytes = Vec::new();
        client.stream(&format!("{}?after={}", paths::EVENTS, self.last), |piece| {
            bytes.extend_from_slice(piece);
            true
        })?;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.take(serde_json::from_slice(line).context("cannot read a record")?);
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Block(record) => {
                self.last += 1;
                self.kept.push(*record);
            }
            // It stands for the records that it counts, and is none itself.
            Record::Gap(gap) if gap.reason == "evicted" => self.last += gap.count,
            Record::Lifecycle(_) | Record::Summary(_) | Record::Gap(_) => self.last += 1,
        }
    }

    /// The first record for which something holds. It is handed out once.
    pub(super) fn claim(&mut self, holds: impl Fn(&BlockRecord) -> bool) -> Option<BlockRecord> {
        let found = self.kept.iter().position(holds)?;
        Some(self.kept.remove(found))
    }
}
