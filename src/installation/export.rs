//! What is installed, as a file.

use serde_json::{Map, Value};

use super::items::{Item, Section};
use crate::error::{Error, Result};

/// A file that says these entries, with their ids.
///
/// # Errors
/// A fault if an entry cannot be written as TOML.
pub fn toml(items: &[Item]) -> Result<String> {
    let mut document = toml::Table::new();
    for section in Section::ALL {
        let entries: Vec<toml::Value> =
            items.iter().filter(|item| item.section == section).map(entry).collect::<Result<_>>()?;
        if entries.is_empty() {
            continue;
        }
        let value = match section {
            Section::Inventory => entries.into_iter().next().unwrap_or_else(|| toml::Table::new().into()),
            // A key of the file itself.
            Section::TimeZone => match entries.first().and_then(|entry| entry.get(section.as_str())) {
                Some(value) => value.clone(),
                None => continue,
            },
            _ => toml::Value::Array(entries),
        };
        document.insert(section.as_str().to_owned(), value);
    }
    toml::to_string(&document).map_err(|error| Error::Fault(format!("cannot write the installation as TOML: {error}")))
}

fn entry(item: &Item) -> Result<toml::Value> {
    let mut keys = Map::new();
    // The id of a location is not the file's to say.
    let id = item.id.filter(|_| item.section != Section::StockLocations);
    keys.extend(id.map(|id| ("id".to_owned(), Value::from(id))));
    keys.extend(item.keys.clone());
    value(&Value::Object(keys)).ok_or_else(|| {
        Error::Fault(format!("{} {}: it has a value that TOML cannot say", item.section.title(), item.name))
    })
}

/// A value in TOML, which knows no null and no numbers above 64 bits.
fn value(json: &Value) -> Option<toml::Value> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(flag) => toml::Value::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => toml::Value::Integer(integer),
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(values) => toml::Value::Array(values.iter().map(value).collect::<Option<_>>()?),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, entry)| Some((key.clone(), value(entry)?)));
            toml::Value::Table(entries.collect::<Option<_>>()?)
        }
    })
}
