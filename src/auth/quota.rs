//! How many tokens of a user are living: logins and scripts make new ones, and few end them.

use super::tokens;
use crate::{
    audit::{self, Actor},
    db::{self, PgConnection, PgPool},
    error::{Refusal, Result},
};

/// The class of advisory locks of who counts a user's tokens: two that are made at once would not count each other.
const LOCK: i32 = 0x6f6d_7303;
/// Tokens deleted at a time.
const BATCH: i64 = 1000;

/// The most tokens of a user that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `OMS_MAX_LOGINS_PER_USER`: at one more, the oldest login ends.
    pub logins: u32,
    /// `OMS_MAX_TOKENS_PER_USER`: made over HTTP. One more is refused.
    pub tokens: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self { logins: 50, tokens: 100 }
    }
}

impl Quota {
    /// Checks the number of a user's tokens after one was made, in the transaction that made it. Those of logins do not
    /// count. What the command line makes is not checked.
    ///
    /// # Errors
    /// 400 that names the setting, if it is one too many; when the database fails.
    pub async fn check(self, transaction: &mut PgConnection, username: &str) -> Result<()> {
        // The next statement sees whatever was made before.
        sqlx::query!("select pg_advisory_xact_lock($1, hashtext($2)) as lock", LOCK, username)
            .fetch_one(&mut *transaction)
            .await?;
        let living = sqlx::query_scalar!(
            r#"select count(*) as "living!" from tokens t join users u on u.id = t.user_id
                where u.username = $1 and not t.is_login and (t.expires_date is null or t.expires_date > now())"#,
            username
        );
        let most = self.tokens;
        if living.fetch_one(transaction).await? <= i64::from(most) {
            return Ok(());
        }
        let message = format!(
            "{username} may have {most} tokens besides those of logins. End one that is no longer needed (DELETE \
             /api/v1/auth/tokens/{{id}}/), or ask whoever runs the server to raise OMS_MAX_TOKENS_PER_USER."
        );
        Err(Refusal::field("non_field_errors", message).into())
    }

    /// Ends the oldest logins of a user, as many as are too many. After a login has made its token: a change of rights begins
    /// with the installation's row, which every command reads, so a login takes it only when there is something to end.
    ///
    /// # Errors
    /// When the database fails: the next login ends them.
    pub(super) async fn end_oldest_logins(self, pool: &PgPool, user_id: i64, actor: &Actor) -> Result<()> {
        let most = i64::from(self.logins);
        let living = sqlx::query_scalar!(
            r#"select count(*) as "living!" from tokens
                where user_id = $1 and is_login and (expires_date is null or expires_date > now())"#,
            user_id
        );
        if living.fetch_one(pool).await? <= most {
            return Ok(());
        }
        let mut transaction = audit::begin(pool, actor).await?;
        db::announce_rights(&mut transaction).await?;
        sqlx::query!(
            "delete from tokens
              where id in (select id from tokens
                            where user_id = $1 and is_login and (expires_date is null or expires_date > now())
                            order by id desc offset $2)",
            user_id,
            most
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Deletes tokens that ended by their date some time ago; the audit keeps that there were such. In batches.
///
/// # Errors
/// When the database fails.
pub async fn forget_expired(pool: &PgPool) -> Result<()> {
    loop {
        let ids = sqlx::query_scalar!(
            "select id from tokens where expires_date < now() - make_interval(days => $1) order by id limit $2",
            tokens::KEPT_DAYS,
            BATCH
        )
        .fetch_all(pool)
        .await?;
        if ids.is_empty() {
            return Ok(());
        }
        let mut transaction = audit::begin(pool, &Actor::Server("expired tokens")).await?;
        db::announce_rights(&mut transaction).await?;
        sqlx::query!("delete from tokens where id = any($1)", &ids).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}
