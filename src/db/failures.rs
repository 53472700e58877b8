//! What failures of Postgres mean.

/// True if an attempt to connect failed because Postgres starts, ends, or has no connection left: the next may succeed.
pub(super) fn may_start(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("53"))
        }
        _ => false,
    }
}

/// An error in words, without the line of Postgres' source that sqlx adds.
#[must_use]
pub fn text(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) => format!("{} (SQLSTATE {code})", database.message()),
            None => database.message().to_owned(),
        },
        sqlx::Error::PoolTimedOut => "all connections of this process are in use; there may be more \
                                      (OMS_DATABASE_CONNECTIONS)"
            .to_owned(),
        sqlx::Error::PoolClosed => "this process ends, and has closed its connections".to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Protocol(what) => format!("what answers is no Postgres, or does not speak its protocol: {what}"),
        other => other.to_string(),
    }
}

/// True if an error ends the connection, or shows that it leads to the wrong server.
pub(crate) fn is_of_the_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        // 57P0x: Postgres ends; 08xxx: the connection; 25006: what was the primary is a standby; 25P03: the transaction
        // waited too long, which ends the connection too.
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || ["25006", "25P03"].contains(&&*code)
        }),
        _ => false,
    }
}

/// True if Postgres cannot have got the whole statement, because the connection was closed before it was sent: nothing of
/// it is done.
pub(crate) fn never_arrived(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}
