//! Bodies that are forms: as browsers and older clients send them, where Django REST framework takes them, too.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use encoding_rs::Encoding;
use futures_util::stream;
use multer::Multipart;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::body::RequestBody;
use crate::{
    error::{Refusal, Result},
    reading::{self, Reader},
    wire::{self, charset},
};

/// A form as a browser sends it by itself.
pub(super) const URL_ENCODED: &str = "application/x-www-form-urlencoded";
/// A form with parts.
pub(super) const MULTIPART: &str = "multipart/form-data";

/// Reads the object of a body: JSON, or a form, whose values are texts.
///
/// # Errors
/// 400 for a body that cannot be read, or that names every field that is wrong; 415 for another content type.
pub(super) async fn read<const MOST: usize, T>(
    headers: &HeaderMap,
    body: &RequestBody<MOST>,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fields = match essence.as_str() {
        URL_ENCODED => url_encoded(body.sent(), charset::of(kind)?)?,
        MULTIPART => multipart(body.sent().clone(), kind).await?,
        _ => {
            wire::check_media_type(headers)?;
            return Ok(reading::body(body, read)?);
        }
    };
    Ok(reading::request(&fields, read)?)
}

/// The last of several values of a name, as Django takes it.
fn url_encoded(body: &[u8], charset: &'static Encoding) -> Result<Map<String, Value>, Refusal> {
    let mut fields = Map::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        fields.insert(unescaped(name, charset)?, unescaped(value, charset)?.into());
    }
    Ok(fields)
}

/// A name or a value of such a form: `+` is a blank, `%C4` a byte of the character set.
fn unescaped(text: &[u8], charset: &'static Encoding) -> Result<String, Refusal> {
    let blanks: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Cow<'_, [u8]> = percent_decode(&blanks).into();
    charset::decode(&bytes, charset)
}

/// The parts that are no files.
async fn multipart(body: Bytes, kind: &str) -> Result<Map<String, Value>, Refusal> {
    let wrong = |error: multer::Error| Refusal::non_field(&format!("Multipart form parse error - {error}"));
    let boundary = multer::parse_boundary(kind).map_err(wrong)?;
    let chunks = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut parts = Multipart::new(chunks, boundary);
    let mut fields = Map::new();
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        let (Some(name), None) = (part.name().map(str::to_owned), part.file_name()) else { continue };
        let own = part.content_type().and_then(|kind| kind.get_param("charset")).map(|charset| charset.to_string());
        let charset = own.map_or_else(|| charset::of(kind), |own| charset::named(&own))?;
        let value = charset::decode(&part.bytes().await.map_err(wrong)?, charset)?;
        fields.insert(name, value.into());
    }
    Ok(fields)
}
