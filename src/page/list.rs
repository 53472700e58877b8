//! Lists as data: their filters, what they are sorted by, and the query that these make.

use std::iter::{once, repeat};

use chrono::NaiveDate;
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    Page,
    cursor::{self, Cursor},
};
use crate::{
    days,
    db::PgConnection,
    error::{Refusal, Result},
    reading::{
        name,
        values::{boolean, date_time, day, wrong_date},
    },
    scope::Visible,
};

/// Up to this many matching rows, all of them are sorted.
const MOST_SORTED: usize = 10_000;

/// How a filter reads its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Whole numbers, separated by commas.
    Integers,
    /// A name or a code, as it is compared ([`name`]).
    Text,
    /// Names or codes: of one value those that commas separate. Where the parameter is repeated, each value is one, so that
    /// one with a comma can be named.
    Texts,
    /// The beginning of a text.
    Prefix,
    /// A part of a text, whatever the case and the accents: the condition is `has_part(column, {})`.
    Contains,
    /// A moment as Django takes it ([`date_time`]), or a date: its first moment in the time zone of the request. A
    /// moment without a zone is of the one that the request names, else UTC.
    DateTime,
    /// A day in the time zone of the request: `{}` stands for its first moment, `{end}` for the first after it.
    Day,
    /// `true` or `false`, in the spellings of Django.
    Boolean,
    /// A UUID, with or without hyphens.
    Uuid,
    /// Where to go on in the order of [`List::tie_breaker`]: `{text}` and `{integer}` stand for its values in turn. With it
    /// a page costs the same wherever it is, and rows that come or go between two pages move no other.
    Cursor,
}

/// A documented filter of a list.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The parameter.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// The condition; each `{}` stands for the value (of a day, see [`Kind::Day`]).
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
    /// ` from …`, with the alias that the other parts use. Of a list that a function makes, `{sku}` stands for the value of
    /// the filter `sku`, which is then required.
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
        query.push("select ").push(self.columns).push(self.from);
        self.push_visible(&mut query, visible);
        query.push(" and ").push(column).push(" = ").push_bind(id);
        Ok(query.build().fetch_optional(connection).await?)
    }

    /// How many rows fit, and those on the page, which gets its number.
    pub(super) async fn rows(
        &self,
        connection: &mut PgConnection,
        page: &mut Page,
        visible: &Visible,
    ) -> Result<(usize, Vec<PgRow>)> {
        let filters: Vec<&'static str> = self.filters.iter().map(|filter| filter.name).collect();
        page.check_filters(&filters)?;
        if let Some(filter) = self.filters.iter().find(|filter| filter.kind == Kind::Cursor)
            && let Some(text) = page.get(filter.name)
        {
            (page.cursor, page.is_by_cursor) = (Some(Cursor::read(text)?), true);
            page.refuse_beside_cursor()?;
            return self.rows_after(connection, page, visible).await;
        }
        let order = self.order_by(page);
        let mut query = QueryBuilder::new("");
        self.push_query(&mut query, "count(*)", page, visible)?;
        let count: i64 = query.build_query_scalar().fetch_one(&mut *connection).await?;
        let count = usize::try_from(count).unwrap_or_default();
        page.settle(count)?;
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

    /// The same for a page that a cursor names, which gets the cursor of the next one. The rows are counted for the first
    /// page, and the cursor carries their number.
    async fn rows_after(
        &self,
        connection: &mut PgConnection,
        page: &mut Page,
        visible: &Visible,
    ) -> Result<(usize, Vec<PgRow>)> {
        let known = page.cursor.as_ref().and_then(|cursor| cursor.count);
        let count = if let Some(count) = known {
            count
        } else {
            let mut query = QueryBuilder::new("");
            self.push_query(&mut query, "count(*)", page, visible)?;
            let count: i64 = query.build_query_scalar().fetch_one(&mut *connection).await?;
            usize::try_from(count).unwrap_or_default()
        };
        let keys: Vec<String> = self.tie_breaker.split(", ").map(|column| format!("({column})::text")).collect();
        let columns = format!("{}, array[{}] as cursor_keys", self.columns, keys.join(", "));
        let mut query = QueryBuilder::new("");
        self.push_query(&mut query, &columns, page, visible)?;
        query.push(" order by ").push(self.tie_breaker);
        // One more than the page holds says whether there is another.
        query.push(" limit ").push_bind(i64::try_from(page.limit()).unwrap_or(i64::MAX).saturating_add(1));
        let mut rows = query.build().fetch_all(connection).await?;
        let has_more = rows.len() > page.limit();
        rows.truncate(page.limit());
        page.cursor = match rows.last().filter(|_| has_more) {
            Some(row) => Some(Cursor { count: Some(count), keys: row.try_get("cursor_keys")? }),
            None => None,
        };
        Ok((count, rows))
    }

    /// True if the list cannot be asked for without this filter.
    #[must_use]
    pub fn requires(&self, filter: &str) -> bool {
        self.from.split('{').skip(1).any(|part| part.split('}').next() == Some(filter))
    }

    fn push_from(&self, query: &mut QueryBuilder<Postgres>, page: &Page) -> Result<(), Refusal> {
        let mut parts = self.from.split('{');
        query.push(parts.next().unwrap_or_default());
        for part in parts {
            let (name, after) = part.split_once('}').unwrap_or((part, ""));
            page.get(name).ok_or_else(|| Refusal::field(name, "This field is required."))?;
            if let Some(filter) = self.filters.iter().find(|filter| filter.name == name) {
                push_value(query, filter, page)?;
            }
            query.push(after);
        }
        Ok(())
    }

    fn push_visible(&self, query: &mut QueryBuilder<Postgres>, visible: &Visible) {
        query.push(" where true");
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
        query.push("select ").push(columns);
        self.push_from(query, page)?;
        self.push_visible(query, visible);
        for filter in self.filters {
            let Some(value) = page.get(filter.name) else { continue };
            if filter.kind == Kind::Cursor {
                push_cursor(query, filter, page)?;
                continue;
            }
            query.push(" and ");
            for (part, end) in filter.sql.split("{end}").zip(once(false).chain(repeat(true))) {
                if end {
                    query.push_bind(days::end(read_day(filter, value)?, page.time_zone()));
                }
                let mut parts = part.split("{}");
                query.push(parts.next().unwrap_or_default());
                for part in parts {
                    push_value(query, filter, page)?;
                    query.push(part);
                }
            }
        }
        Ok(())
    }

    /// The `order by` for `sort`: fields of the list, separated by commas, `-` for descending. What the list does not have
    /// is left out, as Django REST framework does.
    fn order_by(&self, page: &Page) -> String {
        let parts = |words: &str| -> Vec<String> {
            let part = |word: &str| {
                let (name, direction) = word.strip_prefix('-').map_or((word, "asc"), |name| (name, "desc"));
                let (_, column) = self.sorts.iter().find(|(field, _)| *field == name)?;
                Some(format!("{column} {direction}"))
            };
            words.split(',').filter_map(|word| part(word.trim())).collect()
        };
        let asked = page.get("sort").map(parts).filter(|parts| !parts.is_empty());
        let mut parts = asked.unwrap_or_else(|| parts(self.default_sort));
        parts.push(self.tie_breaker.to_owned());
        format!(" order by {}", parts.join(", "))
    }
}

/// The condition of a cursor; of the first page there is none.
fn push_cursor(query: &mut QueryBuilder<Postgres>, filter: &Filter, page: &Page) -> Result<(), Refusal> {
    let Some(cursor) = page.cursor.as_ref().filter(|cursor| !cursor.keys.is_empty()) else { return Ok(()) };
    let mut parts = filter.sql.split('{');
    query.push(" and ").push(parts.next().unwrap_or_default());
    let mut keys = cursor.keys.iter();
    for part in parts {
        let (kind, after) = part.split_once('}').unwrap_or((part, ""));
        let key = keys.next().ok_or_else(cursor::wrong)?;
        if kind == "integer" {
            query.push_bind(key.parse::<i64>().map_err(|_| cursor::wrong())?);
        } else {
            query.push_bind(key.clone());
        }
        query.push(after);
    }
    Ok(())
}

fn push_value(query: &mut QueryBuilder<Postgres>, filter: &Filter, page: &Page) -> Result<(), Refusal> {
    let (value, zone) = (page.get(filter.name).unwrap_or_default(), page.time_zone());
    let wrong = |message: &str| Refusal::field(filter.name, message);
    if page.all(filter.name).any(|value| value.contains('\0')) {
        return Err(wrong("Null characters are not allowed."));
    }
    let integers = || {
        let texts = page.all(filter.name).filter(|value| !value.is_empty()).flat_map(|value| value.split(','));
        let numbers: Option<Vec<i64>> = texts.map(|text| text.trim().parse().ok()).collect();
        numbers.ok_or_else(|| wrong("Enter whole numbers, separated by commas."))
    };
    match filter.kind {
        Kind::Integer => {
            query.push_bind(value.trim().parse::<i64>().map_err(|_| wrong("Enter a whole number."))?);
        }
        Kind::Integers => {
            query.push_bind(integers()?);
        }
        Kind::Text | Kind::Contains => {
            query.push_bind(name(value).into_owned());
        }
        Kind::Texts => {
            let is_repeated = page.all(filter.name).count() > 1;
            let one = |text: &str| name(text).into_owned();
            let texts: Vec<String> = if is_repeated {
                page.all(filter.name).map(one).collect()
            } else {
                value.split(',').map(one).collect()
            };
            query.push_bind(texts);
        }
        Kind::Prefix => {
            query.push_bind(format!("{}%", escape_like(&name(value))));
        }
        Kind::DateTime => {
            let of_day = day(value).map(|day| days::beginning(day, zone));
            let moment = of_day.or_else(|| days::moment_of(value, page.zone_of_moments())).or_else(|| date_time(value));
            query.push_bind(moment.ok_or_else(|| wrong(&wrong_date(value, "Enter a valid date/time.")))?);
        }
        Kind::Day => {
            query.push_bind(days::beginning(read_day(filter, value)?, zone));
        }
        Kind::Boolean => {
            let flag = boolean(&value.trim().into()).ok_or_else(|| wrong("Enter true or false."))?;
            query.push_bind(flag);
        }
        // It has a condition of its own.
        Kind::Cursor => {}
        Kind::Uuid => {
            query.push_bind(value.trim().parse::<Uuid>().map_err(|_| wrong("Enter a valid UUID."))?);
        }
    }
    Ok(())
}

fn read_day(filter: &Filter, value: &str) -> Result<NaiveDate, Refusal> {
    day(value).ok_or_else(|| Refusal::field(filter.name, wrong_date(value, "Enter a valid date.")))
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
