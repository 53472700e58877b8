//! `oms verify`: checks the invariants and says where one fails.
//!
//! Everything is read in one transaction that writes and locks nothing, so it runs beside load and on a standby. A check is
//! one query over whole tables ([`CHECKS`]), so its time grows with the shop and with nothing else.

mod checks;
pub mod doctor;
mod query;
pub mod repair;
pub mod schema;
pub mod sequences;

use std::{fmt, time::Instant};

use futures_util::{TryStreamExt as _, future::BoxFuture};
use serde::Serialize;

pub use self::checks::{CHECKS, Check};
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    orders::statuses,
    workflow::{self, Holding},
};

/// One snapshot for all checks, with memory to compare whole tables in.
const BEGIN: &str = "begin isolation level repeatable read, read only; set local work_mem = '64MB'";
/// Faults of one check that are told; further ones are counted.
const MOST_TOLD: u64 = 1000;

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The check that found it.
    pub check: &'static str,
    /// What it is about: `package 100P1`.
    pub subject: String,
    /// What is wrong.
    pub text: String,
    /// The command that puts it right, where there is one.
    pub remedy: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject, self.text)
    }
}

/// What there is of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// What: `packages`.
    pub what: String,
    /// How many.
    pub number: i64,
}

/// A check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub check: &'static str,
    /// The faults that it found, those that are not told as well.
    pub faults: u64,
    /// How long it took.
    pub milliseconds: u64,
}

/// What came of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was looked at.
    pub counted: Vec<Counted>,
    /// Each check.
    pub checks: Vec<Checked>,
    /// The faults, at most a thousand of each check.
    pub faults: Vec<Fault>,
}

impl Report {
    /// All faults, those that are not told as well.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.checks.iter().map(|checked| checked.faults).sum()
    }
}

/// Takes faults as they are found.
pub type Telling<'a> = &'a mut (dyn FnMut(&Fault) + Send);

/// Makes every check on one snapshot of the database. Each fault is a line; an empty list means that all hold. The future is
/// boxed: a crate that awaits it does not compile all this once more.
///
/// # Errors
/// When the database fails.
#[must_use]
pub fn verify(pool: &PgPool) -> BoxFuture<'_, Result<Vec<String>>> {
    Box::pin(async {
        let report = prove(pool, &mut |_| {}).await?;
        Ok(report.faults.iter().map(ToString::to_string).collect())
    })
}

/// Makes the checks that compare what commands write with what they write elsewhere, in one request to the database.
///
/// # Errors
/// When the database fails.
#[must_use]
pub fn verify_core(pool: &PgPool) -> BoxFuture<'_, Result<Vec<String>>> {
    Box::pin(async {
        let mut snapshot = pool.begin_with(BEGIN).await?;
        let states = States::read(&mut snapshot).await?;
        let core = CHECKS.iter().filter(|check| check.is_core);
        let text: Vec<String> = core.map(|check| check.statement(&states)).collect();
        let faults = query::stream::<2>(&mut snapshot, text.join(";\n"))
            .map_ok(|[subject, text]| format!("{subject}: {text}"))
            .try_collect()
            .await?;
        snapshot.rollback().await?;
        Ok(faults)
    })
}

/// Makes every check on one snapshot of the database.
///
/// # Errors
/// When the database fails.
pub fn prove<'a>(pool: &'a PgPool, tell: Telling<'a>) -> BoxFuture<'a, Result<Report>> {
    Box::pin(async {
        let mut snapshot = pool.begin_with(BEGIN).await?;
        let report = prove_on(&mut snapshot, tell).await?;
        snapshot.rollback().await?;
        Ok(report)
    })
}

/// Makes every check in a transaction, which sees what it has changed itself.
///
/// # Errors
/// When the database fails.
pub fn prove_on<'a>(snapshot: &'a mut PgConnection, tell: Telling<'a>) -> BoxFuture<'a, Result<Report>> {
    Box::pin(async {
        let states = States::read(snapshot).await?;
        let mut proof = Proof { report: Report { counted: count(snapshot).await?, ..Report::default() }, tell };
        for check in CHECKS {
            proof.make(snapshot, check, &states).await?;
        }
        let began = Instant::now();
        let behind = sequences::behind(snapshot).await?;
        proof.all(sequences::CHECK, behind.iter().map(sequences::Behind::fault).collect(), began);
        let began = Instant::now();
        let differences = schema::differences(snapshot).await?;
        proof.all(schema::CHECK, differences.iter().map(schema::Difference::fault).collect(), began);
        Ok(proof.report)
    })
}

/// A report in the making.
struct Proof<'a> {
    report: Report,
    tell: Telling<'a>,
}

impl Proof<'_> {
    /// Makes a check. What it stumbles over (a text where a number has to be) is a fault as well, and the others go on.
    async fn make(&mut self, snapshot: &mut PgConnection, check: &Check, states: &States) -> Result<()> {
        let began = Instant::now();
        let mut found = 0;
        let statements = format!("savepoint before; {};\nrelease savepoint before", check.statement(states));
        let mut rows = query::stream::<2>(snapshot, statements);
        let stumbled = loop {
            match rows.try_next().await {
                Ok(None) => break None,
                Ok(Some([subject, text])) => {
                    found += 1;
                    if found <= MOST_TOLD {
                        self.found(check.fault(subject, text));
                    }
                }
                Err(error) => match error.of_data() {
                    Some(why) => break Some(why),
                    None => return Err(error),
                },
            }
        };
        drop(rows);
        if let Some(why) = stumbled {
            sqlx::raw_sql("rollback to savepoint before").execute(&mut *snapshot).await?;
            found += 1;
            self.found(check.fault(format!("check {}", check.name), format!("it cannot be made: {why}")));
        }
        self.made(check.name, found, began);
        Ok(())
    }

    fn found(&mut self, fault: Fault) {
        (self.tell)(&fault);
        self.report.faults.push(fault);
    }

    fn made(&mut self, check: &'static str, faults: u64, began: Instant) {
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(check, faults, milliseconds, "checked");
        self.report.checks.push(Checked { check, faults, milliseconds });
    }

    fn all(&mut self, check: &'static str, faults: Vec<Fault>, began: Instant) {
        let count = u64::try_from(faults.len()).unwrap_or(u64::MAX);
        for fault in faults {
            self.found(fault);
        }
        self.made(check, count, began);
    }
}

impl Check {
    fn fault(&self, subject: String, text: String) -> Fault {
        Fault { check: self.name, subject, text, remedy: self.remedy.map(str::to_owned) }
    }

    /// Its query, for these states.
    fn statement(&self, states: &States) -> String {
        self.sql.replace("{reserved}", &states.reserved).replace("{reported}", &states.reported)
    }
}

/// What the program knows of the states that are installed, as SQL: their rules stand in one place.
struct States {
    /// Those whose items hold reserved units, as an array.
    reserved: String,
    /// Those of packages that report a status of their items, each with the status, as a table.
    reported: String,
}

impl States {
    async fn read(snapshot: &mut PgConnection) -> Result<Self> {
        let states =
            sqlx::query!("select id, entity, slug, enum_value from states order by id").fetch_all(snapshot).await?;
        let (mut reserved, mut reporting, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            if workflow::holding(&state.entity, &state.slug, &state.enum_value) == Holding::Reserved {
                reserved.push(state.id.to_string());
            }
            let number = state.enum_value.parse().ok().filter(|_| state.entity == "package");
            if let Some(status) = number.and_then(|state| statuses::of(state, false)) {
                reporting.push(state.id.to_string());
                reports.push(status.to_string());
            }
        }
        let array = |numbers: &[String]| format!("'{{{}}}'::bigint[]", numbers.join(","));
        let reported = format!("unnest({}, {}::text[])", array(&reporting), array(&reports));
        Ok(Self { reserved: array(&reserved), reported })
    }
}

/// What is looked at, in the order in which it is told.
const COUNTED: [(&str, &str); 15] = [
    ("orders", "orders"),
    ("lines", "order_items"),
    ("packages", "packages"),
    ("items", "package_items"),
    ("transfers", "transfers"),
    ("moves of packages", "transition_logs"),
    ("moves of transfers", "transfer_logs"),
    ("rows of the quota ledger", "quota_ledger"),
    ("reservations", "reservations"),
    ("stocks", "stocks"),
    ("plans", "order_plans"),
    ("events", "events"),
    ("deliveries", "hook_events"),
    ("calls", "upstream_calls"),
    ("rows of the audit", "audit"),
];

/// Counts it.
async fn count(snapshot: &mut PgConnection) -> Result<Vec<Counted>> {
    let of = |(at, (what, table)): (usize, &(&str, &str))| {
        format!("select {at} as at, '{what}' as what, count(*) as number from {table}")
    };
    let counts: Vec<String> = COUNTED.iter().enumerate().map(of).collect();
    let statement = format!("select what, number::text from ({}) as counted order by at", counts.join(" union all "));
    let counted = query::rows::<2>(snapshot, statement).await?;
    Ok(counted.into_iter().map(|[what, number]| Counted { what, number: number.parse().unwrap_or_default() }).collect())
}
