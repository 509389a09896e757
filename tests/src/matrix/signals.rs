//! What a process gets beside the error, and what becomes of one that goes on.

use super::Row;

/// Goes on after SIGTERM so many times; the last error counts.
macro_rules! going_on {
    ($times:literal) => {
        concat!(
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlast = None\nfor turn in range(",
            $times,
            "):\n    try: read('file')\n    except OSError as error: last = error\nif last: raise last"
        )
    };
}

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row::new("none", "read", "read('file')").more("signal = \"none\""),
    Row::new("term", "read", "read('file')").more("signal = \"term\"").killed(SIGTERM),
    Row::new("int", "read", "signal.signal(signal.SIGINT, signal.SIG_DFL); read('file')")
        .more("signal = \"int\"")
        .killed(SIGINT),
    Row::new("kill", "read", "read('file')").more("signal = \"kill\"").killed(SIGKILL),
    Row::new("ignored", "read", "signal.signal(signal.SIGTERM, signal.SIG_IGN); read('file')")
        .more("signal = \"term\""),
    Row::new("fewer-than-escalate", "read", going_on!("2"))
        .more("signal = \"term\"\nescalate = { after = 3, within_seconds = 60 }"),
    Row::new("escalated", "read", going_on!("3"))
        .more("signal = \"term\"\nescalate = { after = 3, within_seconds = 60 }")
        .killed(SIGKILL),
    Row::new(
        "escalated-in-a-child",
        "read",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)
for turn in range(2):
    try: read('file')
    except OSError: pass
child = os.fork()
if not child:
    try: read('file')
    finally: os._exit(0)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
if ended == -9: raise OSError(EPERM, 'killed')",
    )
    .more("signal = \"term\"\nescalate = { after = 3, within_seconds = 60 }"),
    Row::new(
        "too-slow-to-escalate",
        "read",
        "import time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for turn in range(2):
    try: read('file')
    except OSError: time.sleep(1.2)
read('file')",
    )
    .more("signal = \"term\"\nescalate = { after = 3, within_seconds = 1 }"),
];
