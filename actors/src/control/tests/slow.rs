//! Peers that send or take nothing, or next to nothing: each is cut in time, and nobody else waits for it.

use super::{Host, SHORT, assert_refused, get, rest, room, status, with_server};
use aegis_control_api::RefusalKind;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How much later than its limit a peer may be cut on a busy machine.
const LATE: Duration = Duration::from_secs(5);

/// Sends a piece again and again until the connection is closed; gives what was answered.
async fn drips(mut stream: UnixStream, piece: &[u8]) -> String {
    let begun = Instant::now();
    let (mut read, mut write) = stream.split();
    let send = async {
        while write.write_all(piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = send => {}
        _ = read.read_to_end(&mut answer) => {}
    }
    let took = begun.elapsed();
    assert!(took < SHORT.body + LATE, "it was cut after {took:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn begun(host: &Host, bytes: &str) -> UnixStream {
    let mut stream = host.connect().await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

const HEAD: &str =
    "POST /v1/block HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";

#[test]
fn slow_headers_are_cut() {
    with_server(SHORT, async |host| {
        let slow = drips(begun(host, "GET /v1/status HTTP/1.1\r\n").await, b"a: b\r\n");
        let silent = async { rest(&mut begun(host, "GET /v1/st").await).await };
        let idle = async { rest(&mut begun(host, "").await).await };
        let meanwhile = async {
            for _ in 0..10 {
                host.answers().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let (slow, silent, idle, ()) = tokio::join!(slow, silent, idle, meanwhile);
        assert_eq!([slow, silent, idle], ["", "", ""], "there is nothing to be answered");
    });
}

#[test]
fn idle_connections_are_cut() {
    with_server(SHORT, async |host| {
        let answer = rest(&mut begun(host, "GET /v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
        assert_eq!(status(&answer), 200, "it was answered, kept, and cut");
    });
}

/// The last one of these drips all the time, so only the limit for the whole body ends it.
#[test]
fn slow_bodies_are_cut() {
    if room() == super::CONNECTIONS {
        return eprintln!("skipped: only root's bodies are read");
    }
    with_server(SHORT, async |host| {
        let silent = async { rest(&mut begun(host, HEAD).await).await };
        let (silent, slow) = tokio::join!(silent, drips(begun(host, HEAD).await, b" "));
        for answer in [silent, slow] {
            assert_refused(&answer, 408, RefusalKind::Request, "within 2 s, and all of it within 4 s");
        }
    });
}

/// A reader that takes nothing is cut, one that is slow is not, and one that waits for records is not.
#[test]
fn readers_that_take_nothing_are_cut() {
    with_server(SHORT, async |host| {
        (0..4_000).for_each(|number| host.journal.did("test", number, &"x".repeat(500)));
        let follow = "GET /v1/events?follow=true HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut waits =
            begun(host, "GET /v1/events?follow=true&after=4000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut stuck = begun(host, follow).await;
        let slow = async {
            let mut stream = begun(host, &get("/v1/events")).await;
            let (mut all, mut piece) = (Vec::new(), vec![0; 200_000]);
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let read = stream.read(&mut piece).await.unwrap();
                if read == 0 {
                    return String::from_utf8(all).unwrap();
                }
                all.extend_from_slice(&piece[..read]);
            }
        };
        let (slow, ()) = tokio::join!(slow, tokio::time::sleep(SHORT.reading + Duration::from_secs(1)));
        assert_eq!(slow.matches("\"what\":\"test\"").count(), 4_000);
        let stuck = rest(&mut stuck).await;
        assert!(!stuck.ends_with("0\r\n\r\n"), "it was cut, and is told so by the missing end");
        // Nothing was lost: the same records are there for who asks again.
        let again = host.says(get("/v1/events?after=3999")).await;
        assert_eq!(again.matches("\"generation\":3999,").count(), 1, "{again}");
        host.journal.did("late", 0, "");
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("\"late\"") {
            assert!(waits.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
    });
}
