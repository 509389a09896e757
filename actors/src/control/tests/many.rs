//! More peers than there may be.

use super::super::limits::FOLLOWERS;
use super::{LONG, SHORT, assert_refused, get, refusal, rest, room, status, with_server};
use aegis_control_api::RefusalKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Each of 200 that come at once is answered, or told that there is no room; those that are told ask again.
#[test]
fn two_hundred_at_once() {
    with_server(LONG, async |host| {
        let mut peers = JoinSet::new();
        for _ in 0..200 {
            let socket = host.socket();
            peers.spawn(async move {
                let mut refused = 0;
                loop {
                    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
                    let _ = stream.write_all(get("/v1/openapi.json").as_bytes()).await;
                    let answer = rest(&mut stream).await;
                    if answer.starts_with("HTTP/1.1 200 ") {
                        return refused;
                    }
                    if !answer.is_empty() {
                        assert_refused(&answer, 503, RefusalKind::Busy, "try again in a moment");
                    }
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        let refused: Vec<i32> = peers.join_all().await;
        eprintln!(
            "{} of {} were told to come again",
            refused.iter().filter(|times| **times > 0).count(),
            200
        );
    });
}

/// Those who hold connections and say nothing get all that there are, until they are cut.
#[test]
fn silent_ones_take_the_room_for_a_while() {
    with_server(SHORT, async |host| {
        let mut silent = Vec::new();
        for _ in 0..room() {
            silent.push(host.connect().await);
        }
        let told = host.says(get("/v1/openapi.json")).await;
        assert_refused(&told, 503, RefusalKind::Busy, "connections are open already");
        // So many more that the last ones are closed without a word.
        let mut more = Vec::new();
        for _ in 0..200 {
            more.push(host.connect().await);
        }
        tokio::time::sleep(SHORT.headers + Duration::from_secs(1)).await;
        host.answers().await;
        for stream in silent.iter_mut().chain(&mut more) {
            assert!(!rest(stream).await.contains("200 OK"));
        }
    });
}

#[test]
fn too_many_followers_are_told() {
    with_server(LONG, async |host| {
        let follow = "GET /v1/events?follow=true HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut followers = Vec::new();
        for _ in 0..FOLLOWERS {
            let mut stream = host.connect().await;
            stream.write_all(follow.as_bytes()).await.unwrap();
            let mut byte = [0; 15];
            stream.read_exact(&mut byte).await.unwrap();
            assert_eq!(&byte, b"HTTP/1.1 200 OK");
            followers.push(stream);
        }
        let told = host.says(get("/v1/events?follow=true")).await;
        assert_refused(&told, 503, RefusalKind::Busy, "16 follow the records already");
        assert_eq!(status(&host.says(get("/v1/events")).await), 200, "without following there is no limit");
        // A place that becomes free is given to the next.
        followers.pop();
        for _ in 0..100 {
            let mut stream = host.connect().await;
            stream.write_all(follow.as_bytes()).await.unwrap();
            let mut head = vec![0; 15];
            stream.read_exact(&mut head).await.unwrap();
            if head.starts_with(b"HTTP/1.1 200 OK") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the place was not given back");
    });
}

/// Requests in a row, without waiting for the answers: each is answered, in order, on one connection.
#[test]
fn pipelined_requests_are_answered_in_order() {
    with_server(LONG, async |host| {
        let mut requests = String::new();
        for number in 0..50 {
            requests.push_str(&format!("GET /v1/nothing/{number} HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        let answers = host.says(requests + &get("/v1/last")).await;
        let parts: Vec<&str> = answers.split("HTTP/1.1 404 Not Found\r\n").skip(1).collect();
        assert_eq!(parts.len(), 51, "{answers}");
        for (number, part) in parts.iter().take(50).enumerate() {
            let message = refusal(part).message;
            assert!(message.contains(&format!("/v1/nothing/{number};")), "{number}: {message}");
        }
    });
}

/// One that sent more than it was to, and is gone: that is seen although no record comes, and although something of it was
/// not read.
#[test]
fn followers_that_are_gone_leave_nothing() {
    with_server(LONG, async |host| {
        for more in ["", "x", "GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut stream = host.connect().await;
            let follow = format!("GET /v1/events?follow=true HTTP/1.1\r\nhost: a\r\n\r\n{more}");
            stream.write_all(follow.as_bytes()).await.unwrap();
            let mut head = [0; 15];
            stream.read_exact(&mut head).await.unwrap();
        }
        host.is_left_alone().await;
        let body = get("/v1/events?follow=true").replace("host: a", "content-length: 5");
        assert_refused(&host.says(body).await, 400, RefusalKind::Request, "has no body");
    });
}
