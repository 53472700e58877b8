//! `oms serve`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{data::Data, install, outcome::Outcome};
use crate::{
    api::upstream::PUSHED_TO,
    app::App,
    config::{DataSettings, ServerSettings},
    error::{Error, Result},
    installation, server,
    tasks::Tasks,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerSettings,

    /// Installation files to apply if none has been applied yet; the variable separates them by colons.
    #[arg(long, env = "OMS_INSTALL", value_name = "FILE", num_args = 1.., value_delimiter = ':')]
    install: Vec<PathBuf>,

    /// Do not migrate: end if the schema is not current. For a role that may not change it; `oms migrate` is then run by
    /// another.
    #[arg(long, env = "OMS_NO_MIGRATE")]
    no_migrate: bool,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let stop = stop_on_signal()?;
    // The address first: a port in use should be reported before Postgres is started.
    let listeners = bind(&args.server).await?;
    let Some(data) = unless_stopped(&stop, Data::open_for_server(settings, !args.no_migrate)).await? else {
        return Ok(Outcome::Done);
    };
    let served = serve(settings, &data, &args, listeners, stop.clone()).await;
    // Where the start failed, what was just beginning ends: the reason is the last that is said.
    stop.cancel();
    let closed = data.close().await;
    served.and(closed).map(|()| Outcome::Done)
}

async fn serve(
    settings: &DataSettings,
    data: &Data,
    args: &Args,
    listeners: Listeners,
    stop: CancellationToken,
) -> Result<()> {
    if !installation::apply::is_applied(&data.pool).await? {
        if args.install.is_empty() {
            tracing::warn!("no installation has been applied yet; run: oms install FILE…");
        } else {
            install::apply_files(&data.pool, &args.install).await?;
            tracing::info!("applied the installation");
        }
    }
    let address = listeners.address()?;
    let app = App::start(data.pool.clone(), args.server.for_app(address, settings), &stop).await?;
    let pool = data.pool.clone();
    app.tasks.once(async move {
        // What an `oms install` that was interrupted has left to do.
        if let Err(error) = installation::apply::settle(&pool).await {
            tracing::warn!(%error, "the quota ledger is not complete yet; oms install completes it");
        }
    });
    warn_of_unsigned_pushes(&app);
    tracing::info!(%address, "serving");
    listeners.serve(app, args.server.for_serving(), stop).await;
    Ok(())
}

/// Warns where a token alone is enough to push what the upstream should sign.
fn warn_of_unsigned_pushes(app: &App) {
    if app.upstream.webhook_secret.is_none() {
        tracing::warn!(
            addresses = PUSHED_TO.join(" "),
            "what is pushed to these addresses is taken without a signature, from whoever has a token of an integrator; set \
             OMS_UPSTREAM_WEBHOOK_SECRET"
        );
    }
}

/// Where a server listens.
pub(super) struct Listeners {
    api: TcpListener,
    /// For `/metrics` alone.
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// The address of the API.
    pub(super) fn address(&self) -> Result<SocketAddr> {
        self.api.local_addr().map_err(|error| Error::Fault(format!("listening: {error}")))
    }

    /// Serves until `stop`.
    pub(super) async fn serve(self, app: App, settings: server::Settings, stop: CancellationToken) {
        if let Some(listener) = self.metrics {
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "serving metrics");
            }
            let (listener, shown, stopped) = (Arc::new(listener), app.clone(), stop.clone());
            let settings = settings.clone();
            app.tasks.keep("metrics at their address", &stop, move || {
                server::serve_metrics(Arc::clone(&listener), shown.clone(), settings.clone(), stopped.clone())
            });
        }
        server::serve(self.api, app, settings, stop).await;
    }
}

/// Listens on the addresses of the settings.
pub(super) async fn bind(settings: &ServerSettings) -> Result<Listeners> {
    let listen = async |address: SocketAddr, names: &str| {
        TcpListener::bind(address).await.map_err(|error| {
            Error::Fault(format!("cannot listen on {address}: {error}; choose another address with {names}"))
        })
    };
    let api = listen(settings.listen, "--listen or OMS_LISTEN").await?;
    let metrics = match settings.metrics_listen {
        Some(address) => Some(listen(address, "--metrics-listen or OMS_METRICS_LISTEN").await?),
        None => None,
    };
    Ok(Listeners { api, metrics })
}

/// Runs work that Ctrl-C may interrupt; then the result is none.
pub(super) async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        done = work => done.map(Some),
    }
}

/// Cancelled by Ctrl-C or SIGTERM. A second signal ends the process at once.
pub(super) fn stop_on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Error::Fault(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    #[expect(clippy::exit, reason = "a second signal means now")]
    Tasks::default().once(async move {
        for code in [None, Some(130)] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match code {
                None => {
                    tracing::info!("stopping; requests under way are finished first");
                    stopping.cancel();
                }
                Some(code) => std::process::exit(code),
            }
        }
    });
    Ok(stop)
}
