//! Makes the calls: a few at a time, of each order the first that is not done. Servers share the work by leases.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::task::JoinSet;

use super::{Reporter, invoice};
use crate::{
    error::Result,
    upstream::client::{Answer, Failure},
};

/// Calls under way at once, of each server.
const MOST_AT_ONCE: i64 = 16;
/// Longest answer that is kept, as text.
const LONGEST_ANSWER: usize = 4000;

/// Days for which finished calls are kept.
const KEPT_DAYS: i32 = 84;

/// A call that this server makes.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub id: i64,
    pub kind: String,
    pub package_id: i64,
    pub transition_log_id: Option<i64>,
    pub path: Option<String>,
    pub payload: Value,
    pub attempts: i32,
}

/// The number of calls by result.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub made: usize,
    pub failed: usize,
}

impl Reporter {
    /// Makes the calls that are due.
    pub(super) async fn send(&self) -> Result<Sent> {
        let calls = self.lease().await?;
        if calls.is_empty() {
            return Ok(Sent::default());
        }
        // A server that stops waits for this, so that answers are recorded and calls are not repeated.
        let mut connection = self.pool.acquire().await?;
        let mut sent = Sent { made: calls.len(), failed: 0 };
        let mut under_way = JoinSet::new();
        for call in calls {
            let (client, pool) = (self.client.clone(), self.pool.clone());
            under_way.spawn(async move {
                let answer = match (call.kind.as_str(), &call.path, client) {
                    ("invoice", ..) => invoice::call(&pool, &call).await,
                    ("status", Some(path), Some(client)) => client.send(Method::PATCH, path, &call.payload).await,
                    (_, Some(path), Some(client)) => client.send(Method::POST, path, &call.payload).await,
                    _ => Err(Failure::from("this server has no upstream".to_owned())),
                };
                (call, answer)
            });
        }
        while let Some(ended) = under_way.join_next().await {
            let Ok((call, answer)) = ended else {
                // Its lease ends, and it is made again.
                tracing::error!("a call to the upstream fell over");
                continue;
            };
            self.metrics.upstream_call(kind(&call.kind), answer.is_ok());
            match answer {
                Ok(answer) => done(&mut connection, &call, &answer).await?,
                Err(failure) => {
                    sent.failed += 1;
                    self.failed(&mut connection, &call, &failure).await?;
                }
            }
        }
        Ok(sent)
    }

    /// Takes calls: of each order the first that is not done, if it is due and no other server makes it.
    async fn lease(&self) -> Result<Vec<Call>> {
        let calls = sqlx::query_as!(
            Call,
            "update upstream_calls
                set leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
              where id in (select c.id from upstream_calls c
                            where c.done_date is null and c.next_attempt_date <= now()
                              and (c.leased_until is null or c.leased_until < now())
                              and (c.kind = 'invoice' or $3)
                              and not exists (select from upstream_calls b where b.order_id = c.order_id
                                                                           and b.done_date is null and b.id < c.id)
                            order by c.next_attempt_date, c.id limit $1 for update skip locked)
             returning id, kind, package_id, transition_log_id, path, payload, attempts",
            MOST_AT_ONCE,
            self.pace.call_lease.as_secs_f64(),
            self.client.is_some()
        );
        Ok(calls.fetch_all(&self.pool).await?)
    }

    async fn failed(&self, connection: &mut PgConnection, call: &Call, failure: &Failure) -> Result<()> {
        let attempts = u32::try_from(call.attempts).unwrap_or(1);
        let pause = self.pace.pause(attempts, rand::random()).max(failure.retry_after.unwrap_or(Duration::ZERO));
        tracing::warn!(call = call.id, kind = call.kind, attempts, why = failure.why, "a call to the upstream failed");
        sqlx::query!(
            "update upstream_calls
                set leased_until = null, next_attempt_date = now() + make_interval(secs => $2), answered_status = $3,
                    answer = $4, last_error = $5
              where id = $1 and done_date is null",
            call.id,
            pause.as_secs_f64(),
            failure.status.map(|status| i16::try_from(status.as_u16()).unwrap_or_default()),
            failure.body.as_ref().and_then(kept),
            failure.why
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

async fn done(connection: &mut PgConnection, call: &Call, answer: &Answer) -> Result<()> {
    let mut transaction = connection.begin().await?;
    if let Some(log_id) = call.transition_log_id {
        invoice::record(&mut transaction, call, log_id, answer).await?;
    }
    sqlx::query!(
        "update upstream_calls
            set done_date = now(), leased_until = null, answered_status = $2, answer = $3, last_error = null
          where id = $1",
        call.id,
        i16::try_from(answer.status.as_u16()).unwrap_or_default(),
        kept(&answer.body)
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Deletes old finished calls.
pub(super) async fn forget_old(pool: &PgPool) -> Result<()> {
    sqlx::query!("delete from upstream_calls where done_date < now() - make_interval(days => $1)", KEPT_DAYS)
        .execute(pool)
        .await?;
    Ok(())
}

/// The kind, for the metric.
fn kind(kind: &str) -> &'static str {
    ["status", "mapping", "bill", "invoice"].into_iter().find(|known| *known == kind).unwrap_or("other")
}

/// An answer's body, if it is short enough to be kept.
fn kept(body: &Value) -> Option<Value> {
    let text = body.to_string();
    (!body.is_null() && text.len() <= LONGEST_ANSWER && !text.contains("\\u0000")).then(|| body.clone())
}
