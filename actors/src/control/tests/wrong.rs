//! Requests that are wrong, broken, or no requests.

use super::super::limits::{HEADER_BYTES, HEADERS, LIST_BODY};
use super::{LONG, answered, assert_refused, get, post, room, status, with_server};
use aegis_control_api::RefusalKind;
use tokio::io::AsyncWriteExt;

#[test]
fn errors_of_http_are_refusals() {
    with_server(LONG, async |host| {
        let told = host.says(get("/v1/nothing")).await;
        assert_refused(&told, 404, RefusalKind::Request, "there is no /v1/nothing");
        for query in ["after=x", "after=-1", "follow=maybe", "before=1", "after=1&after=2"] {
            let told = host.says(get(&format!("/v1/events?{query}"))).await;
            assert_refused(&told, 400, RefusalKind::Request, "`after` is a number");
        }
        let other =
            "GET /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\naegis-bpffs-root: /else\r\n\r\n";
        assert_refused(&host.says(other).await, 421, RefusalKind::OtherRoot, "not of /else");
        // It names a directory that is not even text.
        let other =
            b"GET /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\naegis-bpffs-root: \xff\r\n\r\n";
        assert_refused(&host.says(other).await, 421, RefusalKind::OtherRoot, "not of");
        assert_refused(&host.says(get("/v1/status")).await, 500, RefusalKind::Failed, "loader");
        let told = host.says(get("/v1/apply").replace("GET", "HEAD")).await;
        assert_eq!(status(&told), 404, "looking by HEAD is looking");
    });
}

#[test]
fn wrong_methods_and_bodies_are_refusals() {
    if room() == super::CONNECTIONS {
        return eprintln!("skipped: whoever is not root is refused before that");
    }
    with_server(LONG, async |host| {
        let told = host.says(get("/v1/status").replace("GET", "DELETE")).await;
        assert_refused(&told, 405, RefusalKind::Request, "/v1/status does not take DELETE");
        assert!(told.contains("allow: GET,HEAD\r\n"), "{told}");
        let told = host.says(get("/v1/detach")).await;
        assert_refused(&told, 405, RefusalKind::Request, "/v1/detach does not take GET");
        let told = host.says(post("/v1/block", "{\"change\":\"add\",\n\"entries\":[1]}")).await;
        assert_refused(&told, 422, RefusalKind::Request, "line 2 column 12");
        let told = host.says(post("/v1/detach", "{\"reason\":")).await;
        assert_refused(&told, 400, RefusalKind::Request, "line 1 column 10");
        let told = host.says(post("/v1/block", "{}").replace("application/json", "text/plain")).await;
        assert_refused(&told, 415, RefusalKind::Request, "content-type: application/json");
        assert_eq!(status(&host.says(post("/v1/reset", "")).await), 404);
        assert_refused(&host.says(post("/v1/policy/reset", "")).await, 500, RefusalKind::Failed, "loader");
    });
}

#[test]
fn large_bodies_are_refused() {
    if room() == super::CONNECTIONS {
        return eprintln!("skipped: only root's bodies are read");
    }
    with_server(LONG, async |host| {
        let entry = |bytes: usize| format!("{{\"change\":\"add\",\"entries\":[\"{}\"]}}", "x".repeat(bytes));
        let fits = entry(LIST_BODY - entry(0).len());
        assert_refused(&host.says(post("/v1/block", &fits)).await, 500, RefusalKind::Failed, "loader");
        let large = entry(LIST_BODY);
        for (path, limit) in [
            ("/v1/block", "4194304 bytes"),
            ("/v1/allow", "4194304 bytes"),
            ("/v1/detach", "65536 bytes"),
            ("/v1/policy/reset", "65536 bytes"),
        ] {
            let told = host.says(post(path, &large)).await;
            assert_refused(&told, 413, RefusalKind::Request, limit);
        }
        // One that does not say its size.
        let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        let length = format!("content-length: {}\r\n\r\n{large}", large.len());
        let chunked =
            post("/v1/block", &large).replace(&length, &format!("transfer-encoding: chunked\r\n\r\n{chunk}"));
        assert_refused(&host.says(chunked).await, 413, RefusalKind::Request, "4194304 bytes");
        // A policy may be large, but not of any size.
        let text = "x".repeat(2 * LIST_BODY);
        let policy = format!("{{\"sources\":[{{\"name\":\"a\",\"text\":\"{text}\"}}]}}");
        let told = host.says(post("/v1/policy/apply", &policy)).await;
        assert_refused(&told, 500, RefusalKind::Failed, "loader");
        let told = host.says(post("/v1/policy/apply", "").replace("length: 0", "length: 999999999999")).await;
        assert_refused(&told, 413, RefusalKind::Request, "536870912 bytes");
    });
}

#[test]
fn large_headers_are_refused() {
    with_server(LONG, async |host| {
        let with =
            |header: String| get("/v1/openapi.json").replace("host: a\r\n", &format!("host: a\r\n{header}"));
        let fits = with(format!("x: {}\r\n", "y".repeat(HEADER_BYTES / 2)));
        assert_eq!(status(&host.says(fits).await), 200);
        let many = with("x: y\r\n".repeat(HEADERS));
        let large = with(format!("x: {}\r\n", "y".repeat(HEADER_BYTES)));
        let huge = with(format!("x: {}\r\n", "y".repeat(1_000_000)));
        let long = get(&format!("/v1/{}", "y".repeat(HEADER_BYTES)));
        let endless = format!("GET /v1/{}", "y".repeat(1_000_000));
        for request in [many, large, huge, long, endless] {
            let told = host.says(&request).await;
            assert!([414, 431].contains(&status(&told)), "{}: {told}", &request[..40]);
        }
    });
}

/// What is no HTTP is answered with 400 if anything, and its connection is closed.
#[test]
fn garbage_is_cut() {
    with_server(LONG, async |host| {
        let zeros = vec![0; 100_000];
        for garbage in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
            b"hello\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /v1/status HTTP/9.9\r\n\r\n",
            b"GET /v1/status HTTP/1.1\r\na b: c\r\n\r\n",
            b"POST /v1/block HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
            b"POST /v1/block HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\n\n\n\xff\xfe",
            &zeros,
        ] {
            let told = host.says(garbage).await;
            assert!(told.is_empty() || [400, 431, 505].contains(&status(&told)), "{garbage:?}: {told}");
        }
    });
}

/// Each prefix of a request, and then nothing more: whoever sent it is gone, and leaves nothing behind.
#[test]
fn requests_that_are_cut_off_leave_nothing() {
    with_server(LONG, async |host| {
        let whole = post("/v1/block", "{\"change\":\"clear\"}");
        for end in 0..=whole.len() {
            let mut stream = host.connect().await;
            stream.write_all(&whole.as_bytes()[..end]).await.unwrap();
            if end % 2 == 0 {
                stream.shutdown().await.unwrap();
                let told = super::rest(&mut stream).await;
                assert!(told.is_empty() || [400, 403, 500].contains(&status(&told)), "{end}: {told}");
            }
        }
        answered(&host.says(whole).await);
    });
}
