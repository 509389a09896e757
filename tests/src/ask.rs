//! Asks a daemon on its socket, without a command: to start one in an emulated machine takes longer than most answers.

use aegis_control_api::ROOT_HEADER;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of asking.
#[derive(Debug)]
pub enum Reply {
    /// The answer.
    Answer(Value),
    /// It was refused, for this.
    Refusal(Value),
    /// Nothing, or no whole answer: the daemon ended meanwhile.
    Nothing,
}

impl Reply {
    /// The answer, which there must be.
    #[must_use]
    pub fn answer(self) -> Value {
        match self {
            Self::Answer(value) => value,
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// Asks the daemon of these pins: for a change if there is a body, else for what is at a path.
#[must_use]
pub fn ask(socket: &Path, root: &str, path: &str, body: Option<&Value>) -> Reply {
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: aegisbpf\r\nconnection: close\r\n{ROOT_HEADER}: {root}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut bytes = Vec::new();
    let sent = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.split_once("\r\n\r\n").filter(|_| sent.is_ok());
    let Some((head, Ok(value))) = whole.map(|(head, body)| (head, serde_json::from_str(body))) else {
        return Reply::Nothing;
    };
    if head.starts_with("HTTP/1.1 200") { Reply::Answer(value) } else { Reply::Refusal(value) }
}
