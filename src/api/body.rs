//! The body of a request. It is read after the caller is known, up to what its route needs, and only while there is
//! memory for it; a large one is parsed off the threads that serve requests. It may be in another character set than
//! UTF-8, if its content type says so.
//!
//! The memory is set aside before the body comes, so a client could promise much and send nothing. Each sender has a share
//! of it: who uses that up waits for their own requests, and nobody else does.

use std::{
    collections::HashMap,
    error::Error as StdError,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{self, Bytes},
    extract::{ConnectInfo, FromRequest, Request},
    http::{Extensions, StatusCode, header},
};
use encoding_rs::{Encoding, UTF_8};
use http_body_util::LengthLimitError;
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::form;
use crate::{
    error::{Error, Refusal, Result},
    wire::{self, charset},
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
/// Memory for small bodies, and for large ones: a sender has at least one list at a time.
static MEMORY: LazyLock<[Budget; 2]> =
    LazyLock::new(|| [Budget::new(32 * 1024, 8 * 1024), Budget::new(64 * 1024, 20 * 1024)]);
/// How long a request waits for memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a body may take to come: shorter than a request may.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(20);
/// So many senders are known before those are forgotten who send nothing.
const MANY_SENDERS: usize = 1000;
/// Large bodies that are parsed at once. The values of one take up to a hundred megabytes.
static LARGE_PARSES: Semaphore = Semaphore::const_new(2);

/// Who sends a body: the extractors that know it leave it in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// A user, by id.
    User(i64),
    /// Somebody without a token.
    Peer(IpAddr),
    /// Nothing is known.
    Nobody,
}

impl Sender {
    fn of(extensions: &Extensions) -> Self {
        let peer = || extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| Self::Peer(address.ip()));
        extensions.get().copied().or_else(peer).unwrap_or(Self::Nobody)
    }
}

/// Kilobytes for bodies.
struct Budget {
    all: Arc<Semaphore>,
    /// Kilobytes of one sender.
    share: usize,
    shares: Mutex<HashMap<Sender, Arc<Semaphore>>>,
}

/// Memory that is set aside.
#[derive(Debug)]
struct Memory {
    _all: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

impl Budget {
    fn new(all: usize, share: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), share, shares: Mutex::default() }
    }

    fn share_of(&self, sender: Sender) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= MANY_SENDERS && !shares.contains_key(&sender) {
            // Whoever waits or has memory holds it, too.
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(shares.entry(sender).or_insert_with(|| Arc::new(Semaphore::new(self.share))))
    }

    /// Sets memory aside: first of the sender's own.
    async fn take(&self, sender: Sender, kilobytes: u32) -> Result<Memory> {
        let taking = async {
            let share = self.share_of(sender).acquire_many_owned(kilobytes).await.ok()?;
            let all = Arc::clone(&self.all).acquire_many_owned(kilobytes).await.ok()?;
            Some(Memory { _all: all, _share: share })
        };
        timeout(PATIENCE, taking).await.ok().flatten().ok_or(Error::Overloaded)
    }
}

/// An extractor: a body of at most `MOST` bytes. 413 for a longer one, 408 for one that does not come.
#[derive(Debug)]
pub struct RequestBody<const MOST: usize> {
    /// In UTF-8.
    bytes: Bytes,
    /// As they were sent.
    sent: Bytes,
    _memory: Memory,
}

impl<const MOST: usize> RequestBody<MOST> {
    /// The bytes as they were sent: what a signature is of.
    pub(super) const fn sent(&self) -> &Bytes {
        &self.sent
    }

    /// Its JSON, as [`wire::parse`] reads it.
    ///
    /// # Errors
    /// 400 when it is none, or exceeds a bound.
    pub async fn json(&self) -> Result<Value> {
        self.read(wire::parse).await
    }

    /// Its JSON, where it may be a list, as [`wire::parse_entries`] reads it.
    ///
    /// # Errors
    /// As [`Self::json`], if it is no list to its end.
    pub(super) async fn entries(&self) -> Result<wire::Body> {
        self.read(wire::parse_entries).await
    }

    async fn read<T: Send + 'static>(&self, parse: fn(&[u8]) -> Result<T, Refusal>) -> Result<T> {
        if self.bytes.len() <= SMALL {
            return Ok(parse(&self.bytes)?);
        }
        let bytes = self.bytes.clone();
        Ok(aside(move || parse(&bytes)).await??)
    }
}

/// Works on a large body, off the threads that serve requests and when its turn comes.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let _turn = LARGE_PARSES.acquire().await.map_err(|_| Error::Overloaded)?;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Fault(format!("parsing a body: {error}")))
}

/// The same text in UTF-8.
async fn in_utf8(bytes: &Bytes, charset: &'static Encoding) -> Result<Bytes> {
    if charset == UTF_8 {
        return Ok(bytes.clone());
    }
    let text = if bytes.len() <= SMALL {
        charset::decode(bytes, charset)?
    } else {
        let bytes = bytes.clone();
        aside(move || charset::decode(&bytes, charset)).await??
    };
    Ok(text.into())
}

/// True for what is read by its own rules: a form names its character set in its parts, and is ASCII around them.
fn is_form(content_type: &str) -> bool {
    [form::URL_ENCODED, form::MULTIPART]
        .iter()
        .any(|kind| content_type.trim_start().get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)))
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
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let charset = if is_form(kind) { UTF_8 } else { charset::of(kind)? };
        let [small, large] = &*MEMORY;
        let budget = if length <= SMALL { small } else { large };
        let kilobytes = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let memory = budget.take(Sender::of(request.extensions()), kilobytes).await?;
        let coming = body::to_bytes(request.into_body(), length.min(MOST));
        let bytes = within(LONGEST_ARRIVAL, coming).await?.map_err(|error| {
            let is_longer = error.source().is_some_and(<dyn StdError>::is::<LengthLimitError>);
            if is_longer { too_large(MOST) } else { Refusal::parse(&error).into() }
        })?;
        let text = in_utf8(&bytes, charset).await?;
        if text.len() > MOST { Err(too_large(MOST)) } else { Ok(Self { bytes: text, sent: bytes, _memory: memory }) }
    }
}

fn too_large(most: usize) -> Error {
    Refusal::detail(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {most} bytes.")).into()
}

/// Waits for a body so long: 408 after that.
async fn within<T>(longest: Duration, coming: impl Future<Output = T>) -> Result<T, Refusal> {
    timeout(longest, coming).await.map_err(|_| {
        let detail = format!("The body did not come within {} seconds.", longest.as_secs());
        Refusal::detail(StatusCode::REQUEST_TIMEOUT, detail)
    })
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
    async fn a_body_that_grows_when_it_is_decoded_is_as_long_as_its_route_allows() {
        let read = async |signs: usize| {
            let request = Request::builder().header(header::CONTENT_TYPE, "application/json; charset=windows-1254");
            // The sign of the euro, which has three bytes in UTF-8.
            let request = request.body(Body::from(vec![0x80; signs])).expect("a request");
            RequestBody::<10>::from_request(request, &()).await
        };
        assert_eq!(&*read(3).await.expect("a body"), "€€€".as_bytes());
        assert_eq!(read(3).await.expect("a body").sent().as_ref(), [0x80; 3]);
        assert_eq!(read(4).await.expect_err("12 bytes").status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn who_promises_much_and_sends_nothing_stops_nobody_else() {
        let promise = |sender: Sender, length: Option<usize>| {
            let body = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
            let mut request = Request::builder().extension(sender);
            if let Some(length) = length {
                request = request.header(header::CONTENT_LENGTH, length);
            }
            RequestBody::<COMMAND_BYTES>::from_request(request.body(body).expect("a request"), &())
        };
        let mut promises: Vec<_> =
            (0..600).map(|number| Box::pin(promise(Sender::User(-1), (number % 2 == 0).then_some(SMALL)))).collect();
        for promise in &mut promises {
            assert!(futures_util::poll!(promise.as_mut()).is_pending());
        }
        for length in [1000, 5_000_000] {
            let request = Request::builder().extension(Sender::User(-2)).header(header::CONTENT_LENGTH, length);
            let request = request.body(Body::from("{}")).expect("a request");
            let read = RequestBody::<COMMAND_BYTES>::from_request(request, &());
            let read = timeout(Duration::from_secs(5), read).await.expect("it waits for nobody");
            assert_eq!(&*read.expect("a body"), b"{}", "{length}");
        }
    }

    #[tokio::test]
    async fn what_does_not_come_is_not_waited_for() {
        let never = within(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert_eq!(never.expect_err("it does not come").status, StatusCode::REQUEST_TIMEOUT);
        within(Duration::from_mins(1), std::future::ready(())).await.expect("it is there");
    }

    #[tokio::test]
    async fn memory_is_given_back_with_the_body() {
        let [_, large] = &*MEMORY;
        let share = large.share_of(Sender::User(-3));
        let before = share.available_permits();
        let request = Request::builder().extension(Sender::User(-3)).header(header::CONTENT_LENGTH, LIST_BYTES);
        let request = request.body(Body::empty()).expect("a request");
        let body = RequestBody::<LIST_BYTES>::from_request(request, &()).await.expect("a body");
        assert_eq!(before - share.available_permits(), LIST_BYTES / 1024 + 1);
        drop(body);
        assert_eq!(share.available_permits(), before);
    }
}
