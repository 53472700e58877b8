//! Tokens: given out, listed, ended one by one.
//!
//! A key is 40 hex digits from the system's random source. Only its SHA-256 is stored (a random key needs no slow hash),
//! and its first digits, to know it by.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::{passwords, quota::Quota};
use crate::{
    audit::{self, Actor},
    db::{self, PgConnection, PgPool},
    error::{Refusal, Result},
    page::{Kind, List, filter},
    reading::name,
    wire::Timestamp,
};

/// Digits of a key that are stored: 32 of its 160 bits.
const PREFIX: usize = 8;
/// Days for which a token stays listed that ended by its date.
pub(super) const KEPT_DAYS: i32 = 30;
/// Longest name of a token, in characters.
pub const LONGEST_NAME: usize = 100;

/// What a new token is.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewToken<'a> {
    /// What it is for.
    pub name: &'a str,
    /// When it ends; none: never.
    pub expires_date: Option<DateTime<Utc>>,
    /// Whether a login makes it.
    pub is_login: bool,
}

/// A token that was made.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: i64,
    /// Its key, which is shown only now and stored nowhere.
    pub key: String,
}

/// A token, as it is listed.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = UserToken)]
pub struct TokenView {
    /// Its id.
    pub id: i64,
    /// Name of its user.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// The first digits of its key; null of one that was made before they were kept.
    pub key_prefix: Option<String>,
    /// Whether a login made it. Such a token ends when the password is changed.
    pub is_login: bool,
    /// When it was made.
    pub created_date: Timestamp,
    /// When it ends; null: never.
    pub expires_date: Option<Timestamp>,
    /// Whether it has ended.
    pub is_expired: bool,
    /// When it was used last, to within two minutes; null: never since this is noted.
    pub last_used_date: Option<Timestamp>,
}

/// Tokens, those that have ended too. A caller sees their own.
pub const TOKENS: List = List {
    from: " from tokens t join users u on u.id = t.user_id",
    columns: "t.id, u.username as \"user\", t.name, t.key_prefix, t.is_login, t.created_date, t.expires_date, \
              coalesce(t.expires_date <= now(), false) as is_expired, t.last_used_date",
    visible: "t.user_id = any({})",
    filters: &[
        filter("user", Kind::Text, "u.username = {}", "Name of the user."),
        filter("name", Kind::Contains, "has_part(t.name, {})", "Part of the name, in any case and with any accents."),
        filter("key_prefix", Kind::Prefix, "t.key_prefix like {}", "The first digits of the key, eight or fewer."),
        filter("is_login", Kind::Boolean, "t.is_login = {}", "Whether a login made it."),
        filter(
            "is_expired",
            Kind::Boolean,
            "coalesce(t.expires_date <= now(), false) = {}",
            "Whether it has ended by its date.",
        ),
    ],
    sorts: &[
        ("id", "t.id"),
        ("name", "t.name"),
        ("created_date", "t.created_date"),
        ("expires_date", "t.expires_date"),
        ("last_used_date", "t.last_used_date"),
    ],
    default_sort: "-id",
    tie_breaker: "t.id desc",
};

pub(super) fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// 160 random bits, as 40 hex digits.
fn random_key() -> String {
    let bytes: [u8; 20] = rand::random();
    bytes.iter().fold(String::with_capacity(40), |mut key, byte| {
        // Writing to a String cannot fail.
        write!(key, "{byte:02x}").ok();
        key
    })
}

/// Creates a token for a user. Whoever ends all tokens of the user, or lets the user in no more, waits for it.
///
/// # Errors
/// When there is no such active user, or the token would have ended already.
pub async fn issue(connection: &mut PgConnection, username: &str, token: &NewToken<'_>) -> Result<Issued> {
    let username = &*name(username);
    let key = random_key();
    let key_hash = hash(&key);
    let added = sqlx::query!(
        r#"insert into tokens (user_id, key_hash, key_prefix, name, expires_date, is_login)
           select id, $2, $3, $4, $5, $6 from users where username = $1 and is_active for share
           returning id, coalesce(expires_date <= now(), false) as "is_over!""#,
        username,
        key_hash.as_slice(),
        key.get(..PREFIX),
        token.name,
        token.expires_date,
        token.is_login
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| Refusal::field("user", format!("There is no active user {username}.")))?;
    if added.is_over {
        return Err(Refusal::field("expires_date", "It is over already; choose a moment to come.").into());
    }
    Ok(Issued { id: added.id, key })
}

/// Checks a name and password and creates a token. The user's oldest logins end, as far as there are more than `quota` has.
///
/// # Errors
/// 400 with the message of Django REST framework if they are wrong.
pub async fn login(pool: &PgPool, username: &str, password: &str, quota: Quota) -> Result<String> {
    let username = &*name(username);
    let stored = sqlx::query!("select id, password_hash from users where username = $1 and is_active", username)
        .fetch_optional(pool)
        .await?;
    let (id, hash) = stored.map(|stored| (stored.id, stored.password_hash)).unzip();
    if !passwords::verify(password.to_owned(), hash.clone().flatten()).await? {
        return Err(wrong_credentials().into());
    }
    let actor = Actor::User { id: id.unwrap_or_default(), name: username.to_owned() };
    let mut transaction = audit::begin(pool, &actor).await?;
    // A password that was changed meanwhile ends this login as it ends those before it.
    let is_as_it_was = sqlx::query_scalar!(
        r#"select password_hash is not distinct from $2 as "same!" from users where username = $1 for share"#,
        username,
        hash.flatten()
    );
    if is_as_it_was.fetch_optional(&mut *transaction).await? != Some(true) {
        return Err(wrong_credentials().into());
    }
    let token = NewToken { name: "login", is_login: true, ..NewToken::default() };
    let issued = issue(&mut transaction, username, &token).await?;
    transaction.commit().await?;
    if let Err(error) = quota.end_oldest_logins(pool, id.unwrap_or_default(), &actor).await {
        tracing::warn!(%error, "cannot end the oldest login of a user; the next login does");
    }
    Ok(issued.key)
}

fn wrong_credentials() -> Refusal {
    Refusal::non_field("Unable to log in with provided credentials.")
}

/// Ends a token; false if there is none.
///
/// # Errors
/// When the database fails.
pub async fn revoke(connection: &mut PgConnection, id: i64) -> Result<bool> {
    // First, as with every change of rights: else two could wait for each other.
    db::announce_rights(connection).await?;
    let done = sqlx::query!("delete from tokens where id = $1", id).execute(connection).await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all tokens of a user and returns their number.
///
/// # Errors
/// When there is no such user.
pub async fn revoke_all(connection: &mut PgConnection, username: &str) -> Result<u64> {
    let username = &*name(username);
    db::announce_rights(connection).await?;
    // Waits for a token that is being made: it ends with the others.
    let user = sqlx::query_scalar!("select id from users where username = $1 for no key update", username)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| Refusal::field("username", format!("There is no user {username}.")))?;
    let done = sqlx::query!("delete from tokens where user_id = $1", user).execute(&mut *connection).await?;
    Ok(done.rows_affected())
}

/// Ends the tokens that logins of a user made, but for one.
pub(super) async fn end_logins(connection: &mut PgConnection, user_id: i64, but_for: Option<i64>) -> Result<()> {
    sqlx::query!(
        "delete from tokens where user_id = $1 and is_login and id is distinct from $2::bigint",
        user_id,
        but_for
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Tokens for people: those of a user, or all; the latest first.
///
/// # Errors
/// When the database fails.
pub async fn list(connection: &mut PgConnection, username: Option<&str>) -> Result<Vec<TokenView>> {
    let tokens = sqlx::query_as(
        r#"select t.id, u.username as "user", t.name, t.key_prefix, t.is_login, t.created_date, t.expires_date,
                  coalesce(t.expires_date <= now(), false) as is_expired, t.last_used_date
             from tokens t join users u on u.id = t.user_id
            where $1::text is null or u.username = $1 order by t.id desc"#,
    );
    Ok(tokens.bind(username.map(name)).fetch_all(connection).await?)
}

/// Writes that tokens were used a moment ago, where their last use moves by more than a minute.
pub(super) async fn note_uses(pool: &PgPool, ids: &[i64]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update tokens set last_used_date = now()
          where id in (select id from tokens
                        where id = any($1)
                          and (last_used_date is null or last_used_date < now() - interval '1 minute')
                        order by id for no key update skip locked)",
        ids
    )
    .execute(pool)
    .await?;
    Ok(())
}
