//! Entries of files that requests write too: each is read by the form of its record.

use std::collections::BTreeMap;

use crate::{
    reading::{Place, Reader},
    record::Record,
    scenarios::definition::Definition,
};

/// An entry, as of `[[cargo_companies]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<R> {
    /// What it says. Its id is 0 where the file fixes none, and so are the ids of what it refers to.
    pub record: R,
    /// What it refers to: the slug of a cargo company, the `erp_code` of a location; by key.
    pub references: BTreeMap<&'static str, String>,
    /// Where the entry stands.
    pub at: Place,
}

impl<R: Record> Entry<R> {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(R::REQUIRED_IN_FILES);
        let mut record = R::blank();
        if R::HAS_FIXED_IDS {
            record.set_id(reader.id("id").unwrap_or_default());
        }
        record.read(reader);
        let references = R::REFERENCES.iter().filter_map(|key| Some((*key, reader.lines(key)?))).collect();
        Self { record, references, at: reader.finish() }
    }

    /// What it refers to under a key.
    #[must_use]
    pub fn reference(&self, key: &str) -> Option<&str> {
        self.references.get(key).map(String::as_str)
    }
}

/// A `[[scenarios]]` entry: how an order is turned into packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it says.
    pub definition: Definition,
    /// Where the entry stands.
    pub at: Place,
}

impl Scenario {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { definition: reader.as_written(Definition::read), at: reader.place() }
    }
}
