//! The API as an OpenAPI 3.1 document: a table of routes, and the schemas of the types themselves.

use crate::{
    AccountsReply, ApplyReply, ApplyRequest, ChangeReply, DetachReply, DetachRequest, EntriesReply,
    EntriesRequest, HistoryReply, PolicyReply, PolicyTextReply, ROOT_HEADER, Record, Refusal, ReloadReply,
    RollbackRequest, Status, SurvivalReply, TreeReply, paths,
};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Makes the schema of a body.
type Body = fn(&mut SchemaGenerator) -> Schema;

/// What one path does by one method.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    /// One of [`paths`].
    pub path: &'static str,
    /// Its name in clients that are made from the document.
    pub name: &'static str,
    /// What it does.
    pub summary: &'static str,
    request: Option<Body>,
    reply: Body,
    /// Whether the reply is a line for each, and does not end with the first.
    lines: bool,
}

const fn get(path: &'static str, name: &'static str, summary: &'static str, reply: Body) -> Route {
    Route { method: "get", path, name, summary, request: None, reply, lines: false }
}

const fn post(
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    request: Option<Body>,
    reply: Body,
) -> Route {
    Route { method: "post", path, name, summary, request, reply, lines: false }
}

/// Everything that can be asked.
pub const ROUTES: &[Route] = &[
    get(paths::STATUS, "status", "What the kernel is doing, proven anew", subschema::<Status>),
    get(paths::TREE, "tree", "The parts of the daemon", subschema::<TreeReply>),
    get(paths::POLICY, "policy", "The policy in force", subschema::<PolicyReply>),
    get(
        paths::POLICY_TEXT,
        "policyText",
        "The policy in force as the text of a policy",
        subschema::<PolicyTextReply>,
    ),
    get(
        paths::ACCOUNTS,
        "accounts",
        "What became of every decision that was to be reported",
        subschema::<AccountsReply>,
    ),
    Route {
        lines: true,
        ..get(
            paths::EVENTS,
            "events",
            "The records that the daemon keeps, one JSON object per line",
            subschema::<Record>,
        )
    },
    get(paths::BLOCK, "blocked", "What the local policy denies", subschema::<EntriesReply>),
    get(paths::ALLOW, "allowed", "The cgroups that the local policy exempts", subschema::<EntriesReply>),
    get(
        paths::NETWORK,
        "networkDenied",
        "The addresses and ports that the local policy denies",
        subschema::<EntriesReply>,
    ),
    post(
        paths::BLOCK,
        "block",
        "Changes what the local policy denies",
        Some(subschema::<EntriesRequest>),
        subschema::<ChangeReply>,
    ),
    post(
        paths::ALLOW,
        "allow",
        "Changes which cgroups the local policy exempts",
        Some(subschema::<EntriesRequest>),
        subschema::<ChangeReply>,
    ),
    post(
        paths::NETWORK,
        "networkDeny",
        "Changes which addresses and ports the local policy denies",
        Some(subschema::<EntriesRequest>),
        subschema::<ChangeReply>,
    ),
    post(
        paths::APPLY,
        "apply",
        "Puts a policy in force",
        Some(subschema::<ApplyRequest>),
        subschema::<ApplyReply>,
    ),
    post(paths::RESET, "reset", "Puts the empty policy in force", None, subschema::<ApplyReply>),
    post(
        paths::ROLLBACK,
        "rollback",
        "Puts an earlier policy in force again",
        Some(subschema::<RollbackRequest>),
        subschema::<ApplyReply>,
    ),
    get(paths::HISTORY, "history", "What was put in force, and what was tried", subschema::<HistoryReply>),
    post(
        paths::DETACH,
        "detach",
        "Takes everything down and ends the daemon",
        Some(subschema::<DetachRequest>),
        subschema::<DetachReply>,
    ),
    post(
        paths::RELOAD,
        "reload",
        "Has the configuration and the policy files read again",
        None,
        subschema::<ReloadReply>,
    ),
    get(
        paths::SURVIVAL,
        "survival",
        "Who and what is never denied, and what is missing there",
        subschema::<SurvivalReply>,
    ),
    get(paths::OPENAPI, "openapi", "This document", anything),
];

fn subschema<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// The whole document. It is the same for every daemon of this version.
#[must_use]
pub fn document() -> Value {
    let settings =
        || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
    // What may be left out of a request is always in a reply, so the two have schemas of their own making.
    let mut requests = settings().for_deserialize().into_generator();
    let mut replies = settings().for_serialize().into_generator();
    let refusal = replies.subschema_for::<Refusal>();
    let mut operations = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut requests, &mut replies);
        let path = operations.entry(route.path).or_insert_with(|| Value::Object(Map::new()));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.to_owned(), operation);
        }
    }
    let mut schemas = replies.take_definitions(true);
    schemas.extend(requests.take_definitions(true));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aegis control API",
            "version": crate::API_VERSION.to_string(),
            "description": "HTTP over the unix socket of the daemon, /run/aegisbpf/control.sock by default. \
                Fields may be added; a field that is removed or changes its meaning makes a new version.",
        },
        "paths": operations,
        "components": {
            "schemas": schemas,
            "parameters": { "root": {
                "name": ROOT_HEADER,
                "in": "header",
                "description": "The pin directory that the request is meant for. A daemon of another one refuses it.",
                "schema": { "type": "string" },
            } },
            "responses": { "refusal": {
                "description": "The request was not carried out, and nothing has changed. 403: not permitted; \
                    421: meant for another pin directory; 422: the policy or the body is wrong; 503: busy.",
                "content": { "application/json": { "schema": refusal } },
            } },
        },
    });
    say_plainly(&mut document);
    document
}

const SCHEMAS: &str = "/components/schemas";

fn operation(route: &Route, requests: &mut SchemaGenerator, replies: &mut SchemaGenerator) -> Value {
    let mut parameters = vec![json!({ "$ref": "#/components/parameters/root" })];
    if route.lines {
        parameters.extend([
            json!({
                "name": "after",
                "in": "query",
                "description": "The number of the last record that the reader has; the daemon counts them from 1.",
                "schema": { "type": "integer", "format": "uint64", "minimum": 0, "default": 0 },
            }),
            json!({
                "name": "follow",
                "in": "query",
                "description": "Whether to wait for more instead of ending after the last.",
                "schema": { "type": "boolean", "default": false },
            }),
        ]);
    }
    let kind = if route.lines { "application/x-ndjson" } else { "application/json" };
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": { kind: { "schema": (route.reply)(replies) } } },
            "default": { "$ref": "#/components/responses/refusal" },
        },
    });
    if let Some(request) = route.request {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": request(requests) } } });
    }
    operation
}

/// Takes the links to Rust items out of the descriptions, which are the comments of the types.
fn say_plainly(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => *text = without_links(text),
                    other => say_plainly(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(say_plainly),
        _ => {}
    }
}

/// Turns ``[`A`](crate::A)`` and ``[`A`]`` into `A`.
fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        plain.push_str(before);
        plain.push_str(name);
        rest = match after.strip_prefix("(crate::").and_then(|link| link.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + &rest.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_out() {
        for (text, plain) in [
            ("[`A`](crate::A).", "A."),
            ("The first [`B`] of them.", "The first B of them."),
            ("`pid:start`, [not] a link [`", "`pid:start`, [not] a link [`"),
        ] {
            assert_eq!(without_links(text), plain);
        }
    }

    /// Every reference leads to something that is in the document, and every schema is used.
    #[test]
    fn references_lead_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        let names = document["components"]["schemas"].as_object().unwrap().keys();
        for name in names {
            let reference = format!("#{SCHEMAS}/{name}");
            assert!(found.contains(&reference), "{reference} is not used");
        }
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn names_are_given_once() {
        let mut names: Vec<_> = ROUTES.iter().map(|route| route.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROUTES.len());
    }

    /// What may be left out of a request, and what is always in a reply.
    #[test]
    fn requests_and_replies_are_told_apart() {
        let document = document();
        let required = |name: &str| document["components"]["schemas"][name]["required"].clone();
        assert_eq!(required("ApplyRequest"), json!(["sources"]));
        assert!(required("ApplyReply").as_array().unwrap().contains(&json!("notes")));
    }
}
