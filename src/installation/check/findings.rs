//! What a check finds: problems and warnings.

use crate::installation::read::{Installation, Place, Problem};

/// The findings, in the order of the files and their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Problems: the installation cannot be applied.
    pub problems: Vec<Problem>,
    /// Warnings: strange, but possible.
    pub warnings: Vec<Problem>,
}

/// Collects the findings of the parts of the check.
#[derive(Default)]
pub(super) struct Findings(pub(super) Checked);

impl Findings {
    pub(super) fn problem(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.problems.push(at.problem(key, message, remedy));
    }

    pub(super) fn warning(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.warnings.push(at.problem(key, message, remedy));
    }

    /// Sorts the findings in reading order of the files.
    pub(super) fn sorted(self, installation: &Installation) -> Checked {
        let position = |problem: &Problem| {
            let mut files = installation.files.iter();
            (files.position(|file| file.name == problem.file), problem.line)
        };
        let mut checked = self.0;
        checked.problems.sort_by_key(position);
        checked.warnings.sort_by_key(position);
        checked
    }
}
