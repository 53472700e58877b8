//! The HTTP client for a stock service: requests, logins, and the renewal of a refused token.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use url::Url;

use super::answer::{self, Answer};
use crate::{
    metrics::Metrics,
    outbound::{self, Gate, HttpClient, RequestBuilder, Response},
    secret::Secret,
    stock::service::{Auth, Password, ServiceType, Settings},
};

pub(super) use crate::outbound::Reason;

/// Most SKUs in a request, because URLs have a limit.
const MOST_SKUS: usize = 100;
/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A client for some settings, with the service's token.
pub(super) struct Client {
    pub settings: Arc<Settings>,
    http: HttpClient,
    places: Semaphore,
    token: Mutex<Option<Secret>>,
    metrics: Arc<Metrics>,
}

impl Client {
    pub(super) fn new(settings: Arc<Settings>, metrics: Arc<Metrics>, gate: &Gate) -> Result<Self, Reason> {
        let mut addresses = vec![settings.service.url.as_str()];
        if let Auth::Token { url, .. } = &settings.auth {
            addresses.push(url);
        }
        let http = HttpClient::trusted(gate, &addresses, settings.timeout())?;
        let places = Semaphore::new(settings.concurrency.max(1) as usize);
        Ok(Self { settings, http, places, token: Mutex::new(None), metrics })
    }

    /// Splits SKUs into requests.
    pub(super) fn requests<'s>(&self, skus: &'s [String]) -> impl Iterator<Item = &'s [String]> {
        skus.chunks(match self.settings.service.kind {
            ServiceType::Single => 1,
            ServiceType::Multiple => MOST_SKUS,
        })
    }

    /// A slot for a request. It waits no longer than for an answer.
    pub(super) async fn place(&self) -> Result<SemaphorePermit<'_>, Reason> {
        match tokio::time::timeout(self.settings.timeout(), self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err("too many requests wait for it".to_owned()),
        }
    }

    /// Sends one request for some SKUs.
    pub(super) async fn ask(&self, skus: &[String]) -> Result<Answer, Reason> {
        let started = Instant::now();
        let answer = self.ask_as_known(skus).await;
        self.metrics.inventory_request(answer.is_ok(), started.elapsed());
        answer
    }

    /// Sends a request. If the token is refused, logs in and sends it once more.
    async fn ask_as_known(&self, skus: &[String]) -> Result<Answer, Reason> {
        let token = self.token(None).await?;
        let mut response = self.get(skus, token.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && token.is_some() {
            let token = self.token(token).await?;
            response = self.get(skus, token.as_ref()).await?;
        }
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        answer::read(&body(response).await?, skus)
    }

    async fn get(&self, skus: &[String], token: Option<&Secret>) -> Result<Response, Reason> {
        let service = &self.settings.service;
        let mut url: Url = service.url.parse().map_err(|error| format!("its url is none: {error}"))?;
        url.query_pairs_mut().extend_pairs(skus.iter().map(|sku| (service.sku_parameter.as_str(), sku.as_str())));
        let request = self.http.request(Method::GET, url)?.header(header::ACCEPT, "application/json");
        send(match (&self.settings.auth, token) {
            (Auth::BasicAuth { username, password }, _) => request.basic_auth(username, Some(password.get()?.reveal())),
            (Auth::Token { header_format, .. }, Some(token)) => {
                request.header(header::AUTHORIZATION, header_format.replace("{}", token.reveal()))
            }
            _ => request,
        })
        .await
    }

    /// The token to use. `refused` is one that the service refused: it is replaced. One login serves all waiting
    /// requests.
    async fn token(&self, refused: Option<Secret>) -> Result<Option<Secret>, Reason> {
        let Auth::Token { url, username, password, token_key, .. } = &self.settings.auth else { return Ok(None) };
        let mut known = self.token.lock().await;
        if known.is_some() && *known != refused {
            return Ok(known.clone());
        }
        *known = None;
        let token = self.log_in(url, username, password, token_key).await?;
        *known = Some(token.clone());
        Ok(Some(token))
    }

    async fn log_in(&self, url: &str, username: &str, password: &Password, token_key: &str) -> Result<Secret, Reason> {
        let credentials = json!({ "username": username, "password": password.get()?.reveal() });
        let url = url.parse().map_err(|error| format!("the address of its login is none: {error}"))?;
        let response = send(self.http.request(Method::POST, url)?.json(&credentials)).await?;
        if !response.status().is_success() {
            return Err(format!("its login answered {}", response.status()));
        }
        let answer: Value = serde_json::from_slice(&body(response).await?)
            .map_err(|error| format!("its login answered no JSON ({error})"))?;
        let token = answer.get(token_key).and_then(Value::as_str);
        token.map(Secret::from).ok_or_else(|| format!("its login's answer has no text as `{token_key}`"))
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Reason> {
    request.send().await.map_err(|error| outbound::no_answer(&error))
}

/// The whole answer, unless it is too long.
async fn body(response: Response) -> Result<Vec<u8>, Reason> {
    outbound::body(response, LONGEST_ANSWER).await
}

/// Pause after a failure of the service.
pub(super) const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
