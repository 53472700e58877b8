//! The core: commands, and their list.
//!
//! ```text
//! Request ── dispatch ──▶ load ─▶ resolve ─▶ decide ─▶ consequences ─▶ apply ─▶ commit ─▶ answer
//!                        facts   workflow   the file   pure            SQL
//! ```
//!
//! A command is a pure decision: its input is a [`command::Context`], its output [`changes::Changes`] or a refusal. It has no
//! connection, no clock and no network. Consequences of a change of state or place (quota, stock, reservations, the
//! log, events) are derived in [`consequences`], so no command can forget them.
//!
//! To add one: a file under `package/` with its kind and its decision, and its name in the two lists of that folder's
//! `mod.rs`; a plain move is a row of [`package::moves`]. Transfers have commands of their own ([`transfer`]).

pub mod apply;
pub mod background;
pub mod changes;
pub mod command;
pub mod common;
pub mod consequences;
pub mod dispatch;
pub mod effects;
pub mod explain;
pub mod idempotency;
pub mod input;
pub mod outcome;
pub mod package;
pub mod records;
pub mod subject;
pub mod traffic;
pub mod transfer;
pub mod wake_signal;

use std::sync::LazyLock;

use crate::kinds::Kind;

/// The kinds of all commands, for the table of transitions, the check of an installation and the documentation.
#[must_use]
pub fn kinds() -> &'static [&'static Kind] {
    static KINDS: LazyLock<Vec<&Kind>> = LazyLock::new(|| {
        let of_packages = package::commands().map(|command| &command.kind);
        of_packages.chain(transfer::commands().map(|command| &command.kind)).collect()
    });
    &KINDS
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::kinds::{Recorded, common::COMMON};

    #[test]
    fn every_kind_has_a_name_of_its_own_a_summary_and_sound_json() {
        let mut names = std::collections::HashSet::new();
        for kind in kinds() {
            assert!(std::iter::once(&kind.identifier).chain(kind.aliases).all(|name| names.insert(*name)));
            assert!(!kind.summary.is_empty());
            assert!(kind.example().is_object(), "{}: its example is an object", kind.identifier);
            for parameter in kind.parameters {
                let schema: Result<Value, _> = serde_json::from_str(parameter.schema);
                let schema = schema.expect("a schema is JSON");
                assert!(schema.is_object(), "{}: {}", kind.identifier, parameter.name);
                if let Some(Recorded::Text { most_characters }) = parameter.recorded {
                    assert_eq!(schema["maxLength"], most_characters);
                }
                // They are stored together, and only packages have records.
                assert!(parameter.recorded.is_none() || COMMON.iter().all(|common| common.name != parameter.name));
                assert!(parameter.recorded.is_none() || kind.entity() == "package");
            }
            assert!(kind.undone_by.is_none_or(|name| crate::kinds::find(kinds(), name).is_some()));
        }
    }
}
