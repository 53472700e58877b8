//! A user's own new password.

use super::{Caller, passwords, users};
use crate::{
    audit::{self, Actor},
    db::{self, PgConnection, PgPool},
    error::{Refusal, Result},
    secret::Secret,
};

/// Gives a user a new password. The tokens that logins made end, but for the one that the user came with.
///
/// # Errors
/// 400 when the old password is wrong, or the new one is not good.
pub async fn change(pool: &PgPool, caller: &Caller, old: Secret, new: Secret) -> Result<()> {
    let stored = stored(&mut *pool.acquire().await?, caller.user_id).await?;
    if !passwords::verify(old.reveal().to_owned(), stored.clone()).await? {
        return Err(wrong_password().into());
    }
    let hash = passwords::hash_new("new_password1", &caller.username, new).await?;
    let mut transaction = audit::begin(pool, &Actor::from(caller)).await?;
    // Changes of users take turns: whoever changed it meanwhile made the old password another.
    db::announce_rights(&mut transaction).await?;
    if self::stored(&mut transaction, caller.user_id).await? != stored {
        return Err(wrong_password().into());
    }
    let change = users::Change {
        password_hash: Some(Some(hash)),
        but_for: caller.token.map(|token| token.id),
        ..users::Change::default()
    };
    users::change(&mut transaction, caller.user_id, &change).await?;
    transaction.commit().await?;
    Ok(())
}

async fn stored(connection: &mut PgConnection, user_id: i64) -> Result<Option<String>> {
    let hash = sqlx::query_scalar!("select password_hash from users where id = $1", user_id);
    Ok(hash.fetch_optional(connection).await?.flatten())
}

fn wrong_password() -> Refusal {
    Refusal::field("old_password", "Your old password was entered incorrectly. Please enter it again.")
}
