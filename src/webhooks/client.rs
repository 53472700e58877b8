//! One attempt: a POST to a receiver, made as dj-whisperer's client makes it, and its outcome.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use super::definition::TargetAuth;
use crate::{
    error::{Error, Result},
    outbound::{self, Gate, HttpClient, Response, SendError, guard::Guard},
    secret::{self, Secret},
    signature,
};

/// Longest time of an attempt, from the DNS lookup to the last byte of the answer, with redirects and a login.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Most redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// Bytes of an answer that are kept.
const LONGEST_KEPT: usize = 8 * 1024;
/// Bytes of an answer that are read.
const LONGEST_READ: usize = 256 * 1024;
/// Longest answer of a login, in bytes.
const LONGEST_LOGIN: usize = 64 * 1024;
/// The status that dj-whisperer records where there was no answer.
const NO_ANSWER: u16 = 500;
/// Most tokens that are kept in memory.
const MOST_TOKENS: usize = 10_000;

/// A request to a receiver.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The subscription.
    pub webhook_id: i64,
    /// Its address.
    pub target_url: String,
    /// The event's type.
    pub event_type: String,
    /// The key that signs the body.
    pub secret_key: Option<Secret>,
    /// Additional headers, already checked.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How to log in at the receiver.
    pub auth: Option<TargetAuth>,
    /// The event's id in the feed.
    pub event_id: String,
    /// The number of the attempt, from 1.
    pub attempt: i32,
    /// The object's sequence number.
    pub sequence: i64,
    /// The body.
    pub body: Bytes,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status; 500 where there was no answer, as dj-whisperer records it.
    pub status: u16,
    /// The beginning of the answer, or the reason why there was none.
    pub content: String,
    /// The duration.
    pub took: Duration,
    /// The wait that an answer asked for that was no success.
    pub retry_after: Option<Duration>,
}

impl Outcome {
    /// True if the receiver has the event.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Reason there was no answer. The text shows no secret and no address other than the receiver's.
type Reason = String;

/// Sends deliveries; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    http: HttpClient,
    guard: Guard,
    tokens: Arc<Tokens>,
}

/// Tokens by subscription, each with a hash of the login it came from: another login, another token.
#[derive(Debug, Default)]
struct Tokens {
    known: Mutex<HashMap<i64, (u64, Secret)>>,
    hasher: RandomState,
}

impl Client {
    /// A client that connects only to addresses that the guard allows.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Guard, gate: &Gate) -> Result<Self> {
        let http = HttpClient::guarded(gate, guard.clone(), TIMEOUT)
            .map_err(|why| Error::Fault(format!("no client for webhooks: {why}")))?;
        Ok(Self { http, guard, tokens: Arc::default() })
    }

    /// Decides which addresses are allowed.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Makes one attempt.
    pub async fn send(&self, delivery: &Delivery) -> Outcome {
        let started = Instant::now();
        let answer = match tokio::time::timeout(TIMEOUT, self.attempt(delivery)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {} seconds", TIMEOUT.as_secs())),
        };
        let (status, content, retry_after) = answer.unwrap_or_else(|why| (NO_ANSWER, why, None));
        // Not before: of a secret at the end, a part would be left.
        let mut content = self.without_secrets(&content, delivery);
        content.truncate(content.floor_char_boundary(LONGEST_KEPT));
        let mut outcome = Outcome { status, content, took: started.elapsed(), retry_after };
        outcome.retry_after = outcome.retry_after.filter(|_| !outcome.is_delivered());
        outcome
    }

    /// An answer that may be kept and shown: without what the receiver repeats of our secrets.
    fn without_secrets(&self, content: &str, delivery: &Delivery) -> String {
        let Delivery { secret_key, headers, auth, .. } = delivery;
        let (password, username) = match auth {
            Some(TargetAuth::Basic { username, password } | TargetAuth::Token { username, password, .. }) => {
                (Some(password), username.as_str())
            }
            None => (None, ""),
        };
        let pair = password.map(|password| basic(username, password));
        let login = auth.as_ref().map(|auth| self.tokens.hasher.hash_one(auth));
        let token = login.and_then(|login| self.tokens.get(delivery.webhook_id, login));
        let texts = [secret_key.as_ref(), password, pair.as_ref(), token.as_ref()];
        let values = headers.iter().filter_map(|(_, value)| value.to_str().ok());
        secret::without(content, texts.into_iter().flatten().map(Secret::reveal).chain(values))
    }

    /// Sends the request. If its token is refused, logs in and sends it once more.
    async fn attempt(&self, delivery: &Delivery) -> Result<(u16, String, Option<Duration>), Reason> {
        let known = self.authorization(delivery, None).await?;
        let mut response = self.follow(delivery, known.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && matches!(delivery.auth, Some(TargetAuth::Token { .. })) {
            let renewed = self.authorization(delivery, known.as_ref()).await?;
            response = self.follow(delivery, renewed.as_ref()).await?;
        }
        let (status, retry_after) = (response.status().as_u16(), outbound::retry_after(response.headers()));
        Ok((status, content(response).await?, retry_after))
    }

    /// Sends the request and follows redirects as dj-whisperer's client does: 307 and 308 with the same POST, the
    /// others with a GET. Secret headers go only to the subscribed address, or to the same address by TLS.
    async fn follow(&self, delivery: &Delivery, authorization: Option<&HeaderValue>) -> Result<Response, Reason> {
        let first: Url = delivery.target_url.parse().map_err(|error| format!("the address is none: {error}"))?;
        let (mut url, mut method) = (first.clone(), Method::POST);
        for _ in 0..=MOST_REDIRECTS {
            let headers =
                headers(delivery, authorization.filter(|_| is_same_place(&first, &url)), is_same_place(&first, &url));
            let mut request = self.http.request(method.clone(), url.clone())?;
            if method == Method::POST {
                request = request.headers(headers).body(delivery.body.clone());
            } else {
                request = request.headers(without_body(headers));
            }
            let response = request.send().await.map_err(|error| no_answer(&error))?;
            let Some(next) = redirected(&response, &url) else { return Ok(response) };
            if !matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                method = Method::GET;
            }
            url = next;
        }
        Err(format!("more than {MOST_REDIRECTS} redirects"))
    }

    /// The value of `Authorization`. `refused` is a value that the receiver refused: it is replaced.
    async fn authorization(
        &self,
        delivery: &Delivery,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Reason> {
        match &delivery.auth {
            None => Ok(None),
            Some(TargetAuth::Basic { username, password }) => {
                secret_value(&format!("Basic {}", basic(username, password).reveal())).map(Some)
            }
            Some(auth @ TargetAuth::Token { header_format, .. }) => {
                let value = |token: &Secret| secret_value(&header_format.replace("{}", token.reveal()));
                let login = self.tokens.hasher.hash_one(auth);
                let known = self.tokens.get(delivery.webhook_id, login).map(|token| value(&token)).transpose()?;
                if let Some(known) = known.filter(|known| Some(known) != refused) {
                    return Ok(Some(known));
                }
                let token = self.log_in(auth).await?;
                self.tokens.keep(delivery.webhook_id, login, &token);
                value(&token).map(Some)
            }
        }
    }

    async fn log_in(&self, auth: &TargetAuth) -> Result<Secret, Reason> {
        let TargetAuth::Token { url, username, password, username_field, password_field, token_key, .. } = auth else {
            return Err("no login".to_owned());
        };
        let url: Url = url.parse().map_err(|error| format!("the address of the login is none: {error}"))?;
        let request = self.http.request(Method::POST, url).map_err(|why| format!("login: {why}"))?;
        let mut credentials = serde_json::Map::new();
        credentials.insert(username_field.clone(), json!(username));
        credentials.insert(password_field.clone(), json!(password.reveal()));
        let sent = request.json(&credentials).send().await;
        let response = sent.map_err(|error| format!("login: {}", no_answer(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("the login answered {status}"));
        }
        let bytes = read_up_to(response, LONGEST_LOGIN).await.map_err(|why| format!("login: {why}"))?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| "the login answered no JSON".to_owned())?;
        let token = answer.get(token_key).and_then(Value::as_str);
        token.map(Secret::from).ok_or_else(|| format!("the login's answer has no text as `{token_key}`"))
    }
}

impl Tokens {
    fn get(&self, webhook_id: i64, login: u64) -> Option<Secret> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&webhook_id).filter(|(of, _)| *of == login).map(|(_, token)| token.clone())
    }

    fn keep(&self, webhook_id: i64, login: u64, token: &Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TOKENS {
            known.clear();
        }
        known.insert(webhook_id, (login, token.clone()));
    }
}

/// User and password as basic authentication sends them.
fn basic(username: &str, password: &Secret) -> Secret {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{}", password.reveal())).into()
}

fn secret_value(text: &str) -> Result<HeaderValue, Reason> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "the token cannot be sent in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The headers of a request: first those of dj-whisperer, then the additional ones, which overwrite them, last our own.
fn headers(delivery: &Delivery, authorization: Option<&HeaderValue>, is_trusted: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set("x-whisperer-event", &delivery.event_type);
    if let Some(secret_key) = delivery.secret_key.as_ref().filter(|secret| !secret.reveal().is_empty()) {
        set("x-whisperer-signature", &signature::sign(secret_key.reveal(), &delivery.body));
    }
    set("x-oms-event-id", &delivery.event_id);
    set("x-oms-attempt", &delivery.attempt.to_string());
    set("x-oms-sequence", &delivery.sequence.to_string());
    if is_trusted {
        for (name, value) in &delivery.headers {
            headers.insert(name, value.clone());
        }
    }
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, value.clone());
    }
    headers
}

/// The headers of a GET that follows a redirect.
fn without_body(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONTENT_TYPE);
    headers.remove("x-whisperer-signature");
    headers
}

/// True if a redirect stays at the receiver: same scheme, host and port, or from http to https at the default ports.
fn is_same_place(first: &Url, url: &Url) -> bool {
    let is_upgrade =
        first.scheme() == "http" && url.scheme() == "https" && first.port().is_none() && url.port().is_none();
    first.host() == url.host()
        && (is_upgrade
            || (first.scheme() == url.scheme() && first.port_or_known_default() == url.port_or_known_default()))
}

fn redirected(response: &Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    url.join(location).ok()
}

/// An answer as text, as far as it is read. A short one is read to its end, so that the connection can be reused.
async fn content(response: Response) -> Result<String, Reason> {
    let bytes = read_up_to(response, LONGEST_READ).await?;
    Ok(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

async fn read_up_to(mut response: Response, longest: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > longest {
            break;
        }
    }
    Ok(bytes)
}

/// An error with its causes, without the URL.
fn no_answer(error: &SendError) -> Reason {
    format!("no answer: {}", outbound::with_causes(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_at_the_receiver_or_takes_no_secret_along() {
        let same = |first: &str, url: &str| is_same_place(&first.parse().expect(first), &url.parse().expect(url));
        assert!(same("http://a.example/x", "http://a.example:80/y"));
        assert!(same("http://a.example/x", "https://a.example/x"));
        for (first, url) in [
            ("https://a.example/", "http://a.example/"),
            ("http://a.example:8080/", "https://a.example/"),
            ("https://a.example/", "https://b.example/"),
            ("https://a.example/", "https://a.example:8443/"),
        ] {
            assert!(!same(first, url), "{first} {url}");
        }
    }

    #[test]
    fn additional_headers_win_but_over_what_proves_or_names_the_event() {
        let delivery = Delivery {
            webhook_id: 1,
            target_url: String::new(),
            event_type: "package.created".to_owned(),
            secret_key: Some("s".into()),
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
            auth: None,
            event_id: "7".to_owned(),
            attempt: 1,
            sequence: 3,
            body: Bytes::from_static(b"{}"),
        };
        let sent = headers(&delivery, None, true);
        assert_eq!(sent[header::CONTENT_TYPE], "text/plain");
        assert_eq!(sent["x-whisperer-signature"], signature::sign("s", b"{}").as_str());
        assert_eq!((&sent["x-oms-event-id"], &sent["x-oms-sequence"]), (&HeaderValue::from(7), &HeaderValue::from(3)));
        let elsewhere = headers(&delivery, None, false);
        assert_eq!(elsewhere[header::CONTENT_TYPE], "application/json");
    }
}
