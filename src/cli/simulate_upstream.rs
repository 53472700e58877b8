//! `oms simulate-upstream`: a stand-in for the upstream, to try the whole cycle.

use std::{net::SocketAddr, path::PathBuf};

use tokio::net::TcpListener;

use super::{
    demo,
    outcome::{Outcome, read_file},
    serve::stop_on_signal,
    terminal::say,
};
use crate::{
    config::values,
    error::{Error, Result},
    outbound::web_address,
    secret::Secret,
    simulator::{Settings, Simulator, Target},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8100", value_name = "ADDR:PORT", value_parser = values::listen_address)]
    listen: SocketAddr,

    /// Orders as JSON lines [default: the demo's, a day of real ones].
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,

    /// Orders that arrive a minute [default: all are there from the beginning].
    #[arg(long, value_name = "N", value_parser = values::pace)]
    orders_per_minute: Option<f64>,

    /// Who may log in.
    #[arg(long, default_value = "oms", value_name = "NAME")]
    username: String,

    /// And with what password.
    #[arg(long, default_value = "oms", value_name = "PASSWORD")]
    password: Secret,

    /// A token that is good from the beginning.
    #[arg(long, default_value = "upstream-token", value_name = "TOKEN")]
    token: Secret,

    /// Push each order that arrives to this address as well (…/api/v1/oms/orders-webhook/).
    #[arg(long, value_name = "URL", value_parser = web_address)]
    push_to: Option<String>,

    /// The token sent along when pushing.
    #[arg(long, value_name = "TOKEN", requires = "push_to")]
    push_token: Option<Secret>,

    /// The secret that what is pushed is signed with.
    #[arg(long, value_name = "SECRET", requires = "push_to")]
    push_secret: Option<Secret>,
}

pub(super) async fn run(args: Args) -> Result<Outcome> {
    let stop = stop_on_signal()?;
    let orders = match &args.orders {
        Some(file) => demo::orders(&read_file(file)?)?,
        None => demo::orders(demo::ORDERS)?,
    };
    let count = orders.len();
    let simulator = Simulator::new(Settings {
        orders,
        orders_per_minute: args.orders_per_minute,
        begins: now(),
        username: args.username.clone(),
        password: args.password.clone(),
        token: args.token.clone(),
        push_to: args.push_to.map(|url| Target { url, token: args.push_token, secret: args.push_secret }),
    })?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Error::Fault(format!("cannot listen on {}: {error}; choose another address with --listen", args.listen))
    })?;
    let address = listener.local_addr().map_err(|error| Error::Fault(error.to_string()))?;
    say!(
        "a simulated upstream with {count} orders on http://{address}

# an order management server that takes its orders
OMS_UPSTREAM_URL=http://{address} OMS_UPSTREAM_USERNAME={} OMS_UPSTREAM_PASSWORD={} oms serve

# the same, and commands may ask it for invoices: remote_invoice_call with remote_url http://{address}/invoice/
OMS_INVOICE_URLS=http://{address} OMS_INVOICE_ALLOW_PRIVATE={ip} OMS_UPSTREAM_URL=…

# what it was told
curl -s http://{address}/_received/

# let the next three requests fail
curl -s -d '{{\"fail\": 3}}' http://{address}/_control/

Ctrl-C stops it; it remembers nothing.",
        args.username,
        args.password.reveal(),
        ip = address.ip()
    );
    simulator.serve(listener, stop).await?;
    Ok(Outcome::Done)
}

/// The start of the simulated upstream's clock: later than all its dates before a restart.
#[expect(clippy::disallowed_methods, reason = "the simulated upstream is another machine: its dates are its own")]
pub(super) fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
