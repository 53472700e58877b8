//! Whether anything may leave this server.

use tokio::sync::watch;

use super::Reason;

/// Why nothing is sent.
pub const HELD: &str = "nothing is sent: this database is a copy of another's, see oms adopt";

/// Open, or closed while the database is not at home ([`crate::home`]): then nothing leaves this server. Clones are the same
/// gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// One that is open.
    #[must_use]
    pub fn open() -> Self {
        Self(watch::Sender::new(true))
    }

    /// One that is closed for good: of work that asks nobody.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// True if it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        // The sender is here, so this cannot fail.
        self.0.subscribe().wait_for(|is_open| *is_open).await.ok();
    }

    /// Opens or closes it.
    pub fn set(&self, is_open: bool) {
        self.0.send_if_modified(|was| std::mem::replace(was, is_open) != is_open);
    }

    /// Refuses while it is closed.
    pub(super) fn check(&self) -> Result<(), Reason> {
        if self.is_open() { Ok(()) } else { Err(HELD.to_owned()) }
    }
}
