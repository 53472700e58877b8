//! Users, tokens, rights.
//!
//! A client sends `Authorization: Token <key>`. A request writes nothing here: each process caches the user of a token,
//! with the version of the installation at which it was read. Every change of a user, of the user's locations or of a
//! token raises that version (triggers of the database), and what was read at an earlier one is read again.
//!
//! * [`users`]: who there is; added, changed, removed. [`passwords`]: how they are kept, and which are good.
//! * [`tokens`]: given out, listed, ended; their last use. [`quota`]: how many there may be.

mod attempts;
pub mod own_password;
pub mod passwords;
pub mod quota;
pub mod tokens;
pub mod users;

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};

use crate::{
    audit::Actor,
    db::{PgConnection, PgPool},
    error::{Refusal, Result},
    scope::Scope,
};

pub use crate::role::Role;
pub use attempts::LoginAttempts;
pub use tokens::{NewToken, issue as issue_token, login, revoke_all as revoke_tokens};
pub use users::{create_user, set_active};

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
    /// The token that the user came with; none: it is the server itself.
    pub token: Option<UsedToken>,
}

/// The token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedToken {
    /// Its id.
    pub id: i64,
    /// When it ends; none: never.
    pub expires_date: Option<DateTime<Utc>>,
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        Self::User { id: caller.user_id, name: caller.username.clone() }
    }
}

impl Caller {
    /// The user of what the server does by itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn system(connection: &mut PgConnection) -> Result<Arc<Self>> {
        let user_id = sqlx::query_scalar!("select id from users where username = $1", users::SYSTEM);
        let user_id = user_id.fetch_one(connection).await?;
        let (role, scope) = (Role::Admin, Scope::unlimited());
        Ok(Arc::new(Self { user_id, username: users::SYSTEM.to_owned(), role, scope, token: None }))
    }

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
    /// The tokens that were read since [`Sessions::note_uses`].
    used: Mutex<HashSet<i64>>,
}

/// A caller as read at a version of the installation.
#[derive(Debug)]
struct Session {
    caller: Arc<Caller>,
    version: i64,
    /// It is read again from then on.
    until: Instant,
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
        let hash = tokens::hash(key);
        if let Some(session) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&hash)
            && session.version >= version
            && Instant::now() < session.until
        {
            return Ok(Arc::clone(&session.caller));
        }
        let read = Instant::now();
        let found = read_caller(&pool.waiting(PATIENCE), &hash).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Some(Found { caller, version, left }) = found else {
            known.remove(&hash);
            return Err(Refusal::invalid_token().into());
        };
        let caller = Arc::new(caller);
        let until = read + left.map_or(LONGEST_SESSION, |left| left.min(LONGEST_SESSION));
        if known.len() >= MOST_SESSIONS {
            known.clear();
        }
        known.insert(hash, Session { caller: Arc::clone(&caller), version, until });
        drop(known);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(caller.token.map(|token| token.id));
        Ok(caller)
    }

    /// Writes the last use of the tokens that came since it was called last: for many requests together. A token that is
    /// used all the time is read every few seconds, so none is forgotten.
    ///
    /// # Errors
    /// When the database fails; the uses are written the next time.
    pub async fn note_uses(&self, pool: &PgPool) -> Result<()> {
        let used = mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let ids: Vec<i64> = used.iter().copied().collect();
        let noted = tokens::note_uses(pool, &ids).await;
        if noted.is_err() {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
        }
        noted
    }
}

/// A token that is good, as of one moment.
struct Found {
    caller: Caller,
    /// The version of the installation.
    version: i64,
    /// How long the token is good.
    left: Option<Duration>,
}

/// The user of a token.
async fn read_caller(pool: &PgPool, hash: &[u8; 32]) -> Result<Option<Found>> {
    // The database's clock says when a token ends: all servers agree.
    let row = sqlx::query!(
        r#"select u.id, u.username, u.role, (select version from installation) as "version!", t.id as token_id,
                  t.expires_date, extract(epoch from t.expires_date - now())::float8 as seconds_left,
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id
                        order by 1) as "location_ids!"
             from tokens t join users u on u.id = t.user_id
            where t.key_hash = $1 and u.is_active and (t.expires_date is null or t.expires_date > now())"#,
        hash.as_slice()
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role: Role = row.role.parse()?;
    let caller = Caller {
        user_id: row.id,
        username: row.username,
        role,
        scope: Scope::of(role, row.location_ids),
        token: Some(UsedToken { id: row.token_id, expires_date: row.expires_date }),
    };
    // A moment so far away is no limit.
    let left = row.seconds_left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Some(Found { caller, version: row.version, left }))
}

/// Refuses a caller who is not any more what the cache says.
///
/// # Errors
/// 401 when the token has ended or the user is not let in; 403 when role or locations are others.
pub async fn require_unchanged(connection: &mut PgConnection, caller: &Caller) -> Result<()> {
    let Some(token) = caller.token else { return Ok(()) };
    let row = sqlx::query!(
        r#"select u.role, array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id
                                 order by 1) as "location_ids!"
             from tokens t join users u on u.id = t.user_id
            where t.id = $1 and u.is_active and (t.expires_date is null or t.expires_date > now())"#,
        token.id
    );
    let row = row.fetch_optional(connection).await?.ok_or_else(Refusal::invalid_token)?;
    let role: Role = row.role.parse()?;
    if role == caller.role && Scope::of(role, row.location_ids) == caller.scope {
        Ok(())
    } else {
        Err(Refusal::forbidden().into())
    }
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
