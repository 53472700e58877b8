//! A delivery that is made again at once, because somebody asks for it.

use std::time::Instant;

use super::{
    DeliveryService,
    claim::{self, LEASE_SECONDS, Prepared, Turn},
    client::Outcome,
    record::{self, Report},
    refusal, worker,
};
use crate::{
    catalog::CatalogCache,
    cause,
    db::PgPool,
    error::{Error, Refusal, Result},
    metrics::Metrics,
    outbound::HELD,
};

/// A delivery that was tried so often is out of the hands of the retries that follow each other.
const IN_RETRY_PROCESS: i32 = 11;

impl DeliveryService {
    /// Delivers again under the same uuid, whether or not earlier events of the object wait. `force`: also what the server
    /// is still trying.
    ///
    /// # Errors
    /// 404 if there is no such delivery; 403 if its subscriber may not hear of it any more, or is not let in; 406 where it
    /// was delivered, where the server is still trying, and where nothing is sent because the database is a copy; when the
    /// database fails.
    pub(crate) async fn deliver_again(
        &self,
        pool: &PgPool,
        catalog_cache: &CatalogCache,
        metrics: &Metrics,
        id: i64,
        force: bool,
    ) -> Result<Outcome> {
        if !self.gate.is_open() {
            return Err(refusal("event_100_held", HELD).into());
        }
        let mut connection = pool.acquire().await?;
        let is_delivered = sqlx::query_scalar!("select delivered from hook_events where id = $1", id);
        let is_delivered = is_delivered.fetch_optional(&mut *connection).await?.ok_or_else(Refusal::not_found)?;
        let row = claim::peek(&mut connection, &[id]).await?.pop().ok_or_else(Refusal::not_found)?;
        if is_delivered {
            return Err(refusal("event_100_3", "Event already delivered").into());
        }
        if !force && row.retry_count < IN_RETRY_PROCESS {
            return Err(refusal("event_100_6", "Event is still in retry process").into());
        }
        let prepared =
            claim::prepare(&mut connection, catalog_cache, &self.addresses, std::slice::from_ref(&row)).await?;
        let gone = || Error::Fault("a delivery that failed has no body".to_owned());
        let hook = prepared.hook(&row).ok_or_else(gone)?;
        let body = match prepared.turn(&row, hook) {
            Turn::Withheld => return Err(Refusal::forbidden().into()),
            Turn::Send(_) if !hook.owner.is_active => return Err(Refusal::forbidden().into()),
            Turn::Send(body) => body,
            Turn::Unreadable | Turn::Expired => return Err(gone()),
        };
        // Nobody else takes it on meanwhile.
        sqlx::query!(
            "update hook_events set held_back = false, next_attempt_date = now() + make_interval(secs => $2)
              where id = $1 and not delivered",
            row.id,
            LEASE_SECONDS
        )
        .execute(&mut *connection)
        .await?;
        drop(connection);
        let delivery = Prepared::delivery(&row, hook, body);
        let started = Instant::now();
        let outcome = cause::within(prepared.cause(&row), self.client.send(&delivery)).await;
        metrics.webhooks.attempt(outcome.is_delivered(), outcome.took);
        let result = worker::attempt_result(hook, &row, &delivery.body, started, outcome.clone());
        let report = [Report { row, result, _slot: () }];
        record::write(&mut *pool.acquire().await?, &report, self.settings.pause_after).await?;
        self.due.notify_one();
        Ok(outcome)
    }
}
