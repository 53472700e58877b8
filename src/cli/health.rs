//! `oms health`: the health check of a container without curl.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::outcome::Outcome;
use crate::error::{Error, Result};

/// Longest wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's address.
    #[arg(env = "OMS_LISTEN", default_value = "127.0.0.1:8000", value_name = "ADDR:PORT")]
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
    println!("{status}");
    if status.contains(" 200 ") {
        return Ok(Outcome::Done);
    }
    if let Some(why) = answer.split_once("\r\n\r\n").and_then(|(_, body)| reason(body)) {
        println!("{why}");
    }
    Ok(Outcome::Faults)
}

/// What the server says of itself.
fn reason(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let detail = body.get("status").or_else(|| body.pointer("/error/detail"))?;
    Some(crate::logging::one_line(detail.as_str()?).to_string())
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
