//! What can stand where: each kind of table with its keys, and what these take. Messages, the schema and the reference
//! are all made from these tables.

/// A kind of table.
#[derive(Debug)]
pub(crate) struct Section {
    /// What messages call it.
    pub(crate) what: &'static str,
    /// Where in a file its keys go.
    pub(crate) goes: &'static str,
    /// The keys it has.
    pub(crate) keys: &'static [Key],
    /// Those that must be there.
    pub(crate) required: &'static [&'static str],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// What it means.
    pub(crate) means: &'static str,
}

/// Words that a key takes.
pub(crate) type Words = fn() -> Vec<&'static str>;

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// The version of the format.
    Version,
    /// A name.
    Name,
    /// An integer in these bounds.
    Integer(u64, u64),
    /// A moment: date, time, and offset from UTC.
    Moment,
    /// `true` alone.
    Flag,
    /// A text of at most so many bytes.
    Text(u32),
    /// One of these words.
    Word(Words),
    /// Some of these words, or one.
    Words(Words),
    /// Texts of this shape (a regular expression), or one.
    Texts(&'static str),
    /// Numbers and ranges of users or groups.
    Ids,
    /// Namespaces: numbers, or `host`.
    Namespaces,
    /// A table.
    Table(&'static Section),
    /// Tables, each under a header of its own.
    Tables(&'static Section),
    /// Tables, or one.
    Alternatives(&'static Section),
    /// Tables with names of the author's.
    Named(&'static Section),
}

impl Section {
    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Whether it has this key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}

/// A row of such a table.
pub(crate) const fn key(name: &'static str, takes: Takes, means: &'static str) -> Key {
    Key { name, takes, means }
}
