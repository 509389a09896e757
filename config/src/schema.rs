//! The schema of the configuration, for editors and other programs, made from the types.

use crate::keys::{KEYS, Key, Taken};
use crate::settings::Settings;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The JSON schema. Beside what such schemas have, each key has `x-taken`: `reload` or `start`.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>().to_value();
    for key in KEYS {
        if let Some(Value::Object(property)) = property_mut(&mut schema, key) {
            let taken = if key.taken == Taken::Reload { "reload" } else { "start" };
            property.insert("x-taken".to_owned(), json!(taken));
        }
    }
    schema
}

/// The schema as the text of a file.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn property_mut<'a>(schema: &'a mut Value, key: &Key) -> Option<&'a mut Value> {
    key.name.split('.').try_fold(schema, |schema, name| schema.get_mut("properties")?.get_mut(name))
}

/// What is written about a key or section.
pub(crate) fn description<'a>(schema: &'a Value, name: &str) -> &'a str {
    let found = name.split('.').try_fold(schema, |schema, name| schema.get("properties")?.get(name));
    found.and_then(|found| found.get("description")).and_then(Value::as_str).unwrap_or_default()
}
