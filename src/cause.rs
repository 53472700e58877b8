//! The request that something is done for: its id, its trace, and what its line of the log says.
//!
//! While a request is served its [`Cause`] is there for whatever works for it ([`current`]), without being handed from
//! function to function: the dispatcher stores it with what commands write, and [`crate::outbound`] sends it on. Work that
//! is spawned takes it along ([`carry`]); work that is done later for a stored request begins with it ([`Cause::stored`],
//! [`within`]).

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the id of a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the trace of a request, in both directions (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id of a client that is kept, in bytes. A longer one is replaced.
pub const LONGEST_ID: usize = 128;

tokio::task_local! {
    static CURRENT: Arc<Cause>;
}

/// A request.
#[derive(Debug)]
pub struct Cause {
    request_id: String,
    trace: Option<TraceParent>,
    user: OnceLock<String>,
    refusal: OnceLock<String>,
    group: AtomicU32,
}

impl Cause {
    /// The request with these headers. Its id is the client's, if that is fit for logs and headers, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let request_id = only(headers, &REQUEST_ID).filter(|id| is_sane(id)).map_or_else(new_id, str::to_owned);
        // Several are as good as none: nobody knows which is the parent.
        Self::new(request_id, only(headers, &TRACEPARENT).and_then(TraceParent::parse).map(TraceParent::child))
    }

    /// A request that was stored. None: it was done for none.
    #[must_use]
    pub fn stored(request_id: Option<String>, traceparent: Option<&str>) -> Option<Arc<Self>> {
        request_id.map(|id| Arc::new(Self::new(id, traceparent.and_then(TraceParent::parse))))
    }

    const fn new(request_id: String, trace: Option<TraceParent>) -> Self {
        Self { request_id, trace, user: OnceLock::new(), refusal: OnceLock::new(), group: AtomicU32::new(0) }
    }

    /// Its id: printable ASCII without spaces, quotes and backslashes.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Its place in the trace that the client began.
    #[must_use]
    pub fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    /// The header that a receiver continues the trace by.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.trace.map(TraceParent::header)
    }

    /// Adds both headers.
    pub fn put(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace) = self.traceparent().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(TRACEPARENT, trace);
        }
    }

    /// Notes who sent it, by name.
    pub fn is_of(&self, user: &str) {
        self.user.get_or_init(|| user.to_owned());
    }

    /// Name of who sent it, if that is known.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.get().map(String::as_str)
    }

    /// Notes the code of the refusal it is answered with; of several the first.
    pub fn is_refused(&self, code: &str) {
        self.refusal.get_or_init(|| code.to_owned());
    }

    /// The code of the refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Notes with how many commands one of its own was written; the largest group counts.
    pub fn was_in_group(&self, commands: usize) {
        self.group.fetch_max(u32::try_from(commands).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// How many commands were written together with its own, itself among them; none if it had no command.
    #[must_use]
    pub fn group(&self) -> Option<u32> {
        Some(self.group.load(Ordering::Relaxed)).filter(|commands| *commands > 0)
    }
}

/// The same request, wherever it is known from.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        (&self.request_id, self.trace) == (&other.request_id, other.trace)
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// True for an id that can stand in a log, a header and a table as it is.
fn is_sane(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\`".contains(&byte))
}

/// From the generator of this thread: the system is not asked for each request.
fn new_id() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// A place in a trace, as the header `traceparent` has it (version 00 of W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    is_sampled: bool,
}

impl TraceParent {
    /// Reads the header. None for a text that is none: the trace is not continued.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
        let (span_id, flags) = (u64::try_from(hex(parts.next()?, 16)?).ok()?, hex(parts.next()?, 2)?);
        // A later version may have more parts; 255 is none.
        if version == 255 || (version == 0 && parts.next().is_some()) || trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }

    /// A new place below this one: ours.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: rand::random::<u64>().max(1), ..self }
    }

    /// The id of the trace, for the log.
    #[must_use]
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The id of this place, for the log: what receivers name as their parent.
    #[must_use]
    pub fn span_id(self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// The header.
    #[must_use]
    pub fn header(self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// A number of so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// The request that this task works for.
#[must_use]
pub fn current() -> Option<Arc<Cause>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Calls a function with it, if there is one.
pub fn with_current(note: impl FnOnce(&Cause)) {
    CURRENT.try_with(|cause| note(cause)).ok();
}

/// Does work for a request, or for none.
pub async fn within<T>(cause: Option<Arc<Cause>>, work: impl Future<Output = T>) -> T {
    match cause {
        Some(cause) => CURRENT.scope(cause, work).await,
        None => work.await,
    }
}

/// Work that is spawned, with the request that this task works for.
pub fn carry<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    within(current(), work)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn headers(pairs: &[(&HeaderName, &[u8])]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| ((*name).clone(), HeaderValue::from_bytes(value).expect("a value")));
        pairs.collect()
    }

    fn id_of(value: &[u8]) -> String {
        Cause::of(&headers(&[(&REQUEST_ID, value)])).request_id
    }

    #[test]
    fn a_clients_id_is_kept_and_a_hostile_one_is_replaced() {
        let longest = "x".repeat(LONGEST_ID);
        for sane in ["mine-1", "Root=1-67891233-abcdef012345678912345678", "a/b:c+d,e", &longest] {
            assert_eq!(id_of(sane.as_bytes()), sane);
        }
        let long = "x".repeat(10_000);
        for hostile in [&b""[..], b"a b", b"a\tb", b"\xc3\xa7", b"a\"b", b"a\\u000a", b"it's", b"`id`", long.as_bytes()]
        {
            let id = id_of(hostile);
            assert!(Uuid::parse_str(&id).is_ok(), "{hostile:?} became {id}");
        }
        let mut twice = headers(&[(&REQUEST_ID, b"one")]);
        twice.append(REQUEST_ID, HeaderValue::from_static("two"));
        assert!(Uuid::parse_str(&Cause::of(&twice).request_id).is_ok());
        assert_ne!(Cause::of(&HeaderMap::new()).request_id, Cause::of(&HeaderMap::new()).request_id);
    }

    #[test]
    fn a_trace_goes_on_below_its_parent() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let cause = Cause::of(&headers(&[(&TRACEPARENT, parent.as_bytes())]));
        let sent = cause.traceparent().expect("a trace");
        assert!(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && sent.ends_with("-01"), "{sent}");
        assert_ne!(sent, parent, "the parent of what we cause is this request");
        assert_eq!(TraceParent::parse(&sent).map(TraceParent::header), Some(sent));
        // Flags that version 00 does not know are not passed on.
        let flags = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe").expect("a trace");
        assert!(flags.header().ends_with("-00"));
    }

    #[test]
    fn what_is_no_traceparent_is_left() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later";
        assert!(TraceParent::parse(later).is_some_and(|trace| trace.header().starts_with("00-")));
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn spawned_work_takes_the_request_along() {
        let cause = Arc::new(Cause::of(&headers(&[(&REQUEST_ID, b"mine")])));
        let spawned = within(Some(cause), async { tokio::spawn(carry(async { current() })).await });
        let found = spawned.await.expect("no panic").map(|cause| cause.request_id().to_owned());
        assert_eq!(found.as_deref(), Some("mine"));
        assert!(current().is_none());
    }
}
