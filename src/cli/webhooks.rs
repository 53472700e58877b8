//! `oms webhooks …`.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    data::Data,
    outcome::{Outcome, date_time},
    table::Printing,
    terminal::{self, say},
};
use crate::{
    audit::{self, Actor},
    config::DataSettings,
    error::{Error, Refusal, Result},
    events,
    webhooks::{
        pause,
        replay::{self, ReplayRange},
    },
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Who subscribed to what, whether it is paused, and what waits.
    List(Printing),
    /// Deliver again: events of one object, of a time, or since the last that was delivered. A server does it.
    Replay(Replay),
    /// Go on delivering to a webhook that is paused.
    Resume {
        /// The webhook's id.
        id: i64,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true, id = "range")]
struct What {
    /// Of one object: `package:12`, `transfer:3` or `stock_location:4`.
    #[arg(long, value_name = "KIND:ID", value_parser = object)]
    object: Option<(String, i64)>,
    /// What happened from this moment on (2026-01-31T12:00:00Z) or day.
    #[arg(long, value_name = "MOMENT", value_parser = date_time)]
    from: Option<DateTime<Utc>>,
    /// What happened before this moment or day.
    #[arg(long, value_name = "MOMENT", value_parser = date_time)]
    to: Option<DateTime<Utc>>,
    /// What happened after the latest event that was delivered.
    #[arg(long)]
    since_last_delivered: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// The webhook's id.
    id: i64,
    #[command(flatten)]
    what: What,
}

fn object(text: &str) -> Result<(String, i64), String> {
    let parts = text.split_once(':').and_then(|(entity, id)| Some((entity, id.parse::<i64>().ok()?)));
    match parts {
        Some((entity, id)) if events::ENTITIES.contains(&entity) => Ok((entity.to_owned(), id)),
        _ => Err("write it like package:12, transfer:3 or stock_location:4".to_owned()),
    }
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let done = run_on(&data, command).await;
    data.close().await?;
    done.map(|()| Outcome::Done)
}

async fn run_on(data: &Data, command: Command) -> Result<()> {
    match command {
        Command::List(printing) => printing.rows(&mut terminal::Output, &list(data).await?, ToString::to_string),
        Command::Replay(Replay { id, what }) => {
            let What { object, from, to, since_last_delivered } = what;
            let (entity, object_id) = object.unzip();
            let range = ReplayRange { entity, object_id, from, to, since_last_delivered };
            let mut connection = data.pool.acquire().await?;
            let replayed = replay::replay(&mut connection, id, &range).await.map_err(|error| unknown(error, id))?;
            say!("{} deliveries are made again, {} for the first time", replayed.replayed, replayed.added);
            Ok(())
        }
        Command::Resume { id } => resume(data, id).await,
    }
}

fn unknown(error: Error, id: i64) -> Error {
    match error {
        Error::Refused(refusal) if refusal == Refusal::not_found() => {
            Error::Fault(format!("there is no webhook {id}; oms webhooks list shows them"))
        }
        other => other,
    }
}

async fn resume(data: &Data, id: i64) -> Result<()> {
    let mut transaction = audit::begin(&data.pool, &Actor::command_line()).await?;
    let resumed = pause::resume(&mut transaction, id).await?;
    let known = sqlx::query_scalar!(r#"select exists (select from webhooks where id = $1) as "known!""#, id)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if !known {
        return Err(unknown(Refusal::not_found().into(), id));
    }
    if resumed {
        pause::wake(&mut *data.pool.acquire().await?, id).await?;
        say!("webhook {id} goes on where it stopped");
    } else {
        say!("webhook {id} is not paused");
    }
    Ok(())
}

/// Numbers above ten thousand are not counted exactly.
const MOST_COUNTED: i64 = 10_000;

/// A subscription.
#[derive(Debug, Serialize)]
struct Listed {
    id: i64,
    user: String,
    event_type: String,
    target_url: String,
    /// `active`, `paused` or `inactive`.
    state: String,
    /// Why it is paused.
    pause_reason: Option<String>,
    failing_since: Option<DateTime<Utc>>,
    /// Deliveries that wait; 10001: more than ten thousand.
    pending: i64,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user, event_type, target_url, state, pause_reason, failing_since, pending } = self;
        write!(f, "{id}: {event_type} of {user} to {target_url}: {state}, ")?;
        if *pending > MOST_COUNTED {
            write!(f, "more than {MOST_COUNTED} wait")?;
        } else {
            write!(f, "{pending} wait")?;
        }
        match (pause_reason, failing_since) {
            (Some(reason), _) => write!(f, "; {reason}"),
            (None, Some(date)) => write!(f, "; failing since {}", date.format("%FT%TZ")),
            (None, None) => Ok(()),
        }
    }
}

async fn list(data: &Data) -> Result<Vec<Listed>> {
    let rows = sqlx::query_as!(
        Listed,
        r#"select w.id, u.username as user, w.event_type, w.target_url, w.pause_reason, w.failing_since,
                  case when not w.is_active then 'inactive' when w.paused_date is null then 'active' else 'paused' end
                  as "state!",
                  (select count(*) from (select from hook_events h where h.webhook_id = w.id and not h.delivered
                                          limit $1) as p) as "pending!"
             from webhooks w join users u on u.id = w.user_id order by w.id"#,
        MOST_COUNTED + 1
    )
    .fetch_all(&data.pool)
    .await?;
    Ok(rows)
}
