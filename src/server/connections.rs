//! Connections: how many there may be, and how long each may be silent.
//!
//! A connection that sends no whole request, one that is idle, and one that does not read its answer hold a file
//! descriptor, and a process has few of them. So each of these has a deadline, and the number of connections has a limit
//! in all and for each peer. One too many is answered with 503 and closed.

mod exchange;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use exchange::Exchange;

/// File descriptors for all that is no connection of a client (Postgres, webhooks, files, logs): so many, or half of them.
const OTHER_DESCRIPTORS: u64 = 256;
/// Most descriptors that are asked of the system.
const MOST_DESCRIPTORS: u64 = 65_536;
/// How long the rest of a request may take once the server stops.
const HALF_SENT: Duration = Duration::from_secs(2);
/// Bytes of the line and the headers of a request.
const LONGEST_HEAD: usize = 64 * 1024;
/// Pause after a connection that could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How often it is said that none can be.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);
/// Connections that are being told that there are too many. More are closed without a word.
const REFUSED_AT_ONCE: usize = 64;
/// How long a refused connection may take to hear it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The answer to a connection that is one too many.
const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
                       connection: close\r\ncontent-length: 91\r\n\r\n\
                       {\"error\":{\"detail\":\"There are too many connections. Try again shortly.\"},\
                       \"status_code\":503}";

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections.
    pub connections: usize,
    /// Most connections of one address.
    pub connections_per_peer: usize,
    /// How long a new connection has for its first request's headers.
    pub first_request: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How long a client may not read while there is something to send.
    pub unread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_peer: 1024,
            first_request: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            unread: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// The limits that this process can keep: as many file descriptors as the system gives are made available, and
    /// there are fewer connections where it gives fewer.
    #[must_use]
    pub fn within_descriptors(mut self) -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let most = maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
        let mut available = current.unwrap_or(MOST_DESCRIPTORS);
        if available < most && setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).is_ok() {
            available = most;
        }
        let room = (available - OTHER_DESCRIPTORS.min(available / 2)).max(1);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if room < self.connections {
            tracing::warn!(
                descriptors = available,
                connections = room,
                "the system gives few file descriptors, so there are fewer connections; give more: ulimit -n, or LimitNOFILE"
            );
            self.connections = room;
            // So that one address cannot take them all.
            self.connections_per_peer = self.connections_per_peer.min(room.div_ceil(2));
        }
        self
    }
}

/// Counts connections.
struct Counts {
    all: Arc<Semaphore>,
    by_peer: Mutex<HashMap<IpAddr, usize>>,
    per_peer: usize,
}

/// A connection that is counted, until this is dropped.
struct Counted {
    counts: Arc<Counts>,
    peer: IpAddr,
    _place: OwnedSemaphorePermit,
}

impl Counts {
    /// Counts a connection; none if it is one too many.
    fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Counted> {
        let place = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_peer.entry(peer).or_insert(0);
        if *count >= self.per_peer {
            return None;
        }
        *count += 1;
        Some(Counted { counts: Arc::clone(self), peer, _place: place })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_peer = self.counts.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(&self.peer);
            }
        }
    }
}

/// Serves connections until `stop`; then ends when the requests under way have. A request that is not all there soon after
/// is not waited for.
pub(super) async fn serve(listener: Arc<TcpListener>, router: Router, limits: Limits, stop: &CancellationToken) {
    let counts = Arc::new(Counts {
        all: Arc::new(Semaphore::new(limits.connections)),
        by_peer: Mutex::default(),
        per_peer: limits.connections_per_peer,
    });
    let refusing = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    let graceful = GracefulShutdown::new();
    let mut complaint = Complaint::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                complaint.hear(&error, Instant::now());
                // A client that left at once, or no descriptor: those of others become free.
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        match counts.admit(address.ip().to_canonical()) {
            Some(counted) => {
                let connection = connection(stream, address, router.clone(), limits, graceful.watcher(), stop.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(counted);
                });
            }
            None => {
                if let Ok(place) = Arc::clone(&refusing).try_acquire_owned() {
                    tokio::spawn(async move {
                        tokio::time::timeout(LAST_WORDS, refuse(stream)).await.ok();
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Connections that could not be accepted: said at once, and then once a minute for as long as it goes on.
#[derive(Debug, Default)]
struct Complaint {
    said: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    fn hear(&mut self, error: &io::Error, now: Instant) {
        if self.said.is_some_and(|said| now.duration_since(said) < COMPLAIN_EVERY) {
            self.unsaid += 1;
            return;
        }
        let more = std::mem::take(&mut self.unsaid);
        self.said = Some(now);
        tracing::warn!(%error, more, "cannot accept a connection; this is said once a minute");
    }
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    watcher: Watcher,
    stop: CancellationToken,
) {
    // Answers are small and written at once; waiting for a full packet would delay them.
    stream.set_nodelay(true).ok();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.unread));
    let exchange = Arc::new(Exchange::default());
    let ours = Arc::clone(&exchange);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = ours.begin(request);
        request.extensions_mut().insert(ConnectInfo(address));
        let (answer, exchange) = (router.clone().oneshot(request), Arc::clone(&ours));
        async move { answer.await.map(|answer| exchange.answered(answer)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let served = watcher.watch(served);
    let no_first_request = async {
        tokio::time::sleep(limits.first_request).await;
        if exchange.has_begun() {
            std::future::pending::<()>().await;
        }
    };
    let half_sent = async {
        stop.cancelled().await;
        loop {
            tokio::time::sleep(HALF_SENT).await;
            if exchange.waits_for_client() {
                return;
            }
        }
    };
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::debug!(peer = %address, %error, "a connection broke");
            }
        }
        () = no_first_request => tracing::debug!(peer = %address, "no request came"),
        () = half_sent => tracing::debug!(peer = %address, "stopping: half a request is not waited for"),
    }
}

/// Answers a connection that is one too many, and closes it so that the answer arrives.
async fn refuse(mut stream: TcpStream) {
    if stream.write_all(REFUSAL.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // Closing with unread bytes would cut the answer off.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_says_its_length() {
        let (head, body) = REFUSAL.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
