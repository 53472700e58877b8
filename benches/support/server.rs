//! The real server, as a process of its own.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

use super::{Postgres, machine};
use crate::Failure;

/// `oms serve`. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    pub address: SocketAddr,
    pub process_id: u32,
    child: Child,
}

impl Server {
    /// Starts it on a free port, with these variables, and waits until it answers.
    pub(crate) async fn start(postgres: &Postgres, url: &str, variables: &[(&str, &str)]) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = postgres.folder().join("server.log");
        let child = Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["serve", "--listen", &address.to_string()])
            .env("DATABASE_URL", url)
            .env("RUST_LOG", "info")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let process_id = child.id().ok_or("the server is gone")?;
        let mut server = Self { address, process_id, child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the server does not start: {}", said.trim()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// Stops it and returns the most memory it ever had, in bytes, where the system tells.
    pub(crate) async fn stop(mut self) -> Result<Option<u64>, Failure> {
        let memory = machine::peak_memory_bytes(self.process_id);
        // As an operator would: it finishes what is under way.
        Command::new("kill").arg(self.process_id.to_string()).status().await?;
        if tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(memory)
    }
}
