//! What waits without a place is planned again: at once when something it wants comes free, and by a sweep now and then.
//!
//! A package that is out of stock or needs rescheduling gets its REPACK through the dispatcher, like anybody's, by the
//! user `system`; the oldest order's first, one at a time. So it has every guarantee a command has, and several servers
//! that try the same package do no harm.
//!
//! How it is told that something came free:
//!
//! * counts of stock, and changes of locations and scenarios, leave a row in `replanning_wakes` in their own transaction
//!   ([`wakes`]); every server looks there each second, and one of them takes it;
//! * commands, which are not to write a row more, send the [`WakeSignal`] of their own process after their commit.
//!
//! What a crash makes the wake signal forget is found when the server starts (it looks at everything that waits) or by the
//! sweep, which tries everything and which one server does for all.
//!
//! No herd: before a package is tried, a query asks whether some item of it could have one of the things that came free
//! (`waiting.rs`); so one unit for ten thousand packages is one attempt, and what cannot be placed is left alone until
//! something it wants changes.

mod waiting;
mod wake_signal;
pub mod wakes;
mod worker;

pub use wake_signal::{Freed, WakeSignal};
pub use worker::{Settings, start};
