//! Names and paths as long as they may be, and ways through many directories.

use super::Row;

/// One below 200 directories.
const fn deep(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).path("$DEEPfile").first("make_below(DEEP + 'file')")
}

/// One with a name of 255 bytes.
const fn long(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).path("$LONG").first("make(LONG)")
}

/// One whose path has 4,095 bytes.
const fn far(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).path("$FAR").first("make_below(far())")
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    long("long-name-read", "read", "read(LONG)"),
    long("long-name-removed", "unlink", "os.remove(LONG)"),
    long("long-name-renamed", "rename", "os.rename(LONG, 'new')"),
    long("long-name-made-anew", "read", "read(LONG)").slot().exempt("os.remove(LONG); make(LONG)"),
    Row::new("long-name-created", "create", "make(LONG)").path("$LONG").slot(),
    Row::new("long-name-renamed-into", "rename", "os.rename('other', LONG)").path("$LONG").slot(),
    Row::allowed(
        "long-name-with-another-end",
        "create write",
        "gone(LONG[:-1] + 'm'); make(LONG[:-1] + 'm')",
    )
    .path("$LONG"),
    Row::allowed("long-name-but-for-one", "create write", "gone(LONG[:-1]); make(LONG[:-1])").path("$LONG"),
    deep("deep-read", "read", "read(DEEP + 'file')"),
    deep("deep-read-by-steps", "read", "name = by_steps(DEEP + 'file'); read(name)"),
    deep("deep-made-anew", "read", "read(DEEP + 'file')")
        .slot()
        .exempt("os.remove(DEEP + 'file'); make(DEEP + 'file')"),
    deep("deep-way-renamed", "read", "os.rename(DEEP[:100], DEEP[:99] + 'x')").anchor().tells("rename"),
    deep("deep-way-renamed-at-its-end", "read", "os.rename(DEEP[:-1], DEEP[:-2] + 'x')")
        .anchor()
        .tells("rename"),
    far("far-read", "read", "read(os.path.abspath(far()))"),
    far("far-read-by-steps", "read", "way = by_steps(far()); read(way)"),
    far("far-removed", "unlink", "os.remove(far())"),
    far("far-made-anew", "read", "read(far())").slot().exempt("os.remove(far()); make(far())"),
    far("far-way-renamed", "read", "os.rename('f' * 255, 'new')").anchor().tells("rename"),
];
