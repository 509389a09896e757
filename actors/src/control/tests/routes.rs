//! What is answered is what the document says.

use super::super::run::routes;
use super::{LONG, daemon, get, with_server};
use crate::control::server::Line;
use crate::spool::Journal;
use aegis_control_api::{Asker, ROUTES, document};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeSet;

const METHODS: [&str; 7] = ["get", "post", "put", "delete", "patch", "options", "trace"];

/// All pairs of path and method that the router takes, by asking it.
async fn taken() -> BTreeSet<(String, String)> {
    let router = super::router(daemon(Journal::default(), LONG));
    let service = TowerToHyperService::new(router);
    let (end, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut taken = BTreeSet::new();
    for (path, _) in routes() {
        for method in METHODS {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = path.parse().unwrap();
            *request.method_mut() = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            request.extensions_mut().insert(Asker { uid: 0, login: None });
            request.extensions_mut().insert(Line::of(&end).unwrap());
            let status = service.call(request).await.unwrap().status();
            assert_ne!(status, StatusCode::NOT_FOUND, "{path}");
            if status != StatusCode::METHOD_NOT_ALLOWED {
                taken.insert((path.to_owned(), method.to_owned()));
            }
        }
    }
    taken
}

#[test]
fn router_and_document_are_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let taken = runtime.block_on(taken());
    let told: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    assert_eq!(taken, told);
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let written: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(written, told);
}

#[test]
fn document_is_served() {
    with_server(LONG, async |host| {
        let answer = host.says(get("/v1/openapi.json")).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), document());
    });
}
