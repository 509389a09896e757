//! How a fault is told to the daemon: one line through a socket, answered when it strikes.

use super::board::Board;
use crate::fault::Kind;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Names the socket, in the environment of the daemon.
pub(crate) const FAULTS: &str = "AEGIS_CHAOS_FAULTS";

/// How long a part may take to meet its fault; it may just be starting, in an emulated machine.
const PATIENCE: Duration = Duration::from_secs(60);

const STRUCK: &str = "struck";

/// Listens, on a thread that ends with the process.
pub(super) fn listen(socket: &Path, board: Board) -> std::io::Result<()> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket)?;
    std::thread::Builder::new().name("chaos".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(&stream, &board) {
                eprintln!("chaos: {error:#}");
            }
        }
    })?;
    Ok(())
}

fn answer(mut stream: &UnixStream, board: &Board) -> Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let (path, kind) = line.trim().split_once(' ').context("a line without two words")?;
    let kind: Kind = kind.parse().map_err(anyhow::Error::msg)?;
    let (struck, strikes) = sync_channel(1);
    board.put(path, kind, struck);
    let said = strikes.recv_timeout(PATIENCE).map_or("in vain", |()| STRUCK);
    board.take_back(path);
    writeln!(stream, "{said}")?;
    Ok(())
}

/// Has a part fail; returns when it does.
///
/// # Errors
/// If the daemon cannot be told, or the fault does not strike.
pub(crate) fn ask(socket: &Path, part: &str, kind: Kind) -> Result<()> {
    let mut stream = UnixStream::connect(socket).context("the daemon hears of no faults")?;
    stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(5)))?;
    writeln!(stream, "{part} {kind}")?;
    let mut said = String::new();
    BufReader::new(&stream).read_line(&mut said).context("the daemon did not answer")?;
    ensure!(said.trim() == STRUCK, "{kind} did not strike in {part}: {}", said.trim());
    Ok(())
}
