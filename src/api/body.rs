//! The body of a request. It is read after the caller is known, up to what its route needs, and only while there is
//! memory for it; a large one is parsed off the threads that serve requests.

use std::{error::Error as StdError, ops::Deref};

use axum::{
    body::{self, Bytes},
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use http_body_util::LengthLimitError;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    error::{Error, Refusal, Result},
    wire,
};

/// Bytes of a name and its password.
pub const LOGIN_BYTES: usize = 4 * 1024;
/// Bytes of one object.
pub const OBJECT_BYTES: usize = 256 * 1024;
/// Bytes of a command: an invoice document of 4 MiB in base64, and the rest.
pub const COMMAND_BYTES: usize = 6 * 1024 * 1024;
/// Bytes of a list, or of an object of the upstream.
pub const LIST_BYTES: usize = 16 * 1024 * 1024;

/// A body up to this size counts as small: it is parsed at once, and never waits for a large one.
const SMALL: usize = 64 * 1024;
/// Kilobytes of small bodies at once.
static SMALL_KILOBYTES: Semaphore = Semaphore::const_new(32 * 1024);
/// Kilobytes of large bodies at once.
static LARGE_KILOBYTES: Semaphore = Semaphore::const_new(64 * 1024);
/// Large bodies that are parsed at once. The values of one take up to a hundred megabytes.
static LARGE_PARSES: Semaphore = Semaphore::const_new(2);

/// An extractor: a body of at most `MOST` bytes. 413 for a longer one.
#[derive(Debug)]
pub struct RequestBody<const MOST: usize> {
    bytes: Bytes,
    _memory: SemaphorePermit<'static>,
}

impl<const MOST: usize> RequestBody<MOST> {
    /// Its JSON, as [`wire::parse`] reads it.
    ///
    /// # Errors
    /// 400 when it is none, or exceeds a bound.
    pub async fn json(&self) -> Result<Value> {
        if self.bytes.len() <= SMALL {
            return Ok(wire::parse(&self.bytes)?);
        }
        let _turn = LARGE_PARSES.acquire().await.map_err(|_| Error::Overloaded)?;
        let bytes = self.bytes.clone();
        let parsed = tokio::task::spawn_blocking(move || wire::parse(&bytes)).await;
        Ok(parsed.map_err(|error| Error::Fault(format!("parsing a body: {error}")))??)
    }
}

impl<const MOST: usize> Deref for RequestBody<MOST> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<const MOST: usize, S: Send + Sync> FromRequest<S> for RequestBody<MOST> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(MOST);
        if length > MOST {
            return Err(too_large(MOST));
        }
        let budget = if length <= SMALL { &SMALL_KILOBYTES } else { &LARGE_KILOBYTES };
        let kilobytes = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let memory = budget.acquire_many(kilobytes).await.map_err(|_| Error::Overloaded)?;
        let bytes = body::to_bytes(request.into_body(), length.min(MOST)).await.map_err(|error| {
            let is_longer = error.source().is_some_and(<dyn StdError>::is::<LengthLimitError>);
            if is_longer { too_large(MOST) } else { Refusal::parse(&error).into() }
        })?;
        Ok(Self { bytes, _memory: memory })
    }
}

fn too_large(most: usize) -> Error {
    Refusal::detail(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {most} bytes.")).into()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    async fn status(sent: Body, length: Option<usize>) -> Option<StatusCode> {
        let mut request = Request::builder();
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let request = request.body(sent).expect("a request");
        RequestBody::<10>::from_request(request, &()).await.err().map(|error| error.status())
    }

    fn chunked(bytes: usize) -> Body {
        Body::from_stream(stream::iter((0..bytes).map(|_| Ok::<_, std::io::Error>("x"))))
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_its_route_allows_whether_it_says_so_or_not() {
        assert_eq!(status(Body::from("0123456789"), Some(10)).await, None);
        assert_eq!(status(chunked(10), None).await, None);
        assert_eq!(status(chunked(11), None).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
        // Nothing of it is read.
        let endless = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
        assert_eq!(status(endless, Some(11)).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn memory_is_given_back_with_the_body() {
        let before = LARGE_KILOBYTES.available_permits();
        let request =
            Request::builder().header(header::CONTENT_LENGTH, LIST_BYTES).body(Body::empty()).expect("a request");
        let body = RequestBody::<LIST_BYTES>::from_request(request, &()).await.expect("a body");
        assert_eq!(before - LARGE_KILOBYTES.available_permits(), LIST_BYTES / 1024 + 1);
        drop(body);
        assert_eq!(LARGE_KILOBYTES.available_permits(), before);
    }
}
