//! The schema, compared with what the migrations make.
//!
//! `schema.tsv` is what they make, a line a thing: kind, name, definition. A test writes it anew
//! (`OMS_WRITE_SCHEMA=1 cargo test --test api schema_tsv`) and compares. What a database has besides is nobody's business,
//! unless it changes how our tables work: a column, a constraint, a trigger or a unique index on one of them.

use std::collections::BTreeMap;

use super::{Fault, query::rows};
use crate::{db::PgConnection, error::Result};

const QUERY: &str = include_str!("schema.sql");
const MADE: &str = include_str!("schema.tsv");
/// The name of the check.
pub(super) const CHECK: &str = "schema";

/// A schema: definitions by kind and name.
pub type Schema = BTreeMap<(String, String), String>;

/// Reads the schema of a database.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &mut PgConnection) -> Result<Schema> {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let things = rows::<3>(connection, QUERY).await?;
    Ok(things.into_iter().map(|[kind, name, definition]| ((kind, name), one_line(&definition))).collect())
}

/// What the migrations make.
#[must_use]
pub fn made() -> Schema {
    let line = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        Some(((parts.next()?, parts.next()?), parts.next()?))
    };
    MADE.lines().filter_map(line).collect()
}

/// A schema as `schema.tsv` has it.
#[must_use]
pub fn to_text(schema: &Schema) -> String {
    let mut text = String::new();
    for ((kind, name), definition) in schema {
        text.extend([kind, "\t", name, "\t", definition, "\n"]);
    }
    text
}

/// A difference of a database from what the migrations make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The kind of thing: `index`.
    pub kind: String,
    /// Its name; of what is of a table, after the table's.
    pub name: String,
    /// What the migrations make; none: nothing.
    pub made: Option<String>,
    /// What is there; none: nothing.
    pub found: Option<String>,
}

impl Difference {
    /// The table and the name in it, of a thing that is of a table.
    #[must_use]
    pub fn of_table(&self) -> Option<(&str, &str)> {
        self.name.split_once('.')
    }

    pub(super) fn fault(&self) -> Fault {
        let text = match (&self.made, &self.found) {
            (Some(made), Some(found)) => format!("it is: {found}; it should be: {made}"),
            (None, Some(found)) => format!("no migration made it: {found}"),
            _ => "it is missing".to_owned(),
        };
        Fault { check: CHECK, subject: format!("{} {}", self.kind, self.name), text, remedy: Some(self.remedy()) }
    }

    /// How it is put right: a command of ours, or a statement.
    fn remedy(&self) -> String {
        let Some(made) = &self.made else { return "drop it, unless it is wanted".to_owned() };
        match (self.kind.as_str(), self.of_table()) {
            ("index", _) => "oms repair indexes".to_owned(),
            ("trigger", _) => "oms repair triggers".to_owned(),
            ("constraint", _) if self.is_disabled() => "oms repair triggers".to_owned(),
            ("constraint", Some((table, name))) => format!("alter table {table} add constraint {name} {made}"),
            ("function", _) => "make it again by the statement of the last migration that names it".to_owned(),
            _ => "restore a backup of before: this is no change that oms makes".to_owned(),
        }
    }

    /// True if it is there and does nothing.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        match (&self.made, &self.found) {
            (Some(made), Some(found)) => {
                [DISABLED, NOT_ENFORCED].iter().any(|how| bare(found) == bare(&format!("{made}{how}")))
            }
            _ => false,
        }
    }
}

/// How `schema.sql` ends what it says of a trigger or a foreign key that does nothing.
const DISABLED: &str = " (disabled)";
const NOT_ENFORCED: &str = " (not enforced)";

/// The differences of a database from what the migrations make.
///
/// # Errors
/// When the database fails.
pub async fn differences(connection: &mut PgConnection) -> Result<Vec<Difference>> {
    Ok(compare(&made(), &read(connection).await?))
}

fn compare(made: &Schema, found: &Schema) -> Vec<Difference> {
    let table_of = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let is_ours = |table: String| made.contains_key(&("table".to_owned(), table));
    // What hangs on a table that is missing is not told once more.
    let is_gone = |(kind, name): &(String, String)| {
        ["column", "constraint", "trigger"].contains(&kind.as_str())
            && !found.contains_key(&("table".to_owned(), table_of(name)))
    };
    let difference = |(kind, name): &(String, String), made: Option<&String>, found: Option<&String>| Difference {
        kind: kind.clone(),
        name: name.clone(),
        made: made.cloned(),
        found: found.cloned(),
    };
    let is_same = |thing, definition: &str| found.get(thing).is_some_and(|other| bare(other) == bare(definition));
    let lacking = made.iter().filter(|(thing, definition)| !is_same(*thing, definition) && !is_gone(thing));
    let lacking = lacking.map(|(thing, definition)| difference(thing, Some(definition), found.get(thing)));
    let strange = found.iter().filter(|(thing, definition)| {
        let changes = match thing.0.as_str() {
            "column" | "constraint" | "trigger" => is_ours(table_of(&thing.1)),
            "index" => definition.starts_with("CREATE UNIQUE") && is_ours(table_of_index(definition)),
            _ => false,
        };
        changes && !made.contains_key(*thing)
    });
    lacking.chain(strange.map(|(thing, definition)| difference(thing, None, Some(definition)))).collect()
}

/// A definition without its parentheses. Postgres writes a condition that it has read from its own text, as in a restored
/// dump, with fewer of them.
fn bare(definition: &str) -> String {
    definition.replace(['(', ')'], "")
}

/// The table of `CREATE UNIQUE INDEX name ON table USING …`.
fn table_of_index(definition: &str) -> String {
    let after = definition.split(" ON ").nth(1).unwrap_or_default();
    after.trim_start_matches("ONLY ").split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(things: &[(&str, &str, &str)]) -> Schema {
        let owned = things
            .iter()
            .map(|(kind, name, definition)| (((*kind).to_owned(), (*name).to_owned()), (*definition).to_owned()));
        owned.collect()
    }

    #[test]
    fn each_difference_is_told_once_and_what_others_made_for_themselves_is_not() {
        let made = schema(&[
            ("table", "a", "logged"),
            ("column", "a.id", "bigint not null"),
            ("table", "gone", "logged"),
            ("column", "gone.id", "bigint"),
            ("index", "a_idx", "CREATE INDEX a_idx ON a USING btree (id)"),
            ("trigger", "a.kept", "CREATE TRIGGER kept …"),
        ]);
        let found = schema(&[
            ("table", "a", "logged"),
            ("column", "a.id", "bigint"),
            ("column", "a.other", "text"),
            ("table", "theirs", "logged"),
            ("column", "theirs.id", "bigint"),
            ("index", "more", "CREATE INDEX more ON a USING btree (id)"),
            ("index", "once", "CREATE UNIQUE INDEX once ON a USING btree (id)"),
            ("trigger", "a.kept", "CREATE TRIGGER kept … (disabled)"),
        ]);
        let told: Vec<String> = compare(&made, &found).iter().map(|one| one.fault().to_string()).collect();
        assert_eq!(
            told,
            [
                "column a.id: it is: bigint; it should be: bigint not null",
                "index a_idx: it is missing",
                "table gone: it is missing",
                "trigger a.kept: it is: CREATE TRIGGER kept … (disabled); it should be: CREATE TRIGGER kept …",
                "column a.other: no migration made it: text",
                "index once: no migration made it: CREATE UNIQUE INDEX once ON a USING btree (id)",
            ]
        );
        assert!(compare(&made, &made).is_empty());
    }

    #[test]
    fn the_text_is_what_is_read_of_it() {
        assert_eq!(to_text(&made()), MADE);
        assert!(MADE.lines().count() > 900);
    }
}
