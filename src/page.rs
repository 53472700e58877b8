//! Lists: `count`, `next`, `previous`, `results`; pages, sorting and filters as in Django REST framework; or a file of
//! the whole list ([`crate::export`]).

mod listing;
mod schema;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use http::{HeaderMap, Uri, header};
use serde::Serialize;
use sqlx::{PgConnection, Postgres, QueryBuilder, postgres::PgRow};
use uuid::Uuid;

pub use listing::{ListRow, Listing, ids};

use crate::{
    error::{Refusal, Result},
    export::{File, Format, MOST_ROWS},
    reading::values::boolean,
    scope::Visible,
};

/// Rows on a page without `limit`.
const DEFAULT_LIMIT: usize = 20;
/// Most rows on a page. A larger `limit` is reduced to this.
const LARGEST_LIMIT: usize = 100;

/// Up to this many matching rows, all of them are sorted.
const MOST_SORTED: usize = 10_000;

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct PageOf<T> {
    /// Rows in all.
    pub count: usize,
    /// Address of the next page.
    pub next: Option<String>,
    /// Address of the page before.
    pub previous: Option<String>,
    /// The rows of this page.
    pub results: Vec<T>,
}

/// A list as it is answered.
#[derive(Debug)]
pub enum Listed<T> {
    /// A page, as JSON.
    Page(PageOf<T>),
    /// A file.
    File(File),
}

/// A request for a page.
#[derive(Debug, Clone)]
pub struct Page {
    number: usize,
    limit: usize,
    /// The kind of file; none for JSON.
    format: Option<Format>,
    /// The whole list, in a file.
    is_whole: bool,
    parameters: Vec<(String, String)>,
    /// `http://host`.
    base_url: String,
    /// `/path/`.
    path: String,
}

impl Page {
    /// Reads page and limit, and keeps the other parameters for the filters.
    ///
    /// # Errors
    /// 404 for a page that is no positive number, as Django REST framework answers; 400 for a format not offered.
    pub fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let query = uri.query().unwrap_or_default();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            let value = parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            value.filter(|value| !value.is_empty())
        };
        let number = match get("page") {
            None => 1,
            Some(text) => text.parse().ok().filter(|number| *number > 0).ok_or_else(no_such_page)?,
        };
        let limit = get("limit").or_else(|| get("page_size"));
        let format = get("format").map_or(Ok(None), file_format)?;
        let is_whole = format.is_some() && limit.is_none() && get("page").is_none();
        let limit = limit.and_then(|text| text.parse().ok()).filter(|limit| *limit > 0);
        let largest = if format.is_some() { MOST_ROWS } else { LARGEST_LIMIT };
        Ok(Self {
            number,
            limit: if is_whole { MOST_ROWS } else { limit.unwrap_or(DEFAULT_LIMIT).min(largest) },
            format,
            is_whole,
            base_url: base_url(headers),
            path: uri.path().to_owned(),
            parameters,
        })
    }

    /// `http://host`, as the client called it.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Refuses `format=csv` and its like where there is no list.
    ///
    /// # Errors
    /// 400.
    pub fn no_list(&self) -> Result<(), Refusal> {
        match self.format {
            None => Ok(()),
            Some(_) => Err(Refusal::field("format", "Only lists can be had as files; use json.")),
        }
    }

    /// Rows on the page.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Rows before it.
    #[must_use]
    pub fn offset(&self) -> usize {
        (self.number - 1).saturating_mul(self.limit)
    }

    /// The value of a parameter; the last one where it is given several times, as Django takes it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.parameters.iter().rev();
        given.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Refuses a page beyond the last, and a file that would be too long.
    fn check_exists(&self, count: usize) -> Result<(), Refusal> {
        if self.number > 1 && self.offset() >= count {
            return Err(no_such_page());
        }
        if self.is_whole && count > MOST_ROWS {
            return Err(Refusal::field(
                "format",
                format!(
                    "The list has {count} rows, and a file holds {MOST_ROWS} at most. Filter it, for example by \
                     created_date__gte, or take it in parts: limit={MOST_ROWS}&page=1, page=2 and so on."
                ),
            ));
        }
        Ok(())
    }

    fn page_of<T>(&self, count: usize, results: Vec<T>) -> PageOf<T> {
        let next = (self.offset() + self.limit < count).then(|| self.link(self.number + 1));
        let previous = (self.number > 1).then(|| self.link(self.number - 1));
        PageOf { count, next, previous, results }
    }

    /// What a file of the list is called: its path, `stocklocations-3-quota-ledger`.
    fn file_name(&self) -> String {
        let path = self.path.strip_prefix("/api/v1/oms/").unwrap_or(&self.path);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        parts.join("-")
    }

    /// The address of another page: the client's own parameters, sorted by key; page 1 is named by leaving it out.
    fn link(&self, number: usize) -> String {
        let mut parameters: Vec<(&str, String)> = self
            .parameters
            .iter()
            .filter(|(key, _)| key != "page")
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        if number > 1 {
            parameters.push(("page", number.to_string()));
        }
        parameters.sort_by(|a, b| a.0.cmp(b.0));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}{}{separator}{query}", self.base_url, self.path)
    }
}

fn no_such_page() -> Refusal {
    Refusal::detail(http::StatusCode::NOT_FOUND, "Invalid page.")
}

/// The kind of file that `format` names; none for JSON.
fn file_format(name: &str) -> Result<Option<Format>, Refusal> {
    if name == "json" {
        return Ok(None);
    }
    let wrong = || Refusal::field("format", format!("{name} is not offered; use json, csv or xlsx."));
    Format::named(name).map(Some).ok_or_else(wrong)
}

/// `http://host`, as the client (or the proxy before us) called it.
#[must_use]
pub fn base_url(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    let host = text("x-forwarded-host").or_else(|| text(header::HOST.as_str())).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

/// How a filter reads its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Whole numbers, separated by commas.
    Integers,
    /// Text.
    Text,
    /// Texts, separated by commas.
    Texts,
    /// The beginning of a text.
    Prefix,
    /// A part of a text, whatever the case.
    Contains,
    /// A moment in ISO 8601, or a date (its midnight, UTC).
    DateTime,
    /// A day, UTC.
    Day,
    /// `true` or `false`, in the spellings of Django.
    Boolean,
    /// A UUID, with or without hyphens.
    Uuid,
}

/// A documented filter of a list.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The parameter.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// The condition; each `{}` stands for the value.
    pub sql: &'static str,
    /// Which rows it finds, for the documentation.
    pub summary: &'static str,
}

/// Shorthand for tables of filters.
#[must_use]
pub const fn filter(name: &'static str, kind: Kind, sql: &'static str, summary: &'static str) -> Filter {
    Filter { name, kind, sql, summary }
}

/// Of a list whose rows belong to no location: a caller with locations of their own sees them all.
pub const VISIBLE_TO_ALL: &str = "{}::bigint[] is not null";
/// Of a list whose rows belong to no location and are not for callers with locations of their own: they get 403.
pub const VISIBLE_TO_NONE: &str = "{}::bigint[] is null";

/// A list that can be filtered, sorted and paged: everything that differs from one to the next.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// ` from …`, with the alias that the other parts use.
    pub from: &'static str,
    /// The columns of a row; of objects that are read by their ids, the id.
    pub columns: &'static str,
    /// The condition under which a row is visible to a caller with locations of their own; `{}` stands for their ids. Of
    /// a list of one object's rows, `{}` stands for the object's id, and after it `{locations}` for the locations; null:
    /// all.
    pub visible: &'static str,
    /// The filters it offers.
    pub filters: &'static [Filter],
    /// What it can be sorted by: name and column.
    pub sorts: &'static [(&'static str, &'static str)],
    /// `sort` without one.
    pub default_sort: &'static str,
    /// The order of rows that are equal by `sort`: they keep their place from page to page.
    pub tie_breaker: &'static str,
}

impl List {
    /// The row of an object, if the caller may see it. The list must be sortable by `id`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, connection: &mut PgConnection, id: i64, visible: &Visible) -> Result<Option<PgRow>> {
        let column = self.sorts.iter().find(|(name, _)| *name == "id").map_or("id", |(_, column)| column);
        let mut query = QueryBuilder::new("");
        self.push_visible(&mut query, self.columns, visible);
        query.push(" and ").push(column).push(" = ").push_bind(id);
        Ok(query.build().fetch_optional(connection).await?)
    }

    /// How many rows fit, and those on the page.
    async fn rows(&self, connection: &mut PgConnection, page: &Page, visible: &Visible) -> Result<(usize, Vec<PgRow>)> {
        let order = self.order_by(page)?;
        let mut query = QueryBuilder::new("");
        self.push_query(&mut query, "count(*)", page, visible)?;
        let count: i64 = query.build_query_scalar().fetch_one(&mut *connection).await?;
        let count = usize::try_from(count).unwrap_or_default();
        page.check_exists(count)?;
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        // Where few rows fit, Postgres is to find them and sort them. Left to itself it takes the way that serves a page
        // of many: it reads in the order of the list until the page is full, which is the whole table.
        let is_few = count <= MOST_SORTED;
        let mut query = QueryBuilder::new(if is_few { "with found as materialized (" } else { "" });
        self.push_query(&mut query, self.columns, page, visible)?;
        query.push(order);
        query.push(if is_few { ") select * from found" } else { "" });
        query.push(" limit ").push_bind(i64::try_from(page.limit()).unwrap_or(i64::MAX));
        query.push(" offset ").push_bind(i64::try_from(page.offset()).unwrap_or(i64::MAX));
        let rows = query.build().fetch_all(connection).await?;
        Ok((count, rows))
    }

    fn push_visible(&self, query: &mut QueryBuilder<Postgres>, columns: &str, visible: &Visible) {
        query.push("select ").push(columns).push(self.from).push(" where true");
        if let Some(ids) = visible.ids() {
            let (before, after) = self.visible.split_once("{}").unwrap_or((self.visible, ""));
            query.push(" and ").push(before).push_bind(ids.to_vec());
            let mut parts = after.split("{locations}");
            query.push(parts.next().unwrap_or_default());
            for part in parts {
                query.push_bind(visible.location_ids().map(<[i64]>::to_vec)).push(part);
            }
        }
    }

    fn push_query(
        &self,
        query: &mut QueryBuilder<Postgres>,
        columns: &str,
        page: &Page,
        visible: &Visible,
    ) -> Result<(), Refusal> {
        self.push_visible(query, columns, visible);
        for filter in self.filters {
            // A parameter that is no filter is ignored, as the original does.
            let Some(value) = page.get(filter.name) else { continue };
            let mut parts = filter.sql.split("{}");
            query.push(" and ").push(parts.next().unwrap_or_default());
            for part in parts {
                push_value(query, filter, value)?;
                query.push(part);
            }
        }
        Ok(())
    }

    /// The `order by` for `sort`: fields of the list, separated by commas, `-` for descending.
    fn order_by(&self, page: &Page) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        for word in page.get("sort").unwrap_or(self.default_sort).split(',') {
            let (name, direction) = word.strip_prefix('-').map_or((word, "asc"), |name| (name, "desc"));
            let Some((_, column)) = self.sorts.iter().find(|(field, _)| *field == name) else {
                let known: Vec<&str> = self.sorts.iter().map(|(field, _)| *field).collect();
                return Err(Refusal::field("sort", format!("Choose from {}; - for descending.", known.join(", "))));
            };
            parts.push(format!("{column} {direction}"));
        }
        parts.push(self.tie_breaker.to_owned());
        Ok(format!(" order by {}", parts.join(", ")))
    }
}

fn push_value(query: &mut QueryBuilder<Postgres>, filter: &Filter, value: &str) -> Result<(), Refusal> {
    let wrong = |message: &str| Refusal::field(filter.name, message);
    if value.contains('\0') {
        return Err(wrong("Null characters are not allowed."));
    }
    let integers = || {
        let numbers: Option<Vec<i64>> = value.split(',').map(|text| text.trim().parse().ok()).collect();
        numbers.ok_or_else(|| wrong("Enter whole numbers, separated by commas."))
    };
    match filter.kind {
        Kind::Integer => {
            query.push_bind(value.trim().parse::<i64>().map_err(|_| wrong("Enter a whole number."))?);
        }
        Kind::Integers => {
            query.push_bind(integers()?);
        }
        Kind::Text => {
            query.push_bind(value.to_owned());
        }
        Kind::Texts => {
            query.push_bind(value.split(',').map(|text| text.trim().to_owned()).collect::<Vec<_>>());
        }
        Kind::Prefix => {
            query.push_bind(format!("{}%", escape_like(value)));
        }
        Kind::Contains => {
            query.push_bind(format!("%{}%", escape_like(value)));
        }
        Kind::DateTime => {
            query.push_bind(date_time(value).ok_or_else(|| wrong("Enter a valid date/time."))?);
        }
        Kind::Day => {
            let day = value.trim().parse().ok().filter(|day| is_storable(*day));
            query.push_bind(day.ok_or_else(|| wrong("Enter a valid date."))?);
        }
        Kind::Boolean => {
            let flag = boolean(&value.trim().into()).ok_or_else(|| wrong("Enter true or false."))?;
            query.push_bind(flag);
        }
        Kind::Uuid => {
            query.push_bind(value.trim().parse::<Uuid>().map_err(|_| wrong("Enter a valid UUID."))?);
        }
    }
    Ok(())
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Postgres knows no dates as far away as Rust does. These are the years of Django.
fn is_storable(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

/// A moment in ISO 8601, or the midnight of a date.
pub(crate) fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.with_timezone(&Utc))
        .or_else(|_| text.parse::<chrono::NaiveDateTime>().map(|naive| naive.and_utc()))
        .or_else(|_| text.parse::<NaiveDate>().map(midnight))
        .ok()
        .filter(|moment| is_storable(moment.date_naive()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Page {
        let uri: Uri = format!("/api/v1/oms/packages/{query}").parse().expect("a path");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "oms.example".parse().expect("a host"));
        Page::parse(&uri, &headers).expect("a page")
    }

    #[test]
    fn links_have_sorted_keys_and_page_one_has_none() {
        let second = page("?page=2&limit=5&state=33");
        assert_eq!(second.link(3), "http://oms.example/api/v1/oms/packages/?limit=5&page=3&state=33");
        assert_eq!(second.link(1), "http://oms.example/api/v1/oms/packages/?limit=5&state=33");
        assert_eq!(page("?page=2").link(1), "http://oms.example/api/v1/oms/packages/");
    }

    #[test]
    fn a_limit_is_bounded_and_a_wrong_one_is_the_default() {
        assert_eq!(page("?limit=1000").limit(), 100);
        assert_eq!(page("?limit=-3").limit(), 20);
        assert_eq!(page("?page_size=7").limit(), 7);
    }

    #[test]
    fn a_file_is_of_everything_unless_a_page_is_asked_for() {
        assert_eq!((page("?format=csv").limit(), page("?format=xls").limit()), (MOST_ROWS, MOST_ROWS));
        assert_eq!((page("?format=csv&page=2").limit(), page("?format=csv&page_size=7").limit()), (20, 7));
        assert_eq!(
            (page("?format=csv&limit=5000").limit(), page("?format=csv&limit=90000").limit()),
            (5000, MOST_ROWS)
        );
        assert_eq!(page("?format=csv&limit=&page=").limit(), MOST_ROWS);
        assert!(page("?format=csv&limit=50000").check_exists(MOST_ROWS + 1).is_ok());
        assert_eq!(page("?format=csv").file_name(), "packages");
        assert!(page("?format=csv").check_exists(MOST_ROWS).is_ok());
        assert!(page("?format=csv").check_exists(MOST_ROWS + 1).is_err());
        assert!(page("").check_exists(MOST_ROWS + 1).is_ok());
    }

    #[test]
    fn dates_may_be_moments_or_days() {
        for text in ["2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T03:00:00+03:00", "2026-01-02T00:00:00"] {
            assert_eq!(date_time(text).map(|moment| moment.to_rfc3339()).as_deref(), Some("2026-01-02T00:00:00+00:00"));
        }
        assert_eq!(date_time("tomorrow"), None);
        assert_eq!((date_time("-9000-01-01"), date_time("+200000-01-01T00:00:00Z")), (None, None));
    }
}
