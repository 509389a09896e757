//! A check by a JSON schema, of as much of draft 2020-12 as the schema of policies uses. What it does not know it refuses.

use regex_lite::Regex;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

/// What is wrong with a policy of format 3 by the schema, each with its place. Empty if nothing is.
pub(crate) fn faults(schema: &Value, text: &str) -> Vec<String> {
    let table = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\nof {text}"));
    let mut found = Vec::new();
    check(schema, &of_table(table.get_ref()), "", &mut found);
    found
}

fn of_table(table: &DeTable<'_>) -> Value {
    let pair = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (key.to_string(), of_value(value.get_ref()))
    };
    Value::Object(table.iter().map(pair).collect::<Map<_, _>>())
}

/// A value of TOML as the schema sees it: dates are strings.
fn of_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(integer) => match i128::from_str_radix(integer.as_str(), integer.radix()).unwrap() {
            negative @ i128::MIN..=-1 => json!(i64::try_from(negative).unwrap()),
            positive => json!(u64::try_from(positive).unwrap()),
        },
        DeValue::Float(float) => json!(float.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Datetime(moment) => json!(moment.to_string()),
        DeValue::Array(items) => items.iter().map(|item| of_value(item.get_ref())).collect(),
        DeValue::Table(table) => of_table(table),
    }
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if *schema == json!(false) {
        return found.push(format!("{at}: has no place here"));
    }
    for (word, wanted) in schema.as_object().unwrap() {
        let holds = match word.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => is_of(value, wanted.as_str().unwrap()),
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted, text)),
            "format" => {
                value.as_str().is_none_or(|text| matches(&json!("^[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$"), text))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "minimum" => {
                !value.is_number() || value.as_u64().is_some_and(|number| number >= wanted.as_u64().unwrap())
            }
            "maximum" => value.as_u64().is_none_or(|number| number <= wanted.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|table| {
                wanted.as_array().unwrap().iter().all(|key| table.contains_key(key.as_str().unwrap()))
            }),
            "anyOf" => wanted.as_array().unwrap().iter().any(|one| {
                let mut wrong = Vec::new();
                check(one, value, at, &mut wrong);
                wrong.is_empty()
            }),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.for_each(|(number, item)| check(wanted, item, &format!("{at}[{number}]"), found));
                true
            }
            "properties" | "additionalProperties" | "propertyNames" => {
                keys(schema, word, value, at, found);
                true
            }
            other => panic!("the schema uses `{other}`, which this check does not know"),
        };
        if !holds {
            found.push(format!("{at}: {value} and {word} {wanted}"));
        }
    }
}

fn keys(schema: &Value, word: &str, value: &Value, at: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let below = format!("{at}.{key}");
        let known = schema["properties"].get(key);
        match word {
            "propertyNames" => check(&schema[word], &json!(key), &below, found),
            "properties" => known.into_iter().for_each(|known| check(known, value, &below, found)),
            _ if known.is_none() => check(&schema[word], value, &below, found),
            _ => {}
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the schema uses the type `{other}`, which this check does not know"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}
