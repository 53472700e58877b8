//! Packages that an installation moves out of a state that is gone.

use super::{
    installed::MOVED,
    touched::{Touched, counted},
};
use crate::error::Result;

/// Most reasons that are told.
const MOST_REASONS: usize = 5;

/// Packages that go from a state to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moving {
    /// The slug of the state they stand in.
    pub from: String,
    /// The slug of the state they go to.
    pub to: String,
    /// How many have moved.
    pub moved: u64,
    /// How many could not, and why the first of them could not.
    pub failed: (u64, Vec<String>),
    /// The id of the state they stand in.
    pub(super) state_id: i64,
}

impl Moving {
    /// The packages that stand in the state, for people; none if they are not counted.
    pub(super) fn waiting(&self, touched: &Touched) -> Option<String> {
        counted(*touched.packages.get(&self.state_id)?, "package")
    }

    /// The slug of the transition by which they are moved.
    pub(super) fn slug(&self) -> String {
        format!("{MOVED}{}__{}", self.from, self.to).to_lowercase()
    }

    /// Notes what became of a package: why it could not be moved, if it could not.
    pub(super) fn count(&mut self, number: &str, outcome: Result<Option<String>>) {
        let why = match outcome {
            Ok(None) => {
                self.moved += 1;
                return;
            }
            Ok(Some(why)) => why,
            Err(error) => error.to_string(),
        };
        self.failed.0 += 1;
        if self.failed.1.len() < MOST_REASONS {
            self.failed.1.push(format!("package {number}: {why}"));
        }
    }
}
