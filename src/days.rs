//! Days: which moments a date is, in the time zone of whoever asks, or of the installation.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::{
    db::PgConnection,
    error::{Error, Result},
    reading::values,
};

/// What is said of a name that is none.
pub const REMEDY: &str = "write a name of the IANA database, as in `Europe/Istanbul`";

/// The time zone of the installation's days; none if it names none, which is UTC.
///
/// # Errors
/// When the database fails, or has a zone that this version does not know.
pub async fn time_zone(connection: &mut PgConnection) -> Result<Option<Tz>> {
    let name = sqlx::query_scalar!("select time_zone from installation_settings").fetch_optional(connection).await?;
    name.map(|name| {
        name.parse().map_err(|_| Error::Fault(format!("this version does not know the time zone {name}; {REMEDY}")))
    })
    .transpose()
}

/// The first moment of a day. Where clocks are put forward at midnight, it is when they are.
#[must_use]
pub fn beginning(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    moment(day.and_time(NaiveTime::MIN), zone)
}

/// A moment as [`values::date_time`] reads it, but without a zone it is of this one; none: it has a zone, or cannot be read.
#[must_use]
pub fn moment_of(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Some(day) = values::day(text) {
        return Some(beginning(day, zone));
    }
    // What a zone can be added to has none.
    values::date_time(&format!("{text}Z")).map(|naive| moment(naive.naive_utc(), zone))
}

/// When clocks of a zone show a time: of two moments the first; of a time that they leave out, the one after it.
#[must_use]
pub fn moment(time: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    // Clocks change by whole quarters of an hour, and by a day where a date is left out.
    let quarters = (0..=96).map(|quarters| time + TimeDelta::minutes(15 * quarters));
    let mut moments = quarters.filter_map(|time| match zone.from_local_datetime(&time) {
        LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.to_utc()),
        LocalResult::None => None,
    });
    moments.next().unwrap_or_else(|| time.and_utc())
}

/// The first moment after a day.
#[must_use]
pub fn end(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    day.checked_add_days(Days::new(1)).map_or(DateTime::<Utc>::MAX_UTC, |next| beginning(next, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_from_its_first_moment_to_the_first_of_the_next() {
        for (zone, day, from, until) in [
            ("UTC", "2026-07-01", "2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z"),
            ("Europe/Istanbul", "2026-07-01", "2026-06-30T21:00:00Z", "2026-07-01T21:00:00Z"),
            // 23 and 25 hours.
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // There is no midnight: clocks go from 0 to 1. And there are two.
            ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
            ("America/Havana", "2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"),
            // There is no such day: Samoa went over the date line.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            let (zone, day): (Tz, NaiveDate) = (zone.parse().expect("a zone"), day.parse().expect("a day"));
            let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            assert_eq!(
                (text(beginning(day, zone)).as_str(), text(end(day, zone)).as_str()),
                (from, until),
                "{zone} {day}"
            );
        }
    }
}
