//! Peers of the control socket that speak HTTP by hand, as it suits the test.

use aegis_control_api::{ROUTES, Refusal};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest that anything may take here: a piece of a body that does not come, and something for a busy machine.
const LONGEST: Duration = Duration::from_secs(45);

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub(crate) struct Peer(PathBuf);

/// What came, and how.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// When the connection was closed by the daemon.
    pub(crate) took: Duration,
}

impl Peer {
    /// One of the daemon on this socket.
    pub(crate) fn of(socket: &Path) -> Self {
        Self(socket.to_owned())
    }

    /// A connection on which this was sent, as far as it was taken.
    pub(crate) fn begins(&self, bytes: &[u8]) -> UnixStream {
        let mut stream = UnixStream::connect(&self.0).expect("the daemon listens");
        stream.set_write_timeout(Some(LONGEST)).unwrap();
        // It may be closed before it was all sent.
        let _ = stream.write_all(bytes);
        stream
    }

    /// Sends this, and takes all that comes until the connection is closed.
    pub(crate) fn says(&self, bytes: &[u8]) -> Answer {
        rest(self.begins(bytes))
    }
}

/// What comes until the daemon closes. Fails if it never does.
pub(crate) fn rest(mut stream: UnixStream) -> Answer {
    let begun = Instant::now();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let told = String::from_utf8_lossy(&bytes);
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "it neither answers nor closes: {told}");
    }
    Answer { bytes, took: begun.elapsed() }
}

/// What comes until the daemon closes, or nothing comes for a while: then it is said that nothing more will be sent. One
/// that has begun to send records may wait for more of them for good, so that is the end of the answer.
pub(crate) fn rest_or_end(mut stream: UnixStream, silence: Duration) -> Answer {
    let begun = Instant::now();
    stream.set_read_timeout(Some(silence)).unwrap();
    let mut bytes = Vec::new();
    let silent = stream.read_to_end(&mut bytes).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    if silent && !String::from_utf8_lossy(&bytes).contains("application/x-ndjson") {
        let _ = stream.shutdown(Shutdown::Write);
        bytes.extend(rest(stream).bytes);
    }
    Answer { bytes, took: begun.elapsed() }
}

impl Answer {
    /// The status of the first answer; none if there was no answer.
    pub(crate) fn status(&self) -> Option<u16> {
        let text = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(32)]).into_owned();
        // Whoever asks in HTTP/1.0 is answered in it.
        let rest = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "))?;
        rest.get(..3)?.parse().ok()
    }

    /// The body of the first answer, if it says its length.
    pub(crate) fn body(&self) -> Option<Value> {
        let text = String::from_utf8_lossy(&self.bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        serde_json::from_str(body.get(..length.parse().ok()?)?).ok()
    }

    /// The refusal, if it is one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        serde_json::from_value(self.body()?).ok()
    }
}

/// A valid request, with whether it changes something. That to detach is not quite valid: nobody should.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    let body = match path {
        _ if method == "get" => "",
        "/v1/policy/apply" => {
            r#"{"sources":[{"name":"a.toml","text":"version = 3\nname = \"a\"\n"}],"holders":"report"}"#
        }
        "/v1/detach" => r#"{"cause":"test"}"#,
        "/v1/policy/reset" => "null",
        _ => r#"{"change":"clear","entries":[]}"#,
    };
    let method = method.to_uppercase();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: aegisbpf\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One for each route; those that change something are marked.
pub(crate) fn requests() -> Vec<(bool, Vec<u8>)> {
    let mut all: Vec<_> =
        ROUTES.iter().map(|route| (route.method != "get", request(route.method, route.path))).collect();
    all.push((false, request("get", "/v1/events?after=0&follow=true")));
    all
}
