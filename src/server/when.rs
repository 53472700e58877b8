//! A layer for some requests. The others pass it by, and cost nothing: commands are many, and few of them come from a
//! browser or ask for a compressed answer.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    response::Response,
};
use futures_util::{
    TryFutureExt as _,
    future::{Either, MapOk},
};
use tower::{Layer, Service, ServiceExt as _, util::Oneshot};

/// A layer, and which requests go through it.
pub(super) struct When<L> {
    layer: Option<Arc<L>>,
    wanted: fn(&Request) -> bool,
}

impl<L> When<L> {
    /// `layer`, for requests of which `wanted` is true; without a layer, for none.
    pub(super) fn new(wanted: fn(&Request) -> bool, layer: impl Into<Option<L>>) -> Self {
        Self { layer: layer.into().map(Arc::new), wanted }
    }
}

impl<L> Clone for When<L> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), wanted: self.wanted }
    }
}

impl<S, L> Layer<S> for When<L> {
    type Service = Chosen<S, L>;

    fn layer(&self, inner: S) -> Chosen<S, L> {
        Chosen { inner, when: self.clone() }
    }
}

/// A service, with the layer around it for the requests that are to go through it.
pub(super) struct Chosen<S, L> {
    inner: S,
    when: When<L>,
}

impl<S: Clone, L> Clone for Chosen<S, L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), when: self.when.clone() }
    }
}

/// An answer whose body the layer has wrapped.
type Wrapped<W, B> = MapOk<Oneshot<W, Request>, fn(http::Response<B>) -> Response>;

impl<S, L, W, B> Service<Request> for Chosen<S, L>
where
    S: Service<Request, Response = Response> + Clone,
    L: Layer<S, Service = W>,
    W: Service<Request, Response = http::Response<B>, Error = S::Error>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Wrapped<W, B>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match &self.when.layer {
            Some(layer) if (self.when.wanted)(&request) => {
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                let unwrap: fn(http::Response<B>) -> Response = |response| response.map(Body::new);
                Either::Right(layer.layer(ready).oneshot(request).map_ok(unwrap))
            }
            _ => Either::Left(self.inner.call(request)),
        }
    }
}
