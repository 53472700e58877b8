//! What the pools of a process learn of the way to Postgres.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::failures;

/// For how long a failure to connect answers for the next attempts.
const FAILURE_STANDS: Duration = Duration::from_millis(500);

/// The way to Postgres, as the pools of a process have found it.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// When a connection was last lost.
    loss: Mutex<Option<Instant>>,
    /// Why no connection could be opened, since the last one was.
    failure: Mutex<Option<(Instant, String)>>,
}

impl Links {
    /// A connection broke, or fell silent. Others that lie idle are lost in the same way, so none of them is used again:
    /// each would fail a request, and to test them would take as long as they are many.
    pub(super) fn lost(&self) {
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// True if a connection was lost since.
    pub(super) fn lost_since(&self, when: Instant) -> bool {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|loss| loss >= when)
    }

    /// True if a connection was lost within this time.
    pub(super) fn lost_within(&self, time: Duration) -> bool {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|loss| loss.elapsed() < time)
    }

    /// A connection was opened.
    pub(super) fn opened(&self) {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if failure.is_some() {
            tracing::info!("connections to Postgres can be opened again");
        }
    }

    /// None could be opened.
    pub(super) fn not_opened(&self, error: &sqlx::Error) {
        let text = failures::text(error);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(_, known)| *known != text) {
            tracing::warn!(error = text, "cannot open a connection to Postgres");
        }
        *failure = Some((Instant::now(), text));
    }

    /// Why none could be opened, if the last attempt failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, text)| text.clone())
    }

    /// The same, if that was just now: another attempt would find the same, and take its time.
    pub(super) fn fresh_failure(&self) -> sqlx::Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((when, text)) if when.elapsed() < FAILURE_STANDS => Err(io::Error::other(text.clone()).into()),
            _ => Ok(()),
        }
    }
}
