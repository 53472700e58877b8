//! Conditions of requests on one object (RFC 9110): `ETag`, `If-Match`, `If-None-Match`.
//!
//! A tag is the version of the object, which grows with each change, and a digest of what the reader is shown: this differs by
//! the reader, and changes with the installation and with the hour until which links are good. A command looks at the version
//! alone, and what it compares it with is read and written under the same guarantees as the rest of its decision.

use std::hash::{DefaultHasher, Hasher as _};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use serde::Serialize;

use crate::{
    commands::dispatch::Versions,
    error::{Error, Result},
};

/// The answer to a reader of an object: its JSON, or 304 if the reader has it already.
pub(super) fn answer(headers: &HeaderMap, version: i64, body: Bytes) -> Result<Response> {
    let mut digest = DefaultHasher::new();
    digest.write(&body);
    let tag = format!("\"{version}-{:016x}\"", digest.finish());
    let is_known = tags(headers, &header::IF_NONE_MATCH).any(|known| known == "*" || strong(known) == tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    };
    let tag = HeaderValue::from_str(&tag).map_err(|error| Error::Fault(format!("a tag that is no header: {error}")))?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// The same of an object that is not JSON yet.
pub(super) fn answer_json(headers: &HeaderMap, version: i64, shown: &impl Serialize) -> Result<Response> {
    let body = serde_json::to_vec(shown).map_err(|error| Error::Fault(format!("JSON: {error}")))?;
    answer(headers, version, body.into())
}

/// The versions at which a command may run, by `If-Match`. What is none of our tags is no version.
pub(super) fn versions(headers: &HeaderMap) -> Versions {
    if !headers.contains_key(header::IF_MATCH) {
        return Versions::Any;
    }
    let mut versions = Vec::new();
    for tag in tags(headers, &header::IF_MATCH) {
        if tag == "*" {
            return Versions::Any;
        }
        let version = strong(tag).strip_prefix('"').and_then(|tag| tag.split_once('-')?.0.parse::<i64>().ok());
        versions.extend(version);
    }
    Versions::OneOf(versions)
}

/// The tags of a header that may come several times.
fn tags<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// A tag without the mark of a weak one: proxies that compress answers weaken their tags, and the version in it is exact.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_command_may_run_at_the_versions_of_the_tags() {
        let read = |values: &[&str]| versions(&sent(&header::IF_MATCH, values));
        assert_eq!(versions(&HeaderMap::new()), Versions::Any);
        assert_eq!([read(&["*"]), read(&["\"7-0a\", *"])], [Versions::Any, Versions::Any]);
        assert_eq!(read(&["\"7-0a\", W/\"8-0b\"", "\"9-0c\""]), Versions::OneOf(vec![7, 8, 9]));
        for odd in ["", "7", "\"7\"", "\"x-0a\"", "7-0a"] {
            assert_eq!(read(&[odd]), Versions::OneOf(Vec::new()), "{odd}");
        }
        assert!(Versions::Any.has(7) && read(&["\"7-0a\""]).has(7) && !read(&["\"7-0a\""]).has(8));
    }

    #[test]
    fn what_a_reader_has_is_not_sent_again() {
        let body = Bytes::from_static(b"{}");
        let ask = |headers: &HeaderMap| answer(headers, 7, body.clone()).expect("an answer");
        let first = ask(&HeaderMap::new());
        let tag = first.headers()[header::ETAG].to_str().expect("text").to_owned();
        assert!(tag.starts_with("\"7-") && first.status() == 200, "{tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"1-00\", {tag}"), "*".to_owned()] {
            let again = ask(&sent(&header::IF_NONE_MATCH, &[&known]));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers()[header::ETAG], tag);
            assert!(!again.headers().contains_key(header::CONTENT_TYPE), "{known}");
        }
        assert_eq!(ask(&sent(&header::IF_NONE_MATCH, &["\"7-00\""])).status(), 200);
        let other = answer(&sent(&header::IF_NONE_MATCH, &[&tag]), 7, Bytes::from_static(b"[]")).expect("an answer");
        assert_eq!(other.status(), 200, "another text at the same version");
    }
}
