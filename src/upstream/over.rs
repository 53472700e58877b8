//! Calls that are over without an answer: given up after their last attempt, or ended by a person; and made again.

use crate::{
    db::PgConnection,
    error::{CALL_IS_OVER, Refusal, Result},
};

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
