//! The feed as a stream of server-sent events, and the rights with which it goes on.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Query;
use crate::{
    app::App,
    auth::Caller,
    error::{Error, Result},
    events::{Cursor, Following},
};

/// How often a waiting request looks whether its user may still see, besides at each change that this server hears of.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Events that a stream holds for a slow reader.
const HELD: usize = 32;

/// The rights with which a waiting request came in. When they change, it ends: its user comes again with the cursor, and
/// is asked for the token.
pub(super) struct Rights {
    pub headers: HeaderMap,
    pub caller: Arc<Caller>,
    /// New versions of the installation: every change of rights makes one.
    pub changes: watch::Receiver<i64>,
}

impl Rights {
    /// True if they are as they were.
    ///
    /// # Errors
    /// 401 if the token is no longer good.
    pub(super) async fn hold(&self, app: &App) -> Result<bool> {
        Ok(app.caller(&self.headers).await? == self.caller)
    }

    /// Returns when they have changed.
    pub(super) async fn end(&mut self, app: &App) {
        while !matches!(self.hold(app).await, Ok(false) | Err(Error::Refused(_))) {
            tokio::time::timeout(LOOK_AGAIN, self.changes.changed()).await.ok();
        }
    }
}

/// Sends events as they happen, until the reader or the server goes. A reader that does not read holds back nobody: what
/// waits for it is bounded.
pub(super) fn stream(app: App, query: Query, cursor: Cursor, mut rights: Rights, following: Following) -> Response {
    let (sender, events) = mpsc::channel::<sse::Event>(HELD);
    let gone = app.stop.clone();
    let revoked = CancellationToken::new();
    let end = revoked.clone();
    tokio::spawn(async move {
        tokio::select! {
            sent = send(&app, &query, cursor, &sender, &gone) => if let Err(error) = sent {
                tracing::warn!(%error, "a stream of events ends");
            },
            () = rights.end(&app) => end.cancel(),
        }
    });
    let stream = futures_util::stream::unfold((events, revoked, following), |(mut events, revoked, following)| async {
        // Also what was read before, and waits for a slow reader, is not told any more.
        let event = tokio::select! {
            biased;
            () = revoked.cancelled() => None,
            event = events.recv() => event,
        };
        Some((Ok::<_, Infallible>(event?), (events, revoked, following)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

async fn send(
    app: &App,
    query: &Query,
    mut cursor: Cursor,
    sender: &mpsc::Sender<sse::Event>,
    stop: &CancellationToken,
) -> Result<()> {
    let mut listener = app.event_notifier.subscribe();
    loop {
        let read = query.read_on(app, cursor).await?;
        cursor = read.next;
        for (n, event) in read.events.iter().enumerate() {
            let data = serde_json::to_string(event).map_err(|error| Error::Fault(format!("an event: {error}")))?;
            let mut line = sse::Event::default().event(event.event_type()).data(data);
            if n + 1 == read.events.len() {
                // Only the last that was read together: who comes again from there has read all before it.
                line = line.id(cursor.to_string());
            }
            if sender.send(line).await.is_err() {
                return Ok(());
            }
        }
        if read.is_all {
            tokio::select! {
                () = listener.wait() => {}
                () = stop.cancelled() => return Ok(()),
                () = sender.closed() => return Ok(()),
            }
        }
    }
}
