//! `oms doctor`.

use std::{env, io::Write as _, path::Path, time::Instant};

use chrono::{DateTime, Utc};

use super::{
    data::Data,
    outcome::Outcome,
    table::{Printing, grouped},
    terminal,
};
use crate::{
    config::{DataSettings, values},
    db::{self, PgConnection, Schema},
    error::Result,
    home::{self, Standing},
    logging,
    verify::doctor::{Finding, examine},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    printing: Printing,
}

/// Free space below which the private Postgres is in danger: a part of the disk, and bytes.
const LEAST_FREE: (u64, u64) = (20, 1 << 30);
/// Clocks may differ by so many seconds.
const CLOCKS_APART: f64 = 2.0;

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let data = Data::open_as_it_is(settings).await?;
    let findings = async {
        let mut connection = data.pool.acquire().await?;
        look(&mut connection, settings).await
    }
    .await;
    data.close().await?;
    let findings = findings?;
    args.printing.table(&mut terminal::Output, &findings, |to| {
        for finding in &findings {
            writeln!(to, "{}", logging::one_line(&line(finding)))?;
        }
        Ok(())
    })?;
    Ok(if findings.iter().all(|finding| finding.is_well) { Outcome::Done } else { Outcome::Faults })
}

fn line(finding: &Finding) -> String {
    let word = if finding.is_well { "ok   " } else { "WRONG" };
    let remedy = finding.remedy.as_ref().map(|remedy| format!(" -> {remedy}")).unwrap_or_default();
    format!("{word}  {:<12}  {}{remedy}", finding.about, finding.text)
}

/// What is around the database first: nothing in it can be right while that is wrong.
async fn look(connection: &mut PgConnection, settings: &DataSettings) -> Result<Vec<Finding>> {
    let mut findings = vec![database(connection, settings).await?];
    findings.extend(variables());
    findings.extend(disk(settings));
    let version = migrations(db::schema(connection).await?);
    let is_current = version.is_well;
    findings.push(version);
    if is_current {
        findings.push(standing(connection, settings).await?);
        findings.extend(examine(connection).await?);
    }
    Ok(findings)
}

async fn database(connection: &mut PgConnection, settings: &DataSettings) -> Result<Finding> {
    let began = Instant::now();
    let row = sqlx::query!(r#"select clock_timestamp() as "now!", current_setting('server_version') as "version!""#)
        .fetch_one(connection)
        .await?;
    let place = super::settings::database(settings);
    let text = format!("Postgres {} at {place}, answers in {} ms", row.version, began.elapsed().as_millis());
    let apart = apart(row.now, now());
    Ok(if apart > CLOCKS_APART + began.elapsed().as_secs_f64() {
        let text = format!("{text}; its clock is {apart:.0} seconds from the one here");
        Finding::wrong("database", text, "keep both clocks by NTP: due times and leases are compared with them")
    } else {
        Finding::well("database", text)
    })
}

#[expect(clippy::disallowed_methods, reason = "the clock itself is what is looked at")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn apart(one: DateTime<Utc>, other: DateTime<Utc>) -> f64 {
    (one - other).as_seconds_f64().abs()
}

fn variables() -> Vec<Finding> {
    let set = env::vars_os().map(|(name, _)| name);
    let unknown = values::unknown_variables(&super::command(), set);
    unknown.into_iter().map(|why| Finding::wrong("settings", why, "set what was meant, or unset it")).collect()
}

/// The disk of a private Postgres; of another, only its machine knows.
fn disk(settings: &DataSettings) -> Option<Finding> {
    if settings.database_url.is_some() {
        return None;
    }
    let folder = settings.data_dir_or_default();
    let disk = rustix::fs::statvfs(&folder).ok()?;
    let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    Some(space(&folder, free, all))
}

fn space(folder: &Path, free: u64, all: u64) -> Finding {
    let text = format!("{} MiB of {} MiB free in {}", grouped(free >> 20), grouped(all >> 20), folder.display());
    if free < all / LEAST_FREE.0 || free < LEAST_FREE.1 {
        Finding::wrong("disk", text, "make room: Postgres stops when it cannot write")
    } else {
        Finding::well("disk", text)
    }
}

fn migrations(schema: Schema) -> Finding {
    let about = "migrations";
    match schema {
        Schema::Current => Finding::well(about, "all are applied"),
        Schema::Empty => Finding::wrong(about, "the database is empty", "oms serve or oms migrate makes the tables"),
        Schema::Older => Finding::wrong(about, "some are not applied", "oms migrate"),
        Schema::Newer(version) => Finding::wrong(
            about,
            format!("migration {version} is of a newer oms"),
            "run the newer oms, or restore a backup of before",
        ),
    }
}

async fn standing(connection: &mut PgConnection, settings: &DataSettings) -> Result<Finding> {
    let about = "home";
    Ok(match home::look(connection, &settings.whereabouts()).await? {
        Standing::AtHome => Finding::well(about, "the database is at home here"),
        Standing::Away { home, here } => Finding::wrong(
            about,
            format!("a copy: its home is {home}, and this is {here}; webhooks, the upstream and services are held"),
            "oms adopt, if this is the shop from now on",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_by_part_and_by_bytes() {
        let folder = Path::new("/data");
        let gib = 1 << 30;
        assert!(space(folder, 40 * gib, 100 * gib).is_well);
        assert!(!space(folder, 4 * gib, 100 * gib).is_well, "less than a twentieth");
        assert!(!space(folder, gib / 2, 2 * gib).is_well, "less than a GiB");
    }

    #[test]
    fn a_schema_that_is_not_current_is_told_with_what_to_do() {
        assert!(migrations(Schema::Current).is_well);
        for schema in [Schema::Empty, Schema::Older, Schema::Newer(99)] {
            assert!(migrations(schema).remedy.is_some());
        }
    }
}
