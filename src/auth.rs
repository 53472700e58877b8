//! Users, tokens, rights.
//!
//! A client sends `Authorization: Token <key>`. The key is 40 hex digits from the system's random source; only its
//! SHA-256 is stored (a random key needs no slow hash). Passwords are hashed by argon2id. A request writes nothing
//! here: each process caches the user of a token, with the version of the installation at which it was read. Every change
//! of a user, of the user's locations or of a token raises that version (triggers of the database), and what was read at
//! an earlier one is read again.

mod attempts;
mod passwords;

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::{
    db::{PgConnection, PgPool},
    error::{OnConstraint, Refusal, Result},
    scope::Scope,
};

pub use crate::role::Role;
pub use attempts::LoginAttempts;
pub use passwords::hash as hash_password;

/// The user that sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub user_id: i64,
    /// The user's name, for logs.
    pub username: String,
    /// The user's rights.
    pub role: Role,
    /// The locations whose objects the user sees. A store user without locations sees none.
    pub scope: Scope,
}

impl Caller {
    /// Refuses a caller whose role is not listed. Admins always pass.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, roles: &[Role]) -> Result<(), Refusal> {
        if self.role == Role::Admin || roles.contains(&self.role) { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}

/// The cache of callers, by the hash of their token.
#[derive(Debug, Default)]
pub struct Sessions {
    known: RwLock<HashMap<[u8; 32], Session>>,
}

/// A caller as read at a version of the installation.
#[derive(Debug)]
struct Session {
    caller: Arc<Caller>,
    version: i64,
    read: Instant,
}

/// Most tokens in the cache. At more, it is emptied.
const MOST_SESSIONS: usize = 10_000;
/// How long Postgres may take to say whose a token is: every request waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// A caller is read again after this time, also when this server hears of no new version.
const LONGEST_SESSION: Duration = Duration::from_secs(10);

impl Sessions {
    /// The user of a token, as of the known version of the installation or a later one.
    ///
    /// # Errors
    /// 401 if there is no such active user.
    pub async fn caller(&self, pool: &PgPool, key: &str, version: i64) -> Result<Arc<Caller>> {
        let hash = hash(key);
        if let Some(session) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&hash)
            && session.version >= version
            && session.read.elapsed() < LONGEST_SESSION
        {
            return Ok(Arc::clone(&session.caller));
        }
        let read = Instant::now();
        let found = read_caller(&pool.waiting(PATIENCE), &hash).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Some((caller, version)) = found else {
            known.remove(&hash);
            return Err(Refusal::invalid_token().into());
        };
        let caller = Arc::new(caller);
        if known.len() >= MOST_SESSIONS {
            known.clear();
        }
        known.insert(hash, Session { caller: Arc::clone(&caller), version, read });
        Ok(caller)
    }
}

/// The user of a token, and the version of the installation, as of one moment.
async fn read_caller(pool: &PgPool, hash: &[u8; 32]) -> Result<Option<(Caller, i64)>> {
    let row = sqlx::query!(
        r#"select u.id, u.username, u.role, (select version from installation) as "version!",
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id
                        order by 1) as "location_ids!"
             from tokens t join users u on u.id = t.user_id
            where t.key_hash = $1 and u.is_active"#,
        hash.as_slice()
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role: Role = row.role.parse()?;
    let location_ids: BTreeSet<i64> = row.location_ids.into_iter().collect();
    let caller = Caller {
        user_id: row.id,
        username: row.username,
        role,
        scope: if role == Role::Store || !location_ids.is_empty() {
            Scope::limited_to(location_ids)
        } else {
            Scope::unlimited()
        },
    };
    Ok(Some((caller, row.version)))
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The key of `Authorization: Token <key>`.
///
/// # Errors
/// 401, with the message of Django REST framework.
pub(crate) fn key(headers: &HeaderMap) -> Result<&str, Refusal> {
    let header = headers.get(header::AUTHORIZATION).ok_or_else(Refusal::no_credentials)?;
    let text = header.to_str().map_err(|_| Refusal::invalid_token())?;
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(key), None) if scheme.eq_ignore_ascii_case("token") => Ok(key),
        (Some(scheme), _, _) if scheme.eq_ignore_ascii_case("token") => Err(Refusal::invalid_token()),
        _ => Err(Refusal::no_credentials()),
    }
}

/// Creates a user. A store user sees the given locations; others see all, unless some are given.
///
/// # Errors
/// When the name is taken, a location is unknown, or a store user gets no location.
pub async fn create_user(
    connection: &mut PgConnection,
    username: &str,
    password: Option<&str>,
    role: Role,
    erp_codes: &[String],
) -> Result<i64> {
    if username.trim().is_empty() {
        return Err(Refusal::field("username", "This field may not be blank.").into());
    }
    if role == Role::Store && erp_codes.is_empty() {
        return Err(
            Refusal::field("location", "A store user needs at least one location (--location ERP_CODE).").into()
        );
    }
    let password_hash = match password {
        Some(password) => Some(hash_password(password.to_owned()).await?),
        None => None,
    };
    let user_id = sqlx::query_scalar!(
        "insert into users (username, password_hash, role) values ($1, $2, $3) returning id",
        username,
        password_hash,
        role.as_str()
    )
    .fetch_one(&mut *connection)
    .await
    .on_constraint("users_username_key", || {
        Refusal::field("username", format!("There is a user {username} already. Choose another name."))
    })?;
    for erp_code in erp_codes {
        let added = sqlx::query!(
            "insert into user_stock_locations (user_id, stock_location_id)
             select $1, id from stock_locations where erp_code = $2 on conflict do nothing",
            user_id,
            erp_code
        )
        .execute(&mut *connection)
        .await?;
        if added.rows_affected() == 0 {
            return Err(Refusal::field("location", format!("There is no stock location {erp_code}.")).into());
        }
    }
    Ok(user_id)
}

/// Creates a token for a user and returns its key. The key is shown only here and stored nowhere.
///
/// # Errors
/// When there is no such active user.
pub async fn issue_token(connection: &mut PgConnection, username: &str) -> Result<String> {
    let key = random_key();
    let key_hash = hash(&key);
    let added = sqlx::query!(
        "insert into tokens (user_id, key_hash) select id, $2 from users where username = $1 and is_active",
        username,
        key_hash.as_slice()
    )
    .execute(&mut *connection)
    .await?;
    if added.rows_affected() == 0 {
        return Err(Refusal::field("username", format!("There is no active user {username}.")).into());
    }
    Ok(key)
}

/// Checks a name and password and creates a token.
///
/// # Errors
/// 400 with the message of Django REST framework if they are wrong.
pub async fn login(pool: &PgPool, username: &str, password: &str) -> Result<String> {
    let stored = sqlx::query_scalar!("select password_hash from users where username = $1 and is_active", username)
        .fetch_optional(pool)
        .await?
        .flatten();
    if !passwords::verify(password.to_owned(), stored).await? {
        return Err(Refusal::non_field("Unable to log in with provided credentials.").into());
    }
    issue_token(&mut *pool.acquire().await?, username).await
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

/// Activates or deactivates a user.
///
/// # Errors
/// When there is no such user.
pub async fn set_active(connection: &mut PgConnection, username: &str, is_active: bool) -> Result<()> {
    let done = sqlx::query!("update users set is_active = $2 where username = $1", username, is_active)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::field("username", format!("There is no user {username}.")).into());
    }
    Ok(())
}

/// Deletes all tokens of a user and returns their number.
///
/// # Errors
/// When there is no such user.
pub async fn revoke_tokens(connection: &mut PgConnection, username: &str) -> Result<u64> {
    let user = sqlx::query_scalar!("select id from users where username = $1", username)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| Refusal::field("username", format!("There is no user {username}.")))?;
    let done = sqlx::query!("delete from tokens where user_id = $1", user).execute(&mut *connection).await?;
    Ok(done.rows_affected())
}

/// Every user, a line each: name, role, locations, tokens.
///
/// # Errors
/// When the database fails.
pub async fn list_users(connection: &mut PgConnection) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select u.username, u.role, u.is_active,
                  (select count(*) from tokens t where t.user_id = u.id) as "tokens!",
                  array(select l.erp_code from user_stock_locations ul join stock_locations l
                            on l.id = ul.stock_location_id where ul.user_id = u.id order by 1) as "locations!"
             from users u order by u.username"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let places = if row.locations.is_empty() { "all locations".to_owned() } else { row.locations.join(" ") };
            let state = if row.is_active { "" } else { " (disabled)" };
            format!("{}{state}: {}, {places}, {} tokens", row.username, row.role, row.tokens)
        })
        .collect())
}
