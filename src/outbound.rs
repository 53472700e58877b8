//! Our own HTTP requests: their limits, and the texts of their failures.

use std::time::Duration;

use reqwest::{ClientBuilder, Response, Url};

/// The reason of a failure, for the log. It has no password and no address.
pub type Reason = String;

/// Chooses the process' provider of cryptography, before any client is made. A second call changes nothing.
pub fn choose_cryptography() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A builder for clients: no redirects, a timeout, and no proxy for addresses of this machine.
pub fn client_for(url: &str, timeout: Duration) -> ClientBuilder {
    choose_cryptography();
    let builder = reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("oms/", env!("CARGO_PKG_VERSION")));
    let is_here =
        url.parse::<Url>().is_ok_and(|url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")));
    if is_here { builder.no_proxy() } else { builder }
}

/// The whole answer, if it is no longer than the limit.
///
/// # Errors
/// When it is longer, or breaks off.
pub async fn body(mut response: Response, longest: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        if bytes.len() + chunk.len() > longest {
            return Err(format!("its answer is longer than {longest} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The reason why there is no answer.
#[must_use]
pub fn no_answer(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    format!("it did not answer: {}", with_causes(error))
}

/// An error with its causes, without the URL.
#[must_use]
pub fn with_causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let separator = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{separator}{error}");
        cause = error.source();
    }
    if text.is_empty() { "no cause is known".to_owned() } else { text }
}
