//! Calls that are over without an answer: given up after their last attempt, or ended by a person; and made again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::{CALL_IS_OVER, Refusal, Result},
    reading::{self, Reader},
};

/// Calls made due at a time.
const BATCH: i64 = 1000;
/// The kinds of calls.
const KINDS: [(&str, &str); 4] =
    [("status", "status"), ("mapping", "mapping"), ("bill", "bill"), ("invoice", "invoice")];

/// Ends a call: it is not made again, and its credentials are deleted. One that is under way may still arrive; its answer is
/// not recorded.
///
/// # Errors
/// 406 if it was answered; when the database fails.
pub async fn end(connection: &mut PgConnection, id: i64, user_id: i64) -> Result<()> {
    let mut transaction = connection.begin().await?;
    let call = sqlx::query!("select package_id, transition_log_id from upstream_calls where id = $1", id)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or_else(Refusal::not_found)?;
    lock_package(&mut transaction, call.package_id).await?;
    let ended = sqlx::query!(
        "update upstream_calls
            set given_up_date = coalesce(given_up_date, now()), ended_by = coalesce(ended_by, $2)
          where id = $1 and done_date is null",
        id,
        user_id
    )
    .execute(&mut *transaction)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(Refusal::rule(CALL_IS_OVER, format!("Call {id} was answered; there is nothing to end.")).into());
    }
    if let Some(log_id) = call.transition_log_id {
        forget_secrets(&mut transaction, log_id).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Makes a call due now, also one that was given up: its time until the last attempt begins anew.
///
/// # Errors
/// 406 if it was answered or ended, or if the upstream has been told a later status; when the database fails.
pub async fn retry(connection: &mut PgConnection, id: i64) -> Result<()> {
    let retried = sqlx::query!(
        "update upstream_calls c
            set given_up_date = null, first_attempt_date = null, attempts = 0, next_attempt_date = now()
          where c.id = $1 and c.done_date is null and c.ended_by is null
            and not (c.kind = 'status' and c.given_up_date is not null
                     and exists (select from upstream_calls l
                                  where l.order_item_id = c.order_item_id
                                    and l.kind = 'status' and l.id > c.id
                                    and (l.done_date is not null or l.leased_until > now())))",
        id
    )
    .execute(connection)
    .await?;
    if retried.rows_affected() == 0 {
        let sentence = "was answered or ended, or the upstream knows a later status; it is not made again.";
        return Err(Refusal::rule(CALL_IS_OVER, format!("Call {id} {sentence}")).into());
    }
    Ok(())
}

/// Which of the calls that were given up are meant. None: it does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedCalls {
    kind: Option<&'static str>,
    order_id: Option<i64>,
    package_id: Option<i64>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl FailedCalls {
    /// Reads a body, with the names of the list's filters.
    ///
    /// # Errors
    /// 400 that names every wrong field, also when no field says which calls.
    pub fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        reading::body(body, |reader| {
            let wanted = Self::read(reader);
            let keys = ["kind", "order", "package", "created_date__gte", "created_date__lte"];
            if !keys.iter().any(|key| reader.has(key)) {
                let what = "Say which: kind, order, package, created_date__gte or created_date__lte.";
                reader.wrong("non_field_errors", what);
            }
            wanted
        })
    }

    /// Reads the keys, of a request or for the document.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            kind: reader.word("kind", &KINDS),
            order_id: reader.id("order"),
            package_id: reader.id("package"),
            from: reader.date_time("created_date__gte"),
            to: reader.date_time("created_date__lte"),
        }
    }
}

/// What became of calls that were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RetriedCalls)]
pub struct Retried {
    /// Calls that are made again.
    retried: u64,
    /// Statuses that are not, because the upstream knows a later one of the same item.
    overtaken: u64,
}

/// Makes the calls due now that were given up and are meant, as [`retry`] does one. In batches, each with its own
/// transaction, so that no lock is held for long; one that was interrupted is simply asked for again.
///
/// # Errors
/// When the database fails: some calls are due then, the others are as they were.
pub async fn retry_failed(connection: &mut PgConnection, wanted: &FailedCalls) -> Result<Retried> {
    let (mut done, mut after) = (Retried::default(), Some(0));
    while let Some(last) = after {
        let rows = sqlx::query!(
            r#"with found as (
                   select c.id,
                          c.kind = 'status' and exists (
                              select from upstream_calls l
                               where l.order_item_id = c.order_item_id and l.kind = 'status' and l.id > c.id
                                 and (l.done_date is not null or l.leased_until > now())) as is_overtaken
                     from upstream_calls c
                    where c.given_up_date is not null and c.done_date is null and c.ended_by is null and c.id > $1
                      and ($2::text is null or c.kind = $2) and ($3::bigint is null or c.order_id = $3)
                      and ($4::bigint is null or c.package_id = $4)
                      and ($5::timestamptz is null or c.created_date >= $5)
                      and ($6::timestamptz is null or c.created_date <= $6)
                    order by c.id limit $7 for no key update of c
               ), retried as (
                   update upstream_calls c
                      set given_up_date = null, first_attempt_date = null, attempts = 0, next_attempt_date = now()
                     from found f where c.id = f.id and not f.is_overtaken
               )
               select id, is_overtaken as "is_overtaken!" from found"#,
            last,
            wanted.kind,
            wanted.order_id,
            wanted.package_id,
            wanted.from,
            wanted.to,
            BATCH
        )
        .fetch_all(&mut *connection)
        .await?;
        let overtaken = rows.iter().filter(|row| row.is_overtaken).count();
        done.overtaken += overtaken as u64;
        done.retried += (rows.len() - overtaken) as u64;
        let is_more = i64::try_from(rows.len()).is_ok_and(|count| count >= BATCH);
        after = rows.iter().map(|row| row.id).max().filter(|_| is_more);
    }
    Ok(done)
}

/// Locks a package before its records and calls: the order in which commands lock them.
pub(super) async fn lock_package(connection: &mut PgConnection, package_id: i64) -> Result<()> {
    sqlx::query!("select from packages where id = $1 for no key update", package_id).execute(connection).await?;
    Ok(())
}

/// Deletes the parameters and credentials of an invoice call.
pub(super) async fn forget_secrets(connection: &mut PgConnection, log_id: i64) -> Result<()> {
    sqlx::query!("update transition_records set invoice_call = null where transition_log_id = $1", log_id)
        .execute(connection)
        .await?;
    Ok(())
}
