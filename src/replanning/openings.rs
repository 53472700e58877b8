//! Locations that open: what waits only because they were shut is planned then, and not at the next sweep.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{catalog::Catalog, db::PgPool, error::Result, scenarios::rules::Condition};

/// How long ago a location last became one that rules choose for its hours; none if no rule asks for them.
pub(super) async fn since_last(pool: &PgPool, catalog: &Catalog) -> Result<Option<std::time::Duration>> {
    let minutes = minutes_ahead(catalog);
    if minutes.is_empty() {
        return Ok(None);
    }
    let now = sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(pool).await?;
    Ok(last(catalog, &minutes, now).and_then(|opened| (now - opened).to_std().ok()))
}

/// How long before its opening a location may be chosen, by the rules of the scenarios that are active.
fn minutes_ahead(catalog: &Catalog) -> BTreeSet<u32> {
    let scenarios = catalog.scenarios.iter().chain(&catalog.transfer_scenarios);
    let conditions = scenarios.flat_map(|scenario| &scenario.rules).flat_map(|rule| &rule.conditions);
    let minutes = conditions.filter_map(|condition| match condition {
        Condition::SelectByOpeningHours(minutes) => Some(*minutes),
        _ => None,
    });
    minutes.collect()
}

fn last(catalog: &Catalog, minutes: &BTreeSet<u32>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let openings = minutes.iter().flat_map(|minutes| {
        let ahead = TimeDelta::minutes(i64::from(*minutes));
        let active = catalog.locations.values().filter(|location| location.is_active);
        active.filter_map(move |location| Some(location.conf.last_opening(now + ahead)? - ahead))
    });
    openings.max()
}
