//! `oms doctor`: what an operator looks at first when something is odd. Short, and it reads only.

use serde::Serialize;

use super::{schema, sequences};
use crate::{db::PgConnection, error::Result, reading::name};

/// What was looked at, and whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: `sequences`.
    pub about: &'static str,
    /// False if something has to be done.
    pub is_well: bool,
    /// What is there, or what is wrong.
    pub text: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Finding {
    /// Something that is well.
    #[must_use]
    pub fn well(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, is_well: true, text: text.into(), remedy: None }
    }

    /// Something that is wrong.
    #[must_use]
    pub fn wrong(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about, is_well: false, text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// Names that are listed.
const SHOWN_NAMES: usize = 5;
/// Oldest delivery, call or event that may wait before somebody has to look, in seconds.
const LATE: f64 = 900.0;

/// Looks at the database of a current schema.
///
/// # Errors
/// When the database fails.
pub async fn examine(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let mut findings = schema_findings(connection).await?;
    findings.extend(sequence_findings(connection).await?);
    findings.push(installation(connection).await?);
    findings.push(rights(connection).await?);
    findings.push(partitions(connection).await?);
    findings.push(names(connection).await?);
    findings.extend(readers(connection).await?);
    findings.extend(upstream(connection).await?);
    Ok(findings)
}

async fn schema_findings(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let differences = schema::differences(connection).await?;
    if differences.is_empty() {
        return Ok(vec![Finding::well(
            "schema",
            format!("as the migrations make it, {} things", schema::made().len()),
        )]);
    }
    let wrong = differences.iter().map(|difference| {
        let fault = difference.fault();
        Finding { about: "schema", is_well: false, text: fault.to_string(), remedy: fault.remedy }
    });
    Ok(wrong.collect())
}

async fn sequence_findings(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let behind = sequences::behind(connection).await?;
    if behind.is_empty() {
        return Ok(vec![Finding::well("sequences", "each gives numbers that are free")]);
    }
    let wrong = behind.iter().map(|one| {
        let fault = one.fault();
        Finding { about: "sequences", is_well: false, text: fault.to_string(), remedy: fault.remedy }
    });
    Ok(wrong.collect())
}

async fn installation(connection: &mut PgConnection) -> Result<Finding> {
    let row = sqlx::query!(
        r#"select version, applied_date is not null as "is_applied!", (select count(*) from quota_recounts) as "open!",
                  (select count(*) from scenarios where is_active) as "scenarios!",
                  (select count(*) from stock_locations where is_active) as "locations!"
             from installation"#
    )
    .fetch_one(connection)
    .await?;
    let about = "installation";
    Ok(if !row.is_applied {
        Finding::wrong(about, "none is applied", "oms install FILES")
    } else if row.open > 0 {
        Finding::wrong(about, "its quota ledger is not complete", "apply it again: oms install FILES")
    } else if row.scenarios == 0 {
        Finding::wrong(about, "no scenario is active: every order is refused", "activate one")
    } else if row.locations == 0 {
        Finding::wrong(about, "no location is active: nothing can be placed", "activate one")
    } else {
        Finding::well(
            about,
            format!("version {}, {} locations and {} scenarios active", row.version, row.locations, row.scenarios),
        )
    })
}

/// Names that an older version stored otherwise than they are compared: whoever names them means others.
async fn names(connection: &mut PgConnection) -> Result<Finding> {
    let stored: Vec<(String, String)> = sqlx::query_as(
        "select kind, name
           from (select 'SKU' as kind, sku as name from stocks union select 'location', erp_code from stock_locations
                 union select 'user', username from users) names
          where octet_length(name) <> length(name) or name <> btrim(name)
          order by 1, 2",
    )
    .fetch_all(connection)
    .await?;
    let others: Vec<String> = stored
        .iter()
        .filter(|(_, stored)| name(stored) != stored.as_str())
        .map(|(kind, stored)| format!("{kind} {}", stored.escape_default()))
        .collect();
    if others.is_empty() {
        return Ok(Finding::well("names", "each is stored as it is compared"));
    }
    let shown = others.iter().take(SHOWN_NAMES).cloned().collect::<Vec<_>>().join(", ");
    Ok(Finding::wrong(
        "names",
        format!("{} are stored as an older version took them, and are found by nobody: {shown}", others.len()),
        "count these SKUs anew, and give these locations and users their names again",
    ))
}

/// The role may do what a server does.
async fn rights(connection: &mut PgConnection) -> Result<Finding> {
    let row = sqlx::query!(
        r#"select current_user::text as "role!", pg_is_in_recovery() as "is_standby!",
                  current_setting('transaction_read_only')::boolean as "reads!",
                  has_schema_privilege(current_schema(), 'create') as "creates!",
                  (select coalesce(string_agg(c.relname, ', ' order by c.relname), '')
                     from pg_class c
                    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
                      and not has_table_privilege(c.oid, 'select, insert, update, delete')) as "closed!""#
    )
    .fetch_one(connection)
    .await?;
    let (about, role) = ("role", row.role);
    Ok(if row.is_standby || row.reads {
        Finding::wrong(
            about,
            format!("{role} only reads here: a server cannot work on it"),
            "let DATABASE_URL name the primary (several hosts and target_session_attrs=read-write)",
        )
    } else if !row.closed.is_empty() {
        let remedy = format!("grant select, insert, update, delete on all tables in schema public to {role}");
        Finding::wrong(about, format!("{role} may not read and write {}", row.closed), remedy)
    } else if !row.creates {
        Finding::wrong(
            about,
            format!("{role} may create nothing: weeks for events cannot be made"),
            format!("grant create on schema public to {role}, or let the owner run oms migrate now and then"),
        )
    } else {
        Finding::well(about, format!("{role} may do what a server does"))
    })
}

/// Events need a partition for the week in which they happen.
async fn partitions(connection: &mut PgConnection) -> Result<Finding> {
    let weeks = sqlx::query_scalar!(
        r#"select count(*) as "weeks!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'events'::regclass
              and c.relname >= 'events_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')"#
    )
    .fetch_one(connection)
    .await?;
    Ok(if weeks < 1 {
        let remedy =
            "start a server, which makes eight weeks ahead, or: select create_event_partitions(now() + '8 weeks')";
        Finding::wrong("events", "there is no room for events of next week: no command can be written then", remedy)
    } else {
        Finding::well("events", format!("room for {weeks} weeks ahead"))
    })
}

/// Who follows what happens.
async fn readers(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let row = sqlx::query!(
        r#"select coalesce((select extract(epoch from now() - created_date)::float8 from events
                             where (position, id) > (r.position, r.event_id) order by position, id limit 1), 0) as "relay!",
                  coalesce((select extract(epoch from now() - min(event_date))::float8 from hook_events h
                              join webhooks w on w.id = h.webhook_id and w.is_active and w.paused_date is null
                             where not h.delivered), 0) as "delivery!",
                  (select count(*) from webhooks where is_active) as "active!",
                  (select count(*) from webhooks where is_active and paused_date is not null) as "paused!"
             from webhook_relay r"#
    )
    .fetch_one(connection)
    .await?;
    let mut findings = Vec::new();
    if row.active > 0 && row.relay > LATE {
        let text = format!("the oldest event that is not made out for webhooks is of {} ago", ago(row.relay));
        findings.push(Finding::wrong("webhooks", text, "is a server running? its log says why it does not go on"));
    }
    if row.delivery > LATE {
        let text = format!("the oldest event that is not delivered is of {} ago", ago(row.delivery));
        findings.push(Finding::wrong("webhooks", text, "oms webhooks list says which receiver fails"));
    }
    if row.paused > 0 {
        let text = format!("{} of {} subscriptions are paused", row.paused, row.active);
        findings.push(Finding::wrong("webhooks", text, "oms webhooks list; then oms webhooks resume ID"));
    }
    if findings.is_empty() {
        findings.push(Finding::well("webhooks", format!("{} subscriptions, nothing late", row.active)));
    }
    Ok(findings)
}

async fn upstream(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let row = sqlx::query!(
        r#"select c.failures, c.last_error, c.polled_date is not null as "is_followed!",
                  coalesce(extract(epoch from now() - c.polled_date)::float8, 0) as "polled!",
                  (select count(*) from upstream_problems where resolved_date is null) as "problems!",
                  (select count(*) from upstream_calls where given_up_date is not null and ended_by is null) as "given_up!",
                  coalesce((select extract(epoch from now() - min(created_date))::float8 from upstream_calls
                             where done_date is null and given_up_date is null), 0) as "waiting!"
             from upstream_cursor c"#
    )
    .fetch_one(connection)
    .await?;
    let mut findings = Vec::new();
    if row.failures > 0 {
        let text = format!("{} polls failed, the last: {}", row.failures, row.last_error.unwrap_or_default());
        findings.push(Finding::wrong(
            "upstream",
            text,
            "look at the upstream, and at its address and token in the settings",
        ));
    } else if row.is_followed && row.polled > LATE {
        let text = format!("the last poll ended {} ago", ago(row.polled));
        findings.push(Finding::wrong("upstream", text, "is a server running?"));
    }
    if row.problems > 0 {
        let text = format!("{} orders could not be taken", row.problems);
        findings.push(Finding::wrong("upstream", text, "GET /api/v1/oms/upstream/problems/ says why"));
    }
    if row.given_up > 0 {
        let text = format!("{} calls were given up", row.given_up);
        findings.push(Finding::wrong(
            "calls",
            text,
            "GET /api/v1/oms/upstream/calls/ says which; make them again, or end them",
        ));
    }
    if row.waiting > LATE {
        let text = format!("the oldest call waits for {}", ago(row.waiting));
        findings.push(Finding::wrong("calls", text, "GET /api/v1/oms/upstream/calls/ has its last error"));
    }
    if findings.is_empty() {
        let text = if row.is_followed { "followed, nothing late" } else { "none is followed" };
        findings.push(Finding::well("upstream", text));
    }
    Ok(findings)
}

/// A time as people say it.
fn ago(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s => format!("{:.0} days", s / 86400.0),
    }
}
