//! A transaction on a connection of ours.

use std::ops::{Deref, DerefMut};

use super::{
    connection::{End, PgConnection},
    pool::PoolConnection,
};

/// A transaction. Dropped before its end, it is rolled back.
#[derive(Debug)]
pub struct Transaction<'c> {
    connection: Held<'c>,
    is_open: bool,
}

#[derive(Debug)]
enum Held<'c> {
    Borrowed(&'c mut PgConnection),
    Pooled(PoolConnection),
}

impl<'c> Transaction<'c> {
    pub(super) async fn begin(connection: &'c mut PgConnection, statement: Option<&'static str>) -> sqlx::Result<Self> {
        Self::begin_on(Held::Borrowed(connection), statement).await
    }

    async fn begin_on(connection: Held<'c>, statement: Option<&'static str>) -> sqlx::Result<Self> {
        let mut transaction = Self { connection, is_open: false };
        transaction.start_transaction(statement).await?;
        transaction.is_open = true;
        Ok(transaction)
    }

    /// Commits. After an error of the connection the outcome is not known.
    ///
    /// # Errors
    /// When the database fails or refuses.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.end(End::Commit).await
    }

    /// Rolls back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        self.end(End::Rollback).await
    }

    async fn end(&mut self, end: End) -> sqlx::Result<()> {
        self.end_transaction(end).await?;
        self.is_open = false;
        Ok(())
    }
}

impl Transaction<'static> {
    pub(super) async fn begin_pooled(
        connection: PoolConnection,
        statement: Option<&'static str>,
    ) -> sqlx::Result<Self> {
        Self::begin_on(Held::Pooled(connection), statement).await
    }
}

impl Deref for Transaction<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &self.connection {
            Held::Borrowed(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Held::Borrowed(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.abandon_transaction();
        }
    }
}
