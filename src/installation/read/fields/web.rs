//! The kinds of value that say how to reach another system.

use std::ops::RangeInclusive;

use reqwest::Url;

use super::Fields;
use crate::stock::service::Secret;

impl Fields<'_, '_> {
    /// `http://…` or `https://…`.
    pub(in crate::installation::read) fn web_address(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let is_address =
            text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if is_address {
            return Some(text);
        }
        self.refuse(key, self.line_of_key(key), format!("`{text}` is no address"), "write it with `https://` before it")
    }

    /// A password, or the environment variable that holds it: one of the two.
    pub(in crate::installation::read) fn secret(
        &mut self,
        key: &'static str,
        variable_key: &'static str,
    ) -> Option<Secret> {
        let has_both_or_none = self.table.contains_key(key) == self.table.contains_key(variable_key);
        let (plain, variable) = (self.text(key), self.slug(variable_key));
        if has_both_or_none {
            let message = if self.table.contains_key(key) { "is given twice" } else { "is missing" };
            let remedy = format!("add `{key} = …`, or `{variable_key} = …` with the name of an environment variable");
            return self.refuse(key, self.line_of_key(key), message, remedy);
        }
        plain.map(Secret::Plain).or(variable.map(Secret::Variable))
    }

    /// The value of a header, with `{}` for what is filled in.
    pub(in crate::installation::read) fn header_format(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if text.contains("{}") && text.is_ascii() {
            return Some(text);
        }
        self.refuse(key, self.line_of_key(key), "does not say where the token goes", "write it like `Bearer {}`")
    }

    /// A number within bounds.
    pub(in crate::installation::read) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let (from, to) = range.into_inner();
        self.integer(key, i64::from(from)..=i64::from(to)).and_then(|number| u32::try_from(number).ok())
    }

    fn line_of_key(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.line, |value| self.line_of(value))
    }
}
