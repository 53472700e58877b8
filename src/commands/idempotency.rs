//! `Idempotency-Key`: a repeated request gets the first answer, byte for byte.
//!
//! The answer is written in the command's own transaction, so it exists exactly if the command took effect. A key
//! belongs to the user who sent it and lives [`LIFETIME_HOURS`]; another request with the same key is refused. A list
//! of commands has a key, and each of its commands has one made from it.

use std::collections::HashMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::outcome::Reply;
use crate::{
    db::{PgConnection, PgPool},
    error::{Error, Result},
};

/// How long a key is remembered.
pub const LIFETIME_HOURS: i32 = 24;

/// Longest key accepted, in bytes.
pub const LONGEST_KEY: usize = 255;

/// A key, with a hash of its request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The user.
    pub user_id: i64,
    /// The header's value.
    pub key: String,
    /// A hash of the path's id and the body.
    pub request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// The key of a command on a package. Bodies that differ in any byte are different requests.
    #[must_use]
    pub fn new(user_id: i64, key: String, package_id: i64, body: &[u8]) -> Self {
        Self::of("package", user_id, key, package_id, body)
    }

    /// The key of a command on a transfer.
    #[must_use]
    pub fn for_transfer(user_id: i64, key: String, transfer_id: i64, body: &[u8]) -> Self {
        Self::of("transfer", user_id, key, transfer_id, body)
    }

    fn of(entity: &str, user_id: i64, key: String, id: i64, body: &[u8]) -> Self {
        let request_hash = Sha256::new().chain_update(entity).chain_update(id.to_be_bytes()).chain_update(body);
        Self { user_id, key, request_hash: request_hash.finalize().into() }
    }

    /// The key of adjustments of stock.
    #[must_use]
    pub fn for_adjustments(user_id: i64, key: String, body: &[u8]) -> Self {
        Self::of("adjustments of stock", user_id, key, 0, body)
    }

    /// The key of a list of commands.
    #[must_use]
    pub fn of_list(user_id: i64, key: String, body: &[u8]) -> Self {
        let request_hash = Sha256::new().chain_update(b"list of commands").chain_update(body);
        Self { user_id, key, request_hash: request_hash.finalize().into() }
    }

    /// The key of one command of that list. No header can have the same key, because it has a line break.
    #[must_use]
    pub fn of_part(&self, number: usize) -> Self {
        let request_hash = Sha256::new().chain_update(self.request_hash).chain_update(number.to_be_bytes());
        let key = format!("{}\n{number}", self.key);
        Self { user_id: self.user_id, key, request_hash: request_hash.finalize().into() }
    }
}

/// Claims a key for a list of commands before any of them runs. The list's answer is not stored: each command stores
/// its own. False if the key was used for another request.
///
/// # Errors
/// When the database fails.
pub async fn claim(connection: &mut PgConnection, key: &IdempotencyKey) -> Result<bool> {
    let claimed = sqlx::query_scalar!(
        r#"insert into idempotency_keys as k (user_id, key, request_hash, status, body) values ($1, $2, $3, 200, '')
           on conflict on constraint idempotency_keys_pkey do update
              set request_hash = case when k.created_date <= now() - make_interval(hours => $4)
                                      then excluded.request_hash else k.request_hash end,
                  status = case when k.created_date <= now() - make_interval(hours => $4)
                                then excluded.status else k.status end,
                  body = case when k.created_date <= now() - make_interval(hours => $4)
                              then excluded.body else k.body end,
                  created_date = case when k.created_date <= now() - make_interval(hours => $4)
                                      then now() else k.created_date end
           returning request_hash = $3 as "claimed!""#,
        key.user_id,
        key.key,
        key.request_hash.as_slice(),
        LIFETIME_HOURS
    )
    .fetch_one(connection)
    .await?;
    Ok(claimed)
}

/// A stored answer.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// A hash of the request that it answered.
    pub request_hash: Vec<u8>,
    /// The answer.
    pub reply: Reply,
}

/// The stored answers of some keys. Read them after the packages are locked: then no other transaction is about to
/// store an answer for the same request.
///
/// # Errors
/// When the database fails.
pub async fn read_answers(
    connection: &mut PgConnection,
    keys: &[&IdempotencyKey],
) -> Result<HashMap<(i64, String), Remembered>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let users: Vec<i64> = keys.iter().map(|key| key.user_id).collect();
    let names: Vec<String> = keys.iter().map(|key| key.key.clone()).collect();
    let rows = sqlx::query!(
        "select k.user_id, k.key, k.request_hash, k.status, k.body
           from idempotency_keys k
           join unnest($1::bigint[], $2::text[]) as c(user_id, key) on c.user_id = k.user_id and c.key = k.key
          where k.created_date > now() - make_interval(hours => $3)",
        &users,
        &names,
        LIFETIME_HOURS
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let status = u16::try_from(row.status)
                .ok()
                .and_then(|status| http::StatusCode::from_u16(status).ok())
                .ok_or_else(|| Error::Fault(format!("stored status {}", row.status)))?;
            let reply = Reply { status, body: Bytes::from(row.body) };
            Ok(((row.user_id, row.key), Remembered { request_hash: row.request_hash, reply }))
        })
        .collect()
}

/// Stores answers. False if a key was stored meanwhile by a request for another package: roll back, and the next
/// attempt reads it.
///
/// # Errors
/// When the database fails.
pub async fn write(connection: &mut PgConnection, answers: &[(&IdempotencyKey, Reply)]) -> Result<bool> {
    if answers.is_empty() {
        return Ok(true);
    }
    let users: Vec<i64> = answers.iter().map(|(key, _)| key.user_id).collect();
    let names: Vec<String> = answers.iter().map(|(key, _)| key.key.clone()).collect();
    let hashes: Vec<Vec<u8>> = answers.iter().map(|(key, _)| key.request_hash.to_vec()).collect();
    let statuses: Vec<i16> =
        answers.iter().map(|(_, reply)| i16::try_from(reply.status.as_u16()).unwrap_or(i16::MAX)).collect();
    let bodies: Vec<Vec<u8>> = answers.iter().map(|(_, reply)| reply.body.to_vec()).collect();
    let done = sqlx::query!(
        "insert into idempotency_keys as k (user_id, key, request_hash, status, body)
         select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::smallint[], $5::bytea[])
          order by 1, 2
         on conflict on constraint idempotency_keys_pkey do update
            set request_hash = excluded.request_hash, status = excluded.status, body = excluded.body,
                created_date = now()
          where k.created_date <= now() - make_interval(hours => $6)",
        &users,
        &names,
        &hashes,
        &statuses,
        &bodies,
        LIFETIME_HOURS
    )
    .execute(connection)
    .await?;
    Ok(usize::try_from(done.rows_affected()) == Ok(answers.len()))
}

/// Deletes old keys, a limited number at a time.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(pool: &PgPool) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let done = sqlx::query!(
            "delete from idempotency_keys
              where (user_id, key) in (select user_id, key from idempotency_keys
                                        where created_date <= now() - make_interval(hours => $1) limit 5000)",
            LIFETIME_HOURS
        )
        .execute(pool)
        .await?;
        forgotten += done.rows_affected();
        if done.rows_affected() < 5000 {
            return Ok(forgotten);
        }
    }
}
