//! How refusals, faults, replies of commands, lists and files become HTTP responses.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use tokio_util::io::ReaderStream;

use crate::{
    cause,
    error::{Error, Refusal, Result},
    export::{self, Content},
    page::{Listed, Listing, Page},
};

/// Bytes of a file that are read from disk at a time.
const CHUNK: usize = 64 * 1024;

/// What stands under `error`, for the paths whose errors come without the envelope: see [`crate::server`].
#[derive(Debug, Clone)]
pub struct Bare(pub Value);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        cause::with_current(|cause| self.code().map_or((), |code| cause.is_refused(code)));
        let mut response = (self.status, Json(self.body())).into_response();
        response.extensions_mut().insert(Bare(self.error));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A fault on its way to the boundary, where the request's id is known: see [`crate::server`].
#[derive(Debug, Clone)]
pub struct Fault(pub Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            fault => {
                let mut response = status.into_response();
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                response.extensions_mut().insert(Fault(Arc::new(fault)));
                response
            }
        }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Page(page) => Json(page).into_response(),
            Self::File(file) => file.into_response(),
        }
    }
}

impl IntoResponse for export::File {
    fn into_response(self) -> Response {
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        let Ok(disposition) = HeaderValue::from_str(&disposition) else {
            return Error::Fault(format!("file name {disposition}")).into_response();
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::CONTENT_LENGTH, HeaderValue::from(self.length)),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        let body = match self.content {
            Content::InMemory(bytes) => Body::from(bytes.into_inner()),
            Content::OnDisk(file) => {
                Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK))
            }
        };
        (headers, body).into_response()
    }
}

impl<T: Serialize + Send + 'static> Listing<T> {
    /// The response: a page of JSON, or a file.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn respond(self) -> Result<Response> {
        Ok(self.finish().await?.into_response())
    }
}

impl Page {
    /// The response with a page of rows that are in memory already, or a file of them.
    ///
    /// # Errors
    /// 404 for a page beyond the last, 400 for a file that would be too long; when a file cannot be written.
    pub async fn respond_with<T: Serialize + Send + 'static>(&self, rows: Vec<T>) -> Result<Response> {
        Ok(self.of(rows).await?.into_response())
    }
}
