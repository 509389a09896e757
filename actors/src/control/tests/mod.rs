//! A real server on a temporary socket, and peers of every kind. There is no loader behind it, so what would ask one is
//! refused as failed: which is an answer like any other here.

mod many;
mod routes;
mod slow;
mod wrong;

use super::limits::{CONNECTIONS, FOR_ROOT, Patience};
use super::run::{Daemon, router};
use super::server::{Places, serve};
use crate::router::Numbering;
use crate::sink::{Progress, WhenFull};
use crate::spool::{Journal, Store, WhenFulls};
use crate::ways::Ways;
use aegis_control_api::{Refusal, RefusalKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Short, so that tests are, and long enough for a busy machine.
const SHORT: Patience = Patience {
    headers: Duration::from_secs(2),
    piece: Duration::from_secs(2),
    body: Duration::from_secs(4),
    reading: Duration::from_secs(2),
};

/// For tests in which nobody is to be cut.
const LONG: Patience = Patience {
    headers: Duration::from_secs(60),
    piece: Duration::from_secs(60),
    body: Duration::from_secs(60),
    reading: Duration::from_secs(60),
};

/// A server, while a test uses it.
struct Host {
    directory: tempfile::TempDir,
    journal: Journal,
    places: Places,
}

impl Host {
    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Sends bytes on a connection of their own, and gives all that comes until it is closed.
    async fn says(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // It may be closed before it was all sent.
        let _ = stream.write_all(bytes.as_ref()).await;
        rest(&mut stream).await
    }

    /// Another peer is answered at once, whatever the others do.
    async fn answers(&self) {
        let answer = tokio::time::timeout(Duration::from_secs(1), self.says(get("/v1/openapi.json"))).await;
        assert_eq!(status(&answer.expect("it answers in time")), 200);
    }

    /// All connections have ended.
    async fn is_left_alone(&self) {
        for _ in 0..200 {
            if self.places.taken() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} connections are left over", self.places.taken());
    }
}

fn daemon(journal: Journal, patience: Patience) -> Arc<Daemon> {
    let numbering = Numbering { boot_id: "boot".to_owned(), arming_id: "arming".to_owned() };
    let when_fulls = WhenFulls { stdout: WhenFull::DropNewest, events_file: WhenFull::Wait };
    let store = Store::new(journal, numbering, when_fulls, Progress::default());
    Daemon::new(Ways::default(), "/pins".to_owned(), Arc::new(store), patience)
}

/// Runs a test against a server, which must not end meanwhile, nor have a connection left over afterwards.
fn with_server(patience: Patience, test: impl AsyncFnOnce(&Host)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let host = Host { directory, journal: Journal::of("arming"), places: Places::new() };
    runtime.block_on(async {
        let listener = UnixListener::bind(host.socket()).unwrap();
        let router = router(daemon(host.journal.clone(), patience));
        let asked = std::future::pending();
        tokio::select! {
            ended = serve(listener, router, patience, host.places.clone(), asked) => panic!("it ended: {ended:?}"),
            () = async {
                test(&host).await;
                host.answers().await;
                host.is_left_alone().await;
            } => {}
        }
    });
}

/// What comes until the connection is closed.
async fn rest(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // One that is closed with something unread in it ends with an error after what was said.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    word.parse().unwrap_or_else(|_| panic!("no status: {answer:?}"))
}

/// The refusal that an answer must be.
fn refusal(answer: &str) -> Refusal {
    let (headers, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(headers.contains("content-type: application/json"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn assert_refused(answer: &str, code: u16, kind: RefusalKind, part: &str) {
    let refusal = refusal(answer);
    assert_eq!((status(answer), refusal.kind), (code, kind), "{answer}");
    assert!(refusal.message.contains(part), "no {part:?} in {answer}");
}

/// How many connections whoever runs the tests may have.
fn room() -> usize {
    let is_root = std::fs::metadata(Path::new("/proc/self")).unwrap().uid() == 0;
    if is_root { CONNECTIONS + FOR_ROOT } else { CONNECTIONS }
}

/// The kind and code of an answer to what needs a loader, or may be done by root alone.
fn answered(answer: &str) {
    let code = status(answer);
    assert!([200, 403, 500].contains(&code), "{answer}");
}
