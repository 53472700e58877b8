//! Opening hours of a location: per weekday, in its own time zone, except on holidays.

use std::{borrow::Cow, collections::BTreeSet};

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    days, openapi,
    reading::{self, Reader, values},
};

/// The weekdays, Monday first.
pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// From this minute of a local day until another, which is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u16,
    until: u16,
}

/// When a location is open. The default is always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    timezone: Tz,
    /// Monday first; none: always open.
    weekly: Option<[Vec<Span>; 7]>,
    /// Local dates on which it is closed.
    holidays: BTreeSet<NaiveDate>,
}

impl PartialSchema for Hours {
    fn schema() -> RefOr<Schema> {
        openapi::of_value(reading::schema(|reader| drop(Self::read(reader))))
    }
}

impl ToSchema for Hours {
    fn name() -> Cow<'static, str> {
        "OpeningHours".into()
    }
}

impl Hours {
    /// Reads `timezone`, `opening_hours` and `holidays`:
    /// `"Europe/Istanbul"`, `{"monday": ["09:00-12:30", "13:30-24:00"], "tuesday": "10:00-18:00"}` (a day that is not
    /// named is closed; without the key it is always open) and `["2026-01-01"]`.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let timezone = reader.text("timezone");
        let zone = timezone.as_deref().and_then(|name| {
            let zone = name.parse::<Tz>().ok();
            if zone.is_none() {
                let message = format!("there is no time zone `{name}`");
                reader.refuse("timezone", message, "write a name of the IANA database, as in `Europe/Istanbul`");
            }
            zone
        });
        let weekly = reader.object("opening_hours", |day| {
            let week = WEEKDAYS.map(|name| read_day(day, name));
            day.finish();
            week
        });
        let holidays = reader.texts("holidays");
        let mut days = BTreeSet::new();
        for text in &holidays {
            match text.parse::<NaiveDate>() {
                Ok(date) => {
                    days.insert(date);
                }
                Err(_) => reader.refuse("holidays", format!("`{text}` is no date"), "write it as in `2026-01-31`"),
            }
        }
        if timezone.is_none() && (weekly.is_some() || !holidays.is_empty()) {
            let remedy = "add `timezone`, as in `Europe/Istanbul`";
            reader.refuse("timezone", "is missing: opening hours and holidays are local", remedy);
        }
        Self { timezone: zone.unwrap_or_default(), weekly, holidays: days }
    }

    /// Refuses holidays of years that nobody means. What is stored already is read without it.
    pub fn refuse_unmeant(&self, reader: &mut Reader<'_>) {
        for day in self.holidays.iter().filter(|day| !values::is_meant(**day)) {
            let message = values::wrong_date(&day.to_string(), "The year is out of range.");
            reader.refuse("holidays", message, "write it as in `2026-01-31`");
        }
    }

    /// The three keys, as [`Self::read`] reads them; without what says nothing. They are in the order in which Postgres
    /// keeps the keys of an object, so that they look alike before and after they were stored.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        if !self.holidays.is_empty() {
            let days: Vec<String> = self.holidays.iter().map(NaiveDate::to_string).collect();
            object.insert("holidays".to_owned(), json!(days));
        }
        if self.timezone != Tz::UTC || self.weekly.is_some() || !self.holidays.is_empty() {
            object.insert("timezone".to_owned(), json!(self.timezone.name()));
        }
        if let Some(weekly) = &self.weekly {
            let mut days: Vec<_> = WEEKDAYS.iter().zip(weekly).filter(|(_, spans)| !spans.is_empty()).collect();
            days.sort_by_key(|(name, _)| (name.len(), **name));
            let text = |span: &Span| json!(format!("{}-{}", clock(span.from), clock(span.until)));
            let days = days.into_iter().map(|(name, spans)| ((*name).to_owned(), spans.iter().map(text).collect()));
            object.insert("opening_hours".to_owned(), Value::Object(days.collect()));
        }
        object
    }

    /// True if it is open at this time, or opens within that many minutes.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>, within_minutes: u32) -> bool {
        let from = self.local(at);
        let until = self.local(at + Duration::minutes(i64::from(within_minutes)));
        // When clocks go back, the end can read earlier than the beginning.
        let until = until.max(from);
        let mut date = from.date();
        while date <= until.date() {
            if !self.holidays.contains(&date) && self.spans(date).any(|(opens, shuts)| opens <= until && from < shuts) {
                return true;
            }
            let Some(next) = date.succ_opt() else { break };
            date = next;
        }
        false
    }

    /// When it opened last, at this time or before; none if it did not within a week.
    #[must_use]
    pub fn last_opening(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.local(at);
        let dates = std::iter::successors(Some(local.date()), NaiveDate::pred_opt).take(8);
        let openings = dates.filter(|date| !self.holidays.contains(date)).flat_map(|date| {
            let mut of_day: Vec<NaiveDateTime> = self.spans(date).map(|(opens, _)| opens).collect();
            of_day.sort_unstable_by(|a, b| b.cmp(a));
            of_day
        });
        let mut moments = openings.filter(|opens| *opens <= local).map(|opens| days::moment(opens, self.timezone));
        // A day that begins where the day before ended is none.
        moments.find(|moment| *moment <= at && !self.is_open(*moment - Duration::seconds(1), 0))
    }

    /// The local time, for people: `Wednesday 2024-05-01 13:00`.
    #[must_use]
    pub fn local_text(&self, at: DateTime<Utc>) -> String {
        self.local(at).format("%A %Y-%m-%d %H:%M").to_string()
    }

    fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.timezone).naive_local()
    }

    /// The spans of a date that is not a holiday.
    fn spans(&self, date: NaiveDate) -> impl Iterator<Item = (NaiveDateTime, NaiveDateTime)> {
        let midnight = date.and_time(NaiveTime::MIN);
        let moment = move |minute: u16| midnight + Duration::minutes(i64::from(minute));
        let all_day = self.weekly.is_none().then_some(Span { from: 0, until: DAY });
        let day = date.weekday().num_days_from_monday() as usize;
        let named = self.weekly.iter().filter_map(move |weekly| weekly.get(day)).flatten().copied();
        all_day.into_iter().chain(named).map(move |span| (moment(span.from), moment(span.until)))
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        reading::whole(&object, Self::read)
            .map_err(|defects| de::Error::custom(defects.first().map(ToString::to_string).unwrap_or_default()))
    }
}

fn read_day(reader: &mut Reader<'_>, day: &'static str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for text in reader.text_or_texts(day) {
        let ends = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        match ends {
            Some((from, until)) if from < until => spans.push(Span { from, until }),
            Some(_) => {
                let remedy = "a night is two days: `22:00-24:00`, and `00:00-02:00` on the next";
                reader.refuse(day, format!("`{text}` ends before it begins"), remedy);
            }
            None => reader.refuse(day, format!("`{text}` are no hours"), "write them as in `09:00-18:00`"),
        }
    }
    spans.sort_by_key(|span| span.from);
    if spans.windows(2).any(|pair| pair[1].from < pair[0].until) {
        reader.refuse(day, "its hours overlap", "write each part of the day once");
    }
    spans
}

/// `09:30` as a minute of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two_digits = |part: &str| {
        let sound = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading;

    fn read(value: &Value) -> Result<Hours, Vec<String>> {
        let object = value.as_object().expect("an object");
        let read = reading::whole(object, |reader| {
            let hours = Hours::read(reader);
            reader.finish();
            hours
        });
        read.map_err(|defects| defects.iter().map(ToString::to_string).collect())
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn it_is_open_in_its_hours_in_its_own_time_zone() {
        let hours = read(&json!({ "timezone": "Europe/Istanbul",
            "opening_hours": { "wednesday": ["09:00-12:30", "13:30-18:00"], "thursday": "00:00-24:00" },
            "holidays": ["2024-05-08"] }))
        .expect("sound");
        // Istanbul is three hours ahead; 1 May 2024 is a Wednesday.
        for (moment, open) in [
            ("2024-05-01T05:59:59Z", false),
            ("2024-05-01T06:00:00Z", true),
            ("2024-05-01T09:29:59Z", true),
            ("2024-05-01T09:30:00Z", false),
            ("2024-05-01T14:59:00Z", true),
            ("2024-05-01T15:00:00Z", false),
            ("2024-05-01T21:00:00Z", true),
            ("2024-05-02T20:59:00Z", true),
            ("2024-05-02T21:00:00Z", false),
            ("2024-05-08T06:00:00Z", false),
        ] {
            assert_eq!(hours.is_open(at(moment), 0), open, "{moment}");
        }
        for (moment, opening) in [
            // The Thursday of the week before, as below.
            ("2024-05-01T05:59:59Z", Some("2024-04-24T21:00:00Z")),
            ("2024-05-01T06:00:00Z", Some("2024-05-01T06:00:00Z")),
            ("2024-05-01T10:00:00Z", Some("2024-05-01T06:00:00Z")),
            ("2024-05-01T10:30:00Z", Some("2024-05-01T10:30:00Z")),
            // Thursday begins as Wednesday has ended, and lasts; a holiday is none.
            ("2024-05-02T12:00:00Z", Some("2024-05-01T21:00:00Z")),
            ("2024-05-08T12:00:00Z", Some("2024-05-01T21:00:00Z")),
        ] {
            assert_eq!(hours.last_opening(at(moment)), opening.map(at), "{moment}");
        }
        assert!(hours.is_open(at("2024-05-01T05:00:00Z"), 60));
        assert!(!hours.is_open(at("2024-05-01T05:00:00Z"), 59));
        assert!(hours.is_open(at("2024-04-30T06:00:00Z"), 24 * 60));
        assert_eq!(hours.local_text(at("2024-05-01T10:00:00Z")), "Wednesday 2024-05-01 13:00");
    }

    #[test]
    fn without_hours_it_is_always_open_but_on_holidays() {
        assert!(Hours::default().is_open(at("2024-05-01T03:00:00Z"), 0));
        assert_eq!(Hours::default().last_opening(at("2024-05-01T03:00:00Z")), None);
        let hours = read(&json!({ "timezone": "Europe/Berlin", "holidays": ["2024-12-25"] })).expect("sound");
        assert!(hours.is_open(at("2024-12-24T22:59:00Z"), 0));
        assert!(!hours.is_open(at("2024-12-24T23:00:00Z"), 0));
        assert!(!hours.is_open(at("2024-12-25T22:59:00Z"), 0));
        assert!(hours.is_open(at("2024-12-25T22:59:00Z"), 1));
    }

    #[test]
    fn when_the_clocks_change_the_local_hours_stay() {
        let hours = read(&json!({ "timezone": "Europe/Berlin", "opening_hours": { "sunday": "08:00-10:00" } }));
        let hours = hours.expect("sound");
        // Clocks went forward on 31 March 2024 and back on 27 October.
        assert!(hours.is_open(at("2024-03-31T06:00:00Z"), 0) && !hours.is_open(at("2024-03-31T05:59:00Z"), 0));
        assert!(hours.is_open(at("2024-10-27T07:00:00Z"), 0) && !hours.is_open(at("2024-10-27T06:59:00Z"), 0));
        assert!(!hours.is_open(at("2024-10-27T00:30:00Z"), 60));
    }

    #[test]
    fn what_is_read_is_written_again() {
        let wire = json!({ "timezone": "Asia/Tokyo", "opening_hours": { "friday": ["09:00-12:00", "13:00-24:00"] },
                           "holidays": ["2026-01-01", "2026-12-31"] });
        let hours = read(&wire).expect("sound");
        assert_eq!(Value::Object(hours.to_json()), wire);
        assert!(Hours::default().to_json().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        let defects = read(&json!({ "timezone": "Europe/Istambul", "holidays": ["1.1.2026"],
            "opening_hours": { "monday": "9-18", "tuesday": "22:00-02:00", "freeday": [],
                               "friday": ["09:00-12:00", "11:00-13:00"], "sunday": "25:00-26:00" } }))
        .expect_err("refused");
        assert_eq!(
            defects,
            [
                "timezone: there is no time zone `Europe/Istambul` — write a name of the IANA database, as in \
                 `Europe/Istanbul`",
                "opening_hours.monday: `9-18` are no hours — write them as in `09:00-18:00`",
                "opening_hours.tuesday: `22:00-02:00` ends before it begins — a night is two days: `22:00-24:00`, and \
                 `00:00-02:00` on the next",
                "opening_hours.friday: its hours overlap — write each part of the day once",
                "opening_hours.sunday: `25:00-26:00` are no hours — write them as in `09:00-18:00`",
                "opening_hours.freeday: there is no such key — did you mean `friday`? (one of monday, tuesday, \
                 wednesday, thursday, friday, saturday, sunday)",
                "holidays: `1.1.2026` is no date — write it as in `2026-01-31`",
            ]
        );
        let defects = read(&json!({ "holidays": ["2026-01-01"] })).expect_err("refused");
        assert_eq!(
            defects,
            ["timezone: is missing: opening hours and holidays are local — add `timezone`, as in `Europe/Istanbul`"]
        );
    }
}
