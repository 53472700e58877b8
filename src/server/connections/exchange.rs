//! How far the request of a connection has come: whose turn it is.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

/// The requests of a connection, one after the other.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    begun: AtomicUsize,
    /// There is a request whose answer is not all sent.
    is_open: AtomicBool,
    /// Its body is not all there.
    is_arriving: AtomicBool,
}

impl Exchange {
    /// A request has come, with or without all of its body.
    pub(super) fn begin(self: &Arc<Self>, request: Request<Incoming>) -> Request {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.is_open.store(true, Ordering::Relaxed);
        self.is_arriving.store(!request.body().is_end_stream(), Ordering::Relaxed);
        request
            .map(|body| Body::new(Watched { body, at_end: AtEnd(Arc::clone(self), |exchange| &exchange.is_arriving) }))
    }

    /// The answer is ready to be sent.
    pub(super) fn answered(self: Arc<Self>, answer: Response) -> Response {
        answer.map(|body| Body::new(Watched { body, at_end: AtEnd(self, |exchange| &exchange.is_open) }))
    }

    /// True if a request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    /// True if nothing is to be done before the client sends more.
    pub(super) fn waits_for_client(&self) -> bool {
        !self.is_open.load(Ordering::Relaxed) || self.is_arriving.load(Ordering::Relaxed)
    }
}

/// A body. When it is read to its end, or dropped, something of the exchange is over.
struct Watched<B> {
    body: B,
    at_end: AtEnd,
}

struct AtEnd(Arc<Exchange>, fn(&Exchange) -> &AtomicBool);

impl AtEnd {
    fn reached(&self) {
        (self.1)(&self.0).store(false, Ordering::Relaxed);
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.reached();
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.at_end.reached();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
