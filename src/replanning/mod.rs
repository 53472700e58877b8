//! Plans waiting packages again: at once when something they want comes free, and in a sweep now and then.
//!
//! A package that is out of stock or needs rescheduling gets a REPACK through the dispatcher, like any other command,
//! as user `system`, one at a time, the oldest order first. So a REPACK has every guarantee of a command, and several
//! servers that try the same package do no harm.
//!
//! Two ways say that something came free:
//!
//! * Counts of stock, and changes of locations and scenarios, write a row to `replanning_wakes` in their own
//!   transaction ([`wakes`]). Every server looks there each second; one of them takes the row.
//! * Commands write no extra row. They send the
//!   [`WakeSignal`](crate::commands::wake_signal::WakeSignal) of their own process after their commit.
//!
//! A signal lost in a crash is made good at the next start, which looks at every waiting package, or by the sweep,
//! which tries every package and which one server does for all. A sweep begins also when a location opens that
//! rules choose for its hours (`openings.rs`).
//!
//! If it is set, promises that a count says cannot be kept are planned again, too (`short.rs`): the latest ones, of packages that
//! nobody works on yet.
//!
//! There is no herd: a query first asks whether an item of the package could have any of the things that came free
//! (`waiting.rs`). So one unit for ten thousand packages is one attempt, and a package that cannot be placed is left
//! alone until something it wants changes.

mod openings;
mod short;
mod waiting;
pub mod wakes;
mod worker;

pub use worker::{Settings, Worker};
