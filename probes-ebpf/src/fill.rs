//! How full the tables are. What is in them is told elsewhere.

use aegis_kernel_abi::GenerationInfo;

/// A table whose entries are counted. There are no others, whatever a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The rules in force.
    Rules,
    /// Objects and directories that have rows.
    Objects,
    /// Names in directories.
    Slots,
    /// What rules became.
    Rows,
    /// Exempt cgroups.
    Exempt,
    /// Conditions on who acts.
    Conditions,
    /// What these list.
    Members,
    /// Ranges of users and groups in them.
    Ranges,
    /// Who and what is never denied.
    Survival,
    /// What is decided over and over.
    Storms,
    /// What summaries have told of it.
    Summarised,
}

impl Table {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::Rules,
        Self::Objects,
        Self::Slots,
        Self::Rows,
        Self::Exempt,
        Self::Conditions,
        Self::Members,
        Self::Ranges,
        Self::Survival,
        Self::Storms,
        Self::Summarised,
    ];

    /// Its name, which is that of the map.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Objects => "objects",
            Self::Slots => "slots",
            Self::Rows => "rows",
            Self::Exempt => "exempt",
            Self::Conditions => "conditions",
            Self::Members => "members",
            Self::Ranges => "ranges",
            Self::Survival => "survival",
            Self::Storms => "storms",
            Self::Summarised => "summarised",
        }
    }

    /// Entries of this table as they were loaded; `None` if it belongs to no generation.
    pub(crate) fn loaded(self, info: &GenerationInfo) -> Option<u32> {
        match self {
            Self::Rules => Some(info.rules),
            Self::Objects => Some(info.objects),
            Self::Slots => Some(info.slots),
            Self::Rows => Some(info.rows),
            Self::Exempt => Some(info.exempt),
            Self::Conditions => Some(info.conditions),
            Self::Members => Some(info.members),
            Self::Ranges => Some(info.ranges),
            Self::Survival | Self::Storms | Self::Summarised => None,
        }
    }
}

/// How full one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Which.
    pub table: Table,
    /// Entries that are in it.
    pub entries: u64,
    /// Entries that it has room for.
    pub capacity: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::MAPS;

    #[test]
    fn each_is_a_map_of_that_name() {
        for table in Table::ALL {
            assert!(MAPS.contains(&table.word()), "{table:?}");
        }
    }
}
