//! Lists: `count`, `next`, `previous`, `results`; pages, sorting and filters as in Django REST framework; or a file of
//! the whole list ([`crate::export`]).

mod cursor;
mod list;
mod listing;
mod schema;

use std::collections::BTreeSet;

use chrono_tz::Tz;
use http::{HeaderMap, Uri, header};
use serde::Serialize;

use cursor::Cursor;
pub use list::{Filter, Kind, List, VISIBLE_TO_ALL, VISIBLE_TO_NONE, filter};
pub use listing::{ListRow, Listing, ids};

use crate::{
    days,
    error::Refusal,
    export::{File, Format, MOST_ROWS},
    reading,
    spelling::nearest,
};

/// Rows on a page without `limit`.
const DEFAULT_LIMIT: usize = 20;
/// Most rows on a page. A larger `limit` is reduced to this.
const LARGEST_LIMIT: usize = 100;

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

/// What becomes of a parameter that a list does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum UnknownFilters {
    /// The request is refused: a filter with a slip would answer with every row.
    #[default]
    Refuse,
    /// It is ignored, as the original does.
    Ignore,
}

/// Parameters that every list has besides its filters.
const OF_EVERY_LIST: [&str; 7] = ["page", "limit", "page_size", "sort", "format", "separator", "tz"];

/// A request for a page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which page, from 1; none: the last, whose number is known once the rows are counted.
    number: Option<usize>,
    limit: usize,
    /// The kind of file; none for JSON.
    format: Option<Format>,
    /// The whole list, in a file.
    is_whole: bool,
    unknown_filters: UnknownFilters,
    /// Where days begin; none: the request does not say it.
    time_zone: Option<Tz>,
    /// Of moments that name no zone.
    zone_of_moments: Tz,
    /// Where the page begins, if a cursor says it; once the rows are read, where the next one does, if there is one.
    cursor: Option<Cursor>,
    /// True if a cursor says where it begins.
    is_by_cursor: bool,
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
    /// 404 for a page that is no positive number and not `last`, as Django REST framework answers; 400 for a format not offered.
    pub fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let query = uri.query().unwrap_or_default();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            let value = parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            value.filter(|value| !value.is_empty())
        };
        let number = match get("page") {
            None => Some(1),
            Some("last") => None,
            Some(text) => Some(text.parse().ok().filter(|number| *number > 0).ok_or_else(no_such_page)?),
        };
        let limit = get("limit").or_else(|| get("page_size"));
        let format = file_format(get("format"), get("separator"))?;
        let time_zone = get("tz").map(time_zone).transpose()?;
        let is_whole = format.is_some() && limit.is_none() && get("page").is_none();
        let limit = limit.and_then(|text| text.parse().ok()).filter(|limit| *limit > 0);
        let largest = if format.is_some() { MOST_ROWS } else { LARGEST_LIMIT };
        Ok(Self {
            number,
            limit: if is_whole { MOST_ROWS } else { limit.unwrap_or(DEFAULT_LIMIT).min(largest) },
            format,
            is_whole,
            unknown_filters: UnknownFilters::default(),
            time_zone,
            zone_of_moments: time_zone.unwrap_or_default(),
            cursor: None,
            is_by_cursor: false,
            base_url: base_url(headers),
            path: uri.path().to_owned(),
            parameters,
        })
    }

    /// The same, with what becomes of parameters that the list does not have.
    #[must_use]
    pub fn with_unknown_filters(self, unknown_filters: UnknownFilters) -> Self {
        Self { unknown_filters, ..self }
    }

    /// The same, with the time zone of days if the request names none.
    #[must_use]
    pub fn with_time_zone(self, usual: Tz) -> Self {
        Self { time_zone: self.time_zone.or(Some(usual)), ..self }
    }

    /// Refuses parameters that a list with these filters does not have. One without a value filters nothing.
    ///
    /// # Errors
    /// 400 that names each of them, with the nearest filter there is.
    pub fn check_filters(&self, filters: &[&'static str]) -> Result<(), Refusal> {
        if self.unknown_filters == UnknownFilters::Ignore {
            return Ok(());
        }
        let given = self.parameters.iter().filter(|(_, value)| !value.is_empty()).map(|(key, _)| key.as_str());
        let is_known = |key: &&str| OF_EVERY_LIST.contains(key) || filters.contains(key);
        let unknown: BTreeSet<&str> = given.filter(|key| !is_known(key)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Refusal::fields(unknown.into_iter().map(|key| {
            let known = filters.iter().copied().chain(OF_EVERY_LIST);
            let message = match nearest(key, known) {
                Some(near) => format!("There is no such filter. Did you mean {near}?"),
                None => format!("There is no such filter. Choose from {}.", filters.join(", ")),
            };
            (key.to_owned(), vec![message])
        })))
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
        (self.number.unwrap_or(1) - 1).saturating_mul(self.limit)
    }

    /// Makes a number of `last`, now that the rows are counted.
    ///
    /// # Errors
    /// 404 for a page beyond the last, 400 for a file that would be too long.
    fn settle(&mut self, count: usize) -> Result<(), Refusal> {
        self.number.get_or_insert(count.div_ceil(self.limit).max(1));
        self.check_exists(count)
    }

    /// The value of a parameter; the last one where it is given several times, as Django takes it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.parameters.iter().rev();
        given.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The zone of moments that name none: the one that the request names, else UTC.
    fn zone_of_moments(&self) -> Tz {
        self.zone_of_moments
    }

    /// The same as a name or a code, in the form in which it is compared.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| reading::name(value).into_owned())
    }

    /// Every value of a parameter, in the order in which they are given.
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where days begin.
    fn time_zone(&self) -> Tz {
        self.time_zone.unwrap_or_default()
    }

    /// Refuses a page beyond the last, and a file that would be too long.
    fn check_exists(&self, count: usize) -> Result<(), Refusal> {
        if self.offset() > 0 && self.offset() >= count {
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

    /// Refuses what says otherwise where a page begins, and a file, which has no next.
    fn refuse_beside_cursor(&self) -> Result<(), Refusal> {
        let given = ["page", "sort", "format"].into_iter().find(|name| self.get(name).is_some_and(|it| it != "json"));
        match given {
            Some(name) => Err(Refusal::field(name, "It does not go with a cursor; leave one of them out.")),
            None => Ok(()),
        }
    }

    fn page_of<T>(&self, count: usize, results: Vec<T>) -> PageOf<T> {
        if self.is_by_cursor {
            let next = self.cursor.as_ref().map(|cursor| self.link_with(cursor::PARAMETER, Some(cursor.text())));
            return PageOf { count, next, previous: None, results };
        }
        let number = self.number.unwrap_or(1);
        let next = (self.offset() + self.limit < count).then(|| self.link(number + 1));
        let previous = (number > 1).then(|| self.link(number - 1));
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
        self.link_with("page", (number > 1).then(|| number.to_string()))
    }

    /// The address with another value of a parameter, or without it.
    fn link_with(&self, name: &str, value: Option<String>) -> String {
        let mut parameters: Vec<(&str, String)> = self
            .parameters
            .iter()
            .filter(|(key, _)| key != name)
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        parameters.extend(value.map(|value| (name, value)));
        parameters.sort_by(|a, b| a.0.cmp(b.0));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}{}{separator}{query}", self.base_url, self.path)
    }
}

fn no_such_page() -> Refusal {
    Refusal::detail(http::StatusCode::NOT_FOUND, "Invalid page.")
}

fn time_zone(name: &str) -> Result<Tz, Refusal> {
    let wrong = || Refusal::field("tz", format!("There is no time zone {name}: {}.", days::REMEDY));
    name.trim().parse().map_err(|_| wrong())
}

/// The kind of file that `format` and `separator` name; none for JSON.
fn file_format(name: Option<&str>, separator: Option<&str>) -> Result<Option<Format>, Refusal> {
    let format = match name {
        None | Some("json") => None,
        Some(name) => {
            let wrong = || Refusal::field("format", format!("{name} is not offered; use json, csv or xlsx."));
            Some(Format::named(name).ok_or_else(wrong)?)
        }
    };
    match (format, separator) {
        (_, None) | (Some(Format::Csv), Some("comma" | ",")) => Ok(format),
        (Some(Format::Csv), Some("semicolon" | ";")) => Ok(Some(Format::CsvOfSemicolons)),
        _ => Err(Refusal::field("separator", "Choose comma or semicolon, for format=csv.")),
    }
}

/// `http://host`, as the client called it, or as the proxy before us says that it did: the claims of others are taken
/// away before, and of several proxies the word of one is left (`server/forwarded.rs`).
#[must_use]
pub fn base_url(headers: &HeaderMap) -> String {
    let last = |name: &str| {
        let text = headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok())?;
        text.rsplit(',').next().map(str::trim)
    };
    let is_https = last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let scheme = if is_https { "https" } else { "http" };
    let named = [last("x-forwarded-host"), last(header::HOST.as_str())];
    let host = named.into_iter().flatten().find(|host| is_host(host)).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

/// True of a name or an address with or without a port, and of nothing that would end it in an address.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
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
    fn addresses_begin_with_the_host_that_was_called() {
        for (given, expected) in [
            (&[("host", "oms.example:8000")][..], "http://oms.example:8000"),
            (&[("host", "[::1]:8000"), ("x-forwarded-proto", "HTTPS")], "https://[::1]:8000"),
            (&[("host", "inside"), ("x-forwarded-host", "claimed, oms.example")], "http://oms.example"),
            (&[("host", "inside"), ("x-forwarded-host", "one"), ("x-forwarded-host", "two")], "http://two"),
            (&[("host", "inside"), ("x-forwarded-host", "a/b?c")], "http://inside"),
            (&[("host", "a@b\"<>")], "http://localhost"),
            (&[], "http://localhost"),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(*name, value.parse().expect("a value"));
            }
            assert_eq!(base_url(&headers), expected, "{given:?}");
        }
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
}
