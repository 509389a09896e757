//! Diagnostics as SARIF 2.1.0 (OASIS), which code hosts show beside the lines.

use super::{Code, Level, Located, Point, Report};
use serde_json::{Value, json};

impl Report {
    /// All diagnostics as one run of a tool of this version.
    #[must_use]
    pub fn to_sarif(&self, version: &str) -> Value {
        let rules: Vec<Value> = Code::ALL
            .iter()
            .map(|code| {
                json!({
                    "id": code.id(),
                    "shortDescription": { "text": code.explanation() },
                    "defaultConfiguration": { "level": level(code.level()) },
                })
            })
            .collect();
        let driver = json!({ "name": "aegisbpf", "version": version, "rules": rules });
        let results: Vec<Value> = self.located().map(|found| result(&found)).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            // Columns are counted in characters.
            "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
        })
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

fn result(found: &Located<'_>) -> Value {
    let help = found.help.map(|help| format!(". {help}")).unwrap_or_default();
    let related: Vec<Value> = found
        .related
        .iter()
        .map(|other| {
            let mut location = location(other.file, other.start, other.end);
            if let Some(location) = location.as_object_mut() {
                location.insert("message".to_owned(), json!({ "text": other.label }));
            }
            location
        })
        .collect();
    json!({
        "ruleId": found.code,
        "level": level(found.severity),
        "message": { "text": format!("{}: {}{help}", found.message, found.label) },
        "locations": [location(found.file, found.start, found.end)],
        "relatedLocations": related,
    })
}

fn location(file: &str, start: Point, end: Point) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    } })
}

/// The name of a file as a reference (RFC 3986): what a path of one cannot have is written as its bytes.
fn uri(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    name.bytes().fold(String::new(), |mut uri, byte| {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
        uri
    })
}
