//! `oms health`: the health check of a container without curl.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{outcome::Outcome, terminal::say};
use crate::{
    config::values,
    error::{Error, Result},
    logging::one_line,
};

/// Longest wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's address.
    #[arg(env = "OMS_LISTEN", default_value = "127.0.0.1:8000", value_name = "ADDR:PORT",
          value_parser = values::listen_address)]
    address: SocketAddr,
}

pub(super) async fn run(args: &Args) -> Result<Outcome> {
    let mut address = args.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let answer = tokio::time::timeout(TIMEOUT, ask(address))
        .await
        .map_err(|_| Error::Fault(format!("{address} did not answer within {} s", TIMEOUT.as_secs())))?
        .map_err(|error| Error::Fault(format!("cannot ask {address}: {error}; is the server running?")))?;
    let status = answer.lines().next().unwrap_or_default();
    say!("{status}");
    if let Some(told) = answer.split_once("\r\n\r\n").and_then(|(_, body)| told(body)).filter(|told| told != "ready") {
        say!("{told}");
    }
    Ok(if status.contains(" 200 ") { Outcome::Done } else { Outcome::Faults })
}

/// What the server says of itself.
fn told(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let detail = body.get("status").or_else(|| body.pointer("/error/detail"))?;
    Some(one_line(detail.as_str()?).into_owned())
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
