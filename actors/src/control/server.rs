//! Connections: who gets one, and what becomes of it. What is answered on it, this does not know.

use super::limits::{CONNECTIONS, FAREWELL, FOR_ROOT, HEADER_BYTES, HEADERS, Patience, TURNED_AWAY};
use super::patient::Patient;
use super::refused::Refused;
use aegis_control_api::{Asker, Refusal, RefusalKind};
use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Another descriptor of the connection, by which it can be seen whether the peer is still there: hyper does not look while
/// it has something unread.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<OwnedFd>);

impl Line {
    pub(super) fn of(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(Arc::new(stream.as_fd().try_clone_to_owned()?)))
    }

    /// Resolves when the peer has closed its end.
    pub(super) fn closed(&self) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        // The kernel always tells of a closed end; beside it only of what unix sockets do not have.
        // What it warns of are types that may give another descriptor each time. An `OwnedFd` is the same one all its life.
        #[expect(deprecated)]
        let end = AsyncFd::with_interest(self.0.try_clone()?, Interest::PRIORITY)?;
        Ok(async move { drop(end.ready(Interest::PRIORITY).await) })
    }
}

/// How long the server goes on when it is to end: the reply to `detach` may still be on its way.
const LAST_REPLY: Duration = Duration::from_millis(100);

/// How long nothing is accepted after that failed, as it does when there are no descriptors left.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes that are read ahead, or written together, on a connection; hyper takes no less than 8,192, and headers must fit.
const BUFFER: usize = 4 * HEADER_BYTES;

/// What connections there may be at a time.
#[derive(Debug, Clone)]
pub(super) struct Places {
    anybody: Arc<Semaphore>,
    root: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { anybody: places(CONNECTIONS), root: places(FOR_ROOT), turned_away: places(TURNED_AWAY) }
    }

    fn take(&self, uid: u32) -> Option<OwnedSemaphorePermit> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        take(&self.anybody).or_else(|| if uid == 0 { take(&self.root) } else { None })
    }

    /// How many connections there are.
    pub(super) fn taken(&self) -> usize {
        let free = [&self.anybody, &self.root, &self.turned_away].map(|places| places.available_permits());
        CONNECTIONS + FOR_ROOT + TURNED_AWAY - free.iter().sum::<usize>()
    }
}

/// The connections. They are driven by the loop that owns this, and end with it.
type Connections = JoinSet<()>;

/// Answers requests until it is asked to end.
pub(super) async fn serve(
    listener: UnixListener,
    router: Router,
    patience: Patience,
    places: Places,
    asked: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut connections = Connections::new();
    let mut asked = std::pin::pin!(asked);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(&mut connections, stream, &router, patience, &places),
                Err(error) => pause(&error).await,
            },
            Some(ended) = connections.join_next() => heed(ended)?,
            () = &mut asked => break,
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_REPLY, last).await;
    Ok(())
}

/// One whose answer panicked ends the server: it is started again, and everybody sees that it was.
fn heed(ended: Result<(), tokio::task::JoinError>) -> io::Result<()> {
    ended.map_err(|error| io::Error::other(format!("an answer failed: {error}")))
}

async fn pause(error: &io::Error) {
    // The peer was gone before it was accepted.
    if error.kind() == ErrorKind::ConnectionAborted {
        return;
    }
    tracing::error!(%error, "the control socket takes no connections for a moment");
    tokio::time::sleep(PAUSE).await;
}

fn connect(
    connections: &mut Connections,
    stream: UnixStream,
    router: &Router,
    patience: Patience,
    places: &Places,
) {
    let Some(credentials) = stream.peer_cred().ok() else {
        return turn_away(connections, stream, unknown().into(), places);
    };
    match places.take(credentials.uid()) {
        Some(place) => {
            // As the kernel told it when the connection was made: whatever becomes of the process, or whom it hands the
            // connection to, this is who asks.
            let asker = Asker { uid: credentials.uid(), login: credentials.pid().and_then(login) };
            drop(connections.spawn(answer(stream, asker, router.clone(), patience, place)));
        }
        None => turn_away(connections, stream, full(), places),
    }
}

/// Who had logged in to become this process. It is only told: the process may have ended by now, and another have its number.
fn login(pid: i32) -> Option<u32> {
    let login: u32 = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?.trim().parse().ok()?;
    // The kernel's word for nobody.
    (login != u32::MAX).then_some(login)
}

fn unknown() -> Refusal {
    let message = "the kernel does not tell who asks, so nothing is answered; try again".to_owned();
    Refusal { kind: RefusalKind::NotPermitted, message }
}

fn full() -> Refused {
    Refused::busy(format!(
        "{CONNECTIONS} connections are open already, which is the most at a time; try again in a moment (for root there \
         are {FOR_ROOT} more)"
    ))
}

/// Says why, and closes. If even that would be too many, only closes.
fn turn_away(connections: &mut Connections, mut stream: UnixStream, why: Refused, places: &Places) {
    let Ok(place) = Arc::clone(&places.turned_away).try_acquire_owned() else { return };
    let farewell = async move {
        stream.write_all(why.farewell().as_bytes()).await?;
        stream.shutdown().await?;
        // Closed with a request in it that nobody has read, it would end with an error at the other end.
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    connections.spawn(async move {
        // Whether it was heard is the peer's concern.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        drop(place);
    });
}

async fn answer(
    stream: UnixStream,
    asker: Asker,
    router: Router,
    patience: Patience,
    place: OwnedSemaphorePermit,
) {
    let line = match Line::of(&stream) {
        Ok(line) => line,
        Err(error) => return tracing::error!(%error, "a connection on the control socket cannot be used"),
    };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(asker);
        request.extensions_mut().insert(line.clone());
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.headers)
        .max_headers(HEADERS)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Patient::new(stream, patience.reading)), service)
        .await;
    drop(place);
    let Err(error) = served else { return };
    if took_nothing(&error) {
        tracing::warn!(
            uid = asker.uid,
            seconds = patience.reading.as_secs(),
            "a peer on the control socket took nothing of its answer for so long, and is cut; no record is lost by it: it \
             can ask again with `after`"
        );
    } else {
        tracing::debug!(uid = asker.uid, %error, "a connection on the control socket ended");
    }
}

fn took_nothing(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_places_of_its_own() {
        let places = Places::new();
        let readers: Vec<_> = (0..CONNECTIONS).map(|_| places.take(1000).unwrap()).collect();
        assert!(places.take(1000).is_none());
        let root: Vec<_> = (0..FOR_ROOT).map(|_| places.take(0).unwrap()).collect();
        assert!(places.take(0).is_none());
        assert_eq!(places.taken(), CONNECTIONS + FOR_ROOT);
        drop((readers, root));
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn farewells_are_whole_answers() {
        for (why, line) in [(unknown().into(), "403 Forbidden"), (full(), "503 Service Unavailable")] {
            let text = Refused::farewell(&why);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert_eq!(serde_json::from_str::<Refusal>(body).unwrap(), why.refusal);
        }
    }
}
