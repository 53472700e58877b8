//! The file for `--mapping`: which columns of somebody's own file are which fields, and what holds for all orders.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::columns::{FIELDS, Field};
use crate::{reading::column, spelling::suggestion};

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The names of columns by field; of several, the first that has a cell.
    pub(super) columns: BTreeMap<Field, Vec<String>>,
    /// What stands for cells that are empty or missing.
    pub(super) values: BTreeMap<Field, String>,
    /// Columns that are passed over, though they are called nearly as a field.
    pub(super) ignored: Vec<String>,
    /// How dates are written, as `%d.%m.%Y %H:%M`.
    pub(super) date_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    columns: BTreeMap<String, Names>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    ignored: Vec<String>,
    date_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Mapping {
    /// Reads a file in TOML.
    ///
    /// # Errors
    /// What is wrong with it, and the remedy.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let field = |table: &str, path: &str| {
            let paths: Vec<&str> = FIELDS.iter().map(|(_, path)| *path).collect();
            Field::of_path(path)
                .ok_or_else(|| format!("{table}.{path}: there is no such field — {}", suggestion(path, &paths)))
        };
        let ignored = file.ignored.iter().map(|name| column(name)).collect();
        let mut mapping = Self { date_format: file.date_format, ignored, ..Self::default() };
        for (path, names) in file.columns {
            let names = match names {
                Names::One(name) => vec![name],
                Names::Several(names) => names,
            };
            mapping.columns.insert(field("columns", &path)?, names.iter().map(|name| column(name)).collect());
        }
        for (path, value) in file.values {
            mapping.values.insert(field("values", &path)?, value);
        }
        Ok(mapping)
    }
}
