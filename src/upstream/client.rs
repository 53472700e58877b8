//! The HTTP client for the upstream: requests, logins, and the renewal of a refused token.

use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::settings::UpstreamSettings;
use crate::{
    error::{Error, Result},
    outbound::{self, Gate, HttpClient, Reason, Response, Unread},
    secret::{self, Secret},
    wire::{
        self,
        pieces::{self, Entry},
    },
};

/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// The path of the login.
const LOGIN: &str = "api/i1/auth/login/";

/// The client.
#[derive(Debug)]
pub struct Client {
    base: Url,
    http: HttpClient,
    credentials: Credentials,
    token: Mutex<Option<Secret>>,
}

#[derive(Debug)]
enum Credentials {
    Token(Secret),
    Login { username: String, password: Secret },
}

/// An answer of the upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Between 200 and 299.
    pub status: StatusCode,
    /// Null if it was empty or not JSON.
    pub body: Value,
}

/// A page of a list of the upstream.
#[derive(Debug)]
pub struct ListPage {
    /// Its entries, each read by itself.
    pub entries: Vec<Entry>,
    /// True if there is another page.
    pub has_next: bool,
}

/// Reason a request failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The reason, for the log and the record.
    pub why: Reason,
    /// The status, if there was an answer.
    pub status: Option<StatusCode>,
    /// The answer's body, if it was JSON.
    pub body: Option<Value>,
    /// The wait that the answer asked for.
    pub retry_after: Option<Duration>,
    /// It is not tried again.
    pub is_final: bool,
    /// What was too much of it, if it was.
    pub excess: Option<Excess>,
}

/// What is too much of an answer: of less, there may be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excess {
    /// It is longer than is read of one; what was read.
    Length(Vec<u8>),
    /// It takes longer than is waited for one.
    Time,
}

impl From<Reason> for Failure {
    fn from(why: Reason) -> Self {
        Self { why, status: None, body: None, retry_after: None, is_final: false, excess: None }
    }
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        let (why, excess) = match unread {
            Unread::TooLong { why, beginning } => (why, Some(Excess::Length(beginning))),
            Unread::TooSlow(why) => (why, Some(Excess::Time)),
            Unread::Broken(why) => (why, None),
        };
        Self { excess, ..Self::from(why) }
    }
}

impl Failure {
    /// True if the place answers, and refuses only this request: others may succeed there.
    #[must_use]
    pub fn is_about_the_request(&self) -> bool {
        let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        self.status.is_some_and(|status| status.is_client_error() && !may_pass.contains(&status))
    }
}

impl Client {
    /// A client by the settings; none if they name no upstream.
    ///
    /// # Errors
    /// With the remedy, if the settings contradict each other.
    pub fn new(settings: &UpstreamSettings, gate: &Gate) -> Result<Option<Self>> {
        let Some(url) = settings.url.as_deref().map(str::trim).filter(|url| !url.is_empty()) else { return Ok(None) };
        let wrong = |what: &str| Error::Fault(format!("the upstream {what}"));
        let mut base: Url = url.parse().map_err(|error| wrong(&format!("OMS_UPSTREAM_URL is no address: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("OMS_UPSTREAM_URL must begin with http:// or https://"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let credentials = match (&settings.token, &settings.username, &settings.password) {
            (Some(token), _, _) => Credentials::Token(token.clone()),
            (None, Some(username), Some(password)) => {
                Credentials::Login { username: username.clone(), password: password.clone() }
            }
            _ => {
                let remedy = "set OMS_UPSTREAM_TOKEN, or OMS_UPSTREAM_USERNAME and OMS_UPSTREAM_PASSWORD";
                return Err(wrong(&format!("{url} asks who we are: {remedy}")));
            }
        };
        let http = HttpClient::trusted(gate, &[url], Duration::from_secs(u64::from(settings.timeout_seconds)))
            .map_err(|why| wrong(&format!("cannot be asked: {why}")))?;
        Ok(Some(Self { base, http, credentials, token: Mutex::new(None) }))
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// When there is no answer, or its status is not a success.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, Failure> {
        self.call(Method::GET, path, query, None).await.map(Answer::from)
    }

    /// Reads a page of a list.
    ///
    /// # Errors
    /// As [`Self::get`]; when it is no list.
    pub async fn list(&self, path: &str, query: &[(&str, String)]) -> Result<ListPage, Failure> {
        let (_, bytes) = self.call(Method::GET, path, query, None).await?;
        match wire::parse_list_of(&bytes, "results") {
            Some((entries, true)) => {
                let next = pieces::member(&bytes, "next").is_some_and(|next| next.text.starts_with(b"\""));
                Ok(ListPage { entries, has_next: next })
            }
            Some((_, false)) => {
                Err(Unread::TooLong { why: "its answer has too many values".to_owned(), beginning: bytes }.into())
            }
            None => Err(Failure::from("its list of orders has no `results`".to_owned())),
        }
    }

    /// Sends a body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Failure> {
        let answered = self.call(method, path, &[], Some(body)).await.map(Answer::from);
        // These answers are kept and shown.
        let token = self.token.lock().await.clone();
        let given = match &self.credentials {
            Credentials::Token(token) => token,
            Credentials::Login { password, .. } => password,
        };
        let secrets: Vec<&str> = token.iter().chain([given]).map(Secret::reveal).collect();
        let shown = |body| secret::without_in(body, &secrets);
        match answered {
            Ok(answer) => Ok(Answer { body: shown(answer.body), ..answer }),
            Err(failure) => Err(Failure { body: failure.body.map(shown), ..failure }),
        }
    }

    /// Sends a request. If the token is refused, logs in and sends it once more.
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let token = self.token(None).await?;
        let mut response = self.request(&method, path, query, body, &token).await?;
        if response.status() == StatusCode::UNAUTHORIZED && matches!(self.credentials, Credentials::Login { .. }) {
            let token = self.token(Some(token)).await?;
            response = self.request(&method, path, query, body, &token).await?;
        }
        answer(response).await
    }

    async fn request(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
        token: &Secret,
    ) -> Result<Response, Failure> {
        let mut url = self.base.join(path).map_err(|error| format!("there is no address for {path}: {error}"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .request(method.clone(), url)?
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Token {}", token.reveal()));
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.send().await.map_err(|error| Unread::of(&error))?)
    }

    /// The token to use. `refused` is one that the upstream refused: it is replaced. One login serves all waiting
    /// requests.
    async fn token(&self, refused: Option<Secret>) -> Result<Secret, Failure> {
        let (username, password) = match &self.credentials {
            Credentials::Token(token) => return Ok(token.clone()),
            Credentials::Login { username, password } => (username, password),
        };
        let mut known = self.token.lock().await;
        if let Some(token) = known.as_ref().filter(|token| refused.as_ref() != Some(token)) {
            return Ok(token.clone());
        }
        *known = None;
        let url = self.base.join(LOGIN).map_err(|error| format!("there is no address to log in: {error}"))?;
        let login = json!({ "username": username, "password": password.reveal() });
        let request = self.http.request(Method::POST, url)?.json(&login);
        let response = request.send().await.map_err(|error| outbound::no_answer(&error))?;
        let status = response.status();
        if status == StatusCode::BAD_REQUEST {
            return Err(Failure::from(format!("it does not know {username} by this password")));
        }
        let answer =
            answer(response).await.map_err(|failure| Failure { why: format!("login: {}", failure.why), ..failure })?;
        let answer = Answer::from(answer);
        let key = answer.body["key"].as_str().ok_or_else(|| "its login answered no `key`".to_owned())?;
        let token = Secret::from(key);
        *known = Some(token.clone());
        Ok(token)
    }
}

impl From<(StatusCode, Vec<u8>)> for Answer {
    fn from((status, bytes): (StatusCode, Vec<u8>)) -> Self {
        Self { status, body: json_of(&bytes).unwrap_or(Value::Null) }
    }
}

fn json_of(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(&pieces::with_whole_letters(bytes)).ok()
}

/// The bytes of an answer, if its status is a success.
async fn answer(response: Response) -> Result<(StatusCode, Vec<u8>), Failure> {
    let status = response.status();
    let retry_after = outbound::retry_after(response.headers());
    let bytes = outbound::read(response, LONGEST_ANSWER).await?;
    if status.is_success() {
        return Ok((status, bytes));
    }
    // A server before it gave up waiting.
    let excess = (status == StatusCode::GATEWAY_TIMEOUT).then_some(Excess::Time);
    let why = format!("it answered {status}");
    Err(Failure { status: Some(status), body: json_of(&bytes), retry_after, excess, ..Failure::from(why) })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        upstream: UpstreamSettings,
    }

    fn client(arguments: &[&str]) -> Result<Option<Client>> {
        let arguments = std::iter::once("oms").chain(arguments.iter().copied());
        let line = Line::try_parse_from(arguments).map_err(|error| Error::Fault(error.to_string()))?;
        Client::new(&line.upstream, &Gate::open())
    }

    #[test]
    fn one_request_that_is_refused_says_nothing_of_others() {
        let of = |status: Option<u16>| {
            let status = status.map(|status| StatusCode::from_u16(status).expect("a status"));
            Failure { status, ..Failure::from(String::new()) }.is_about_the_request()
        };
        assert!(of(Some(400)) && of(Some(404)) && of(Some(401)));
        assert!(!of(None) && !of(Some(500)) && !of(Some(503)) && !of(Some(429)) && !of(Some(408)) && !of(Some(302)));
    }

    #[test]
    fn an_upstream_needs_an_address_and_credentials() {
        assert!(client(&[]).expect("none").is_none());
        let some = client(&["--upstream-url", "https://o.example.com/x", "--upstream-token", "t"]).expect("one");
        assert_eq!(some.expect("one").base.as_str(), "https://o.example.com/x/");
        for (arguments, word) in [
            (&["--upstream-url", "https://o.example.com"][..], "OMS_UPSTREAM_TOKEN"),
            (&["--upstream-url", "https://o.example.com", "--upstream-username", "u"], "OMS_UPSTREAM_PASSWORD"),
            (&["--upstream-url", "ftp://o.example.com", "--upstream-token", "t"], "http://"),
            (&["--upstream-url", "nowhere", "--upstream-token", "t"], "--upstream-url"),
        ] {
            let error = client(arguments).expect_err("refused").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
