//! A JSON schema of format 3, for editors. It is made from the tables of keys by which files are read, so the two cannot
//! differ; what is beyond a schema, such as two rules with one id, only the compiler finds.

use crate::check::TOP;
use crate::plan::Name;
use crate::syntax::{Key, Section, Takes};
use serde_json::{Map, Value, json};

/// The schema, of draft 2020-12. TOML is read as the JSON that has the same structure.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(&TOP);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Aegis policy, format 3"));
    schema.insert("description".to_owned(), json!("See docs/policy.md. Made by `cargo xtask codegen`."));
    Value::Object(schema)
}

fn table(section: &Section) -> Map<String, Value> {
    let property = |key: &Key| {
        let mut value = takes(key.takes);
        value.insert("description".to_owned(), json!(key.means));
        (key.name.to_owned(), Value::Object(value))
    };
    let properties: Map<String, Value> = section.keys.iter().map(property).collect();
    object(json!({
        "type": "object",
        "properties": properties,
        "required": section.required,
        "additionalProperties": false,
    }))
}

fn takes(takes: Takes) -> Map<String, Value> {
    let name = || json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": Name::LONGEST });
    object(match takes {
        Takes::Version => json!({ "const": 3 }),
        Takes::Name => name(),
        Takes::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Takes::Moment => json!({ "type": "string", "format": "date-time" }),
        Takes::Flag => json!({ "const": true }),
        Takes::Text(bytes) => json!({ "type": "string", "maxLength": bytes }),
        Takes::Word(words) => json!({ "enum": words() }),
        Takes::Words(words) => one_or_some(&json!({ "enum": words() })),
        Takes::Texts("") => one_or_some(&json!({ "type": "string" })),
        Takes::Texts(pattern) => one_or_some(&json!({ "type": "string", "pattern": pattern })),
        Takes::Ids => one_or_some(&json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u32::MAX - 1 },
            { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" },
        ] })),
        Takes::Namespaces => one_or_some(&json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "const": "host" },
        ] })),
        Takes::Table(section) => Value::Object(table(section)),
        Takes::Tables(section) => json!({ "type": "array", "items": table(section) }),
        Takes::Alternatives(section) => one_or_some(&Value::Object(table(section))),
        Takes::Named(section) => json!({
            "type": "object",
            "propertyNames": name(),
            "additionalProperties": table(section),
        }),
    })
}

/// A list, or what could be in it alone.
fn one_or_some(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// What is written as an object is one.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
