//! Where an object stands in the text it was read from.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::defect::{Defect, Step, keys, place};

/// A text that was turned into objects, and still knows where everything stands in it and how it was written.
pub trait Origin {
    /// The type of a value as the text has it; it may know more types than JSON.
    fn type_name(&self, path: &[Step]) -> Option<&'static str>;
    /// A number as it is written there.
    fn written(&self, path: &[Step]) -> Option<String>;
    /// Where an object stands.
    fn place(&self, path: &[Step]) -> Place;
}

/// One defect of a text, told so that it can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name; empty when the text was read without one.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The table and key, as in `transitions.command`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(formatter, "{}, ", self.file)?;
        }
        write!(formatter, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{} — {}", self.message, self.remedy)
    }
}

impl std::error::Error for Problem {}

/// Where an entry stands in its file, kept so that a later check can still point at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name; empty when the text was read without one.
    pub file: Arc<str>,
    /// The line on which the entry begins.
    pub line: usize,
    /// The table the entry belongs to, as in `scenarios.rules`.
    pub section: String,
    /// The line of each key of the entry and of all within it, as in `rules[0].name`.
    pub key_lines: BTreeMap<String, usize>,
}

impl Place {
    /// The line of a key; the entry's own where the key was left out.
    #[must_use]
    pub fn line_of(&self, key: &str) -> usize {
        self.key_lines.get(key).copied().unwrap_or(self.line)
    }

    /// A problem with a key of this entry.
    #[must_use]
    pub fn problem(&self, key: &str, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            file: self.file.to_string(),
            line: self.line_of(key),
            key: if self.section.is_empty() { key.to_owned() } else { format!("{}.{key}", self.section) },
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A defect that was found in this entry, with a path from the entry.
    #[must_use]
    pub fn defect(&self, defect: &Defect) -> Problem {
        let keys = keys(&defect.path);
        let deepest = self.key_lines.get(&place(&defect.path)).copied();
        Problem {
            line: deepest.unwrap_or_else(|| self.line_of(keys.split('.').next().unwrap_or_default())),
            ..self.problem(&keys, &defect.message, &defect.remedy)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(formatter, "{}, ", self.file)?;
        }
        write!(formatter, "line {}", self.line)
    }
}
