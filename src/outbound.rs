//! Our own HTTP requests. [`HttpClient`] is the only way to make one, and no other file knows the crate behind it (a
//! test of `floors.rs` looks): whoever makes a client says whose addresses it calls.
//!
//! * [`HttpClient::guarded`]: addresses that requests bring (webhooks, invoices). The [`guard`] checks each, again at
//!   every attempt, and the client connects to the address that was checked.
//! * [`HttpClient::trusted`]: addresses that the operator wrote into a setting or an installation file (the upstream, the
//!   stock service, invoice services). They may be private, and the client calls these hosts alone.
//!
//! While the database is not at home, the [`Gate`] of a server is closed, and neither calls anybody. A call that is made for a
//! request says so (`X-Request-Id`, `traceparent`).
//!
//! Neither follows redirects by itself. Answers are read up to a limit. [`limits`]: how many requests a receiver may have
//! under way.

mod gate;
pub mod guard;
pub mod limits;
pub(crate) mod roots;

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use http::{HeaderMap, Method, header};
use reqwest::ClientBuilder;
pub use reqwest::{Error as SendError, RequestBuilder, Response};
use url::{Origin, Url};

pub use gate::{Gate, HELD};

use self::guard::Guard;
use crate::cause;

/// The reason of a failure, for the log. It has no password and no address.
pub type Reason = String;

/// Chooses the process' provider of cryptography, before any client is made. A second call changes nothing.
pub fn choose_cryptography() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Makes requests: see the module. Clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    http: reqwest::Client,
    reach: Reach,
    gate: Gate,
}

/// The addresses that a client may call.
#[derive(Debug, Clone)]
enum Reach {
    Guarded(Guard),
    Origins(Arc<[Origin]>),
}

impl HttpClient {
    /// A client for addresses that requests bring: it connects only to those that the guard allows.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn guarded(gate: &Gate, guard: Guard, timeout: Duration) -> Result<Self, Reason> {
        let builder = builder(timeout)
            // A proxy would resolve names without the guard.
            .no_proxy()
            .dns_resolver(Arc::new(guard.clone()))
            .http1_only()
            .http1_title_case_headers()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(16)
            .pool_idle_timeout(Duration::from_secs(20));
        Ok(Self { http: build(builder)?, reach: Reach::Guarded(guard), gate: gate.clone() })
    }

    /// A client for addresses that the operator configured, and for no other host. No proxy is used for addresses of
    /// this machine.
    ///
    /// # Errors
    /// When one is no address, or TLS cannot be set up.
    pub fn trusted(gate: &Gate, addresses: &[&str], timeout: Duration) -> Result<Self, Reason> {
        let parse = |text: &&str| text.parse::<Url>().map_err(|error| format!("its address is none: {error}"));
        let urls = addresses.iter().map(parse).collect::<Result<Vec<Url>, Reason>>()?;
        let is_here = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let builder = builder(timeout);
        let builder = if urls.iter().any(is_here) { builder.no_proxy() } else { builder };
        let reach = Reach::Origins(urls.iter().map(Url::origin).collect());
        Ok(Self { http: build(builder)?, reach, gate: gate.clone() })
    }

    /// A request, if the client may call this address.
    ///
    /// # Errors
    /// The reason why it may not.
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Reason> {
        self.gate.check()?;
        match &self.reach {
            Reach::Guarded(guard) => guard.check(&url)?,
            Reach::Origins(origins) if origins.contains(&url.origin()) => {}
            Reach::Origins(_) => return Err("it leads to a host that nobody configured".to_owned()),
        }
        Ok(self.http.request(method, url).headers(caused()))
    }
}

/// The headers that say for which request a call is made: whoever receives it finds it by the same id.
fn caused() -> HeaderMap {
    let mut headers = HeaderMap::new();
    cause::with_current(|cause| cause.put(&mut headers));
    headers
}

fn builder(timeout: Duration) -> ClientBuilder {
    choose_cryptography();
    reqwest::Client::builder()
        .tls_certs_only(roots::for_http())
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("oms/", env!("CARGO_PKG_VERSION")))
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, Reason> {
    builder.build().map_err(|error| format!("no HTTP client can be made: {}", with_causes(&error)))
}

/// The address of a service, or of this one, as a setting: `https://oms.example.com`, without a query. An empty one is none.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub(crate) fn web_address(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let wrong = |what: &str| format!("{what}; write it like https://oms.example.com");
    if !text.contains("://") {
        return Err(wrong("it has no scheme (http:// or https://)"));
    }
    let url: Url = text.trim().parse().map_err(|error| wrong(&format!("it is no address: {error}")))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong(&format!("its scheme is {}://, and may be http:// or https://", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment, and other addresses are made by writing behind it"));
    }
    Ok(text.trim().to_owned())
}

/// The whole answer, if it is no longer than the limit.
///
/// # Errors
/// When it is longer, or breaks off.
pub async fn body(response: Response, longest: usize) -> Result<Vec<u8>, Reason> {
    read(response, longest).await.map_err(|unread| match unread {
        Unread::TooLong { why, .. } | Unread::TooSlow(why) | Unread::Broken(why) => why,
    })
}

/// An answer that was not read to its end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than is read of one.
    TooLong {
        /// How long.
        why: Reason,
        /// What was read of it.
        beginning: Vec<u8>,
    },
    /// It did not come in time.
    TooSlow(Reason),
    /// Anything else.
    Broken(Reason),
}

impl Unread {
    /// An answer that did not come.
    #[must_use]
    pub fn of(error: &SendError) -> Self {
        let why = no_answer(error);
        if error.is_timeout() { Self::TooSlow(why) } else { Self::Broken(why) }
    }
}

/// The same as [`body`], for whoever does otherwise where there is too much.
///
/// # Errors
/// As [`body`].
pub async fn read(mut response: Response, longest: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Unread::of(&error))? {
        if bytes.len() + chunk.len() > longest {
            let why = format!("its answer is longer than {longest} bytes");
            return Err(Unread::TooLong { why, beginning: bytes });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long to wait before the next request, as the header `Retry-After` of an answer asks: seconds, or a date, which is
/// compared with the answer's own. No longer than an hour.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let asked = text(header::RETRY_AFTER)?.trim();
    let wait = if let Ok(seconds) = asked.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
        (date(asked)? - date(text(header::DATE)?)?).to_std().ok()?
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The reason why there is no answer.
#[must_use]
pub fn no_answer(error: &SendError) -> Reason {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    format!("it did not answer: {}", with_causes(error))
}

/// An error with its causes, without the URL.
#[must_use]
pub fn with_causes(error: &SendError) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let separator = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{separator}{error}");
        cause = error.source();
    }
    if text.is_empty() { "no cause is known".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{
        guard::{AllowPrivate, Guard},
        *,
    };

    #[test]
    fn a_trusted_client_calls_no_host_that_nobody_configured() {
        let (gate, second) = (Gate::open(), Duration::from_secs(1));
        let client = HttpClient::trusted(&gate, &["https://o.example/api/", "http://10.0.0.7:8080"], second);
        let client = client.expect("a client");
        let may = |url: &str| client.request(Method::GET, url.parse().expect(url)).is_ok();
        assert!(may("https://o.example/elsewhere") && may("http://10.0.0.7:8080/x"));
        for url in ["http://o.example/", "https://o.example:444/", "http://10.0.0.7/", "https://p.example/"] {
            assert!(!may(url), "{url}");
        }
        assert!(HttpClient::trusted(&gate, &["o.example"], second).is_err());
        gate.set(false);
        assert!(!may("https://o.example/elsewhere"), "it is held");
    }

    #[test]
    fn a_web_address_has_a_scheme_and_a_host_and_no_query() {
        for text in ["https://oms.example.com", "http://10.0.0.1:8080/oms/", "http://[::1]"] {
            assert_eq!(web_address(text).as_deref(), Ok(text));
        }
        assert_eq!(web_address(" ").as_deref(), Ok(""));
        for text in
            ["oms.example.com", "ftp://oms.example.com", "https://", "https://a b", "http://x/?a=1", "http://x/#a"]
        {
            let said = web_address(text).expect_err(text);
            assert!(said.contains("https://oms.example.com"), "{text}: {said}");
        }
    }

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date_and_an_hour_at_most() {
        let asked = |wait: &str| {
            let pairs = [(header::DATE, "Sat, 28 Nov 2026 02:00:00 GMT"), (header::RETRY_AFTER, wait)];
            let headers = pairs.map(|(name, value)| (name, value.parse().expect("a value"))).into_iter().collect();
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sat, 28 Nov 2026 02:01:00 GMT"), Some(60));
        assert_eq!([asked("86400"), asked("Sun, 29 Nov 2026 02:00:00 GMT")], [Some(3600); 2]);
        assert_eq!([asked("-5"), asked("soon"), asked("Sat, 28 Nov 2026 01:00:00 GMT")], [None; 3]);
    }

    #[tokio::test]
    async fn a_guarded_client_connects_to_nothing_that_the_guard_refuses() {
        let guard = Guard::new(AllowPrivate::Nothing, "OMS_SOME_SETTING");
        let client = HttpClient::guarded(&Gate::open(), guard, Duration::from_secs(5)).expect("a client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // What stands there as an address is refused before anything is sent, and a name when it is looked up.
        let here: Url = format!("http://127.0.0.1:{port}/").parse().expect("a url");
        assert!(client.request(Method::POST, here).expect_err("refused").contains("OMS_SOME_SETTING"));
        let name: Url = format!("http://localhost:{port}/").parse().expect("a url");
        let error = client.request(Method::POST, name).expect("a name").send().await.expect_err("refused");
        assert!(no_answer(&error).contains("is not a public address"), "{error:?}");
    }
}
