//! How many webhooks there may be: of a user, and in all. Every event is compared with each of them.

use crate::{
    db::PgConnection,
    error::{Refusal, Result},
};

/// The advisory lock of who counts webhooks: two that are added at once would not count each other.
const LOCK: i64 = 0x6f6d_7302;

/// The most webhooks, deactivated ones included: they keep what waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `OMS_MAX_WEBHOOKS_PER_USER`.
    pub per_user: u32,
    /// `OMS_MAX_WEBHOOKS`.
    pub in_all: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self { per_user: 100, in_all: 1000 }
    }
}

impl Quota {
    /// Checks the number of webhooks after one of a user was added, in the transaction that added it.
    ///
    /// # Errors
    /// 400 that names the setting, if it is one too many; when the database fails.
    pub async fn check(self, transaction: &mut PgConnection, user_id: i64) -> Result<()> {
        // The next statement sees whatever was added before.
        sqlx::query!("select pg_advisory_xact_lock($1) as lock", LOCK).fetch_one(&mut *transaction).await?;
        let counted = sqlx::query!(
            r#"select count(*) filter (where user_id = $1) as "own!", count(*) as "all!" from webhooks"#,
            user_id
        )
        .fetch_one(transaction)
        .await?;
        let Self { per_user, in_all } = self;
        let message = if counted.own > i64::from(per_user) {
            format!(
                "You may have {per_user} webhooks, deactivated ones included. Change one that you no longer need (PUT \
                 /whisperer/hooks/{{id}}/), or ask whoever runs the server to raise OMS_MAX_WEBHOOKS_PER_USER."
            )
        } else if counted.all > i64::from(in_all) {
            format!("This server may have {in_all} webhooks. Ask whoever runs it to raise OMS_MAX_WEBHOOKS.")
        } else {
            return Ok(());
        };
        Err(Refusal::field("non_field_errors", message).into())
    }
}
