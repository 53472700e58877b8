//! A receiver that answers at once, on a thread of its own.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
};

use crate::Failure;

/// What arrived.
#[derive(Debug, Default)]
struct Arrived {
    /// The package's id and when, in order.
    packages: Vec<(u64, Instant)>,
    /// Whatever comes twice is counted once here.
    uuids: HashSet<String>,
    bytes: u64,
}

/// See the module. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
    news: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (arrived, news): (Arc<Mutex<Arrived>>, Arc<Notify>) = Default::default();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn({
            let (arrived, news) = (Arc::clone(&arrived), Arc::clone(&news));
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        result = accept(listener, &arrived, &news) => {
                            if let Err(error) = result {
                                eprintln!("the receiver: {error}");
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, arrived, news, stop: Some(stop), thread: Some(thread) })
    }

    /// How many deliveries arrived, repeats included, and how many of them were different.
    pub(crate) fn count(&self) -> (u64, u64) {
        let arrived = self.lock();
        (arrived.packages.len() as u64, arrived.uuids.len() as u64)
    }

    /// Bytes of bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// When a package's first delivery behind the first `seen` arrives; none if it takes longer than ten seconds.
    pub(crate) async fn wait_for(&self, package: u64, seen: usize) -> Option<Instant> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let news = self.news.notified();
            let at = self.lock().packages[seen..].iter().find(|(id, _)| *id == package).map(|(_, at)| *at);
            if at.is_some() || Instant::now() > deadline {
                return at;
            }
            tokio::time::timeout(Duration::from_millis(100), news).await.ok();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    arrived: &Arc<Mutex<Arrived>>,
    news: &Arc<Notify>,
) -> Result<(), Failure> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, Arc::clone(arrived), Arc::clone(news)));
    }
}

/// One connection, until the other side closes it.
async fn serve(mut stream: TcpStream, arrived: Arc<Mutex<Arrived>>, news: Arc<Notify>) {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let length = loop {
            if let Some(length) = whole(&buffer) {
                break length;
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let at = Instant::now();
        let text = String::from_utf8_lossy(&buffer[..length]);
        let after = |key: &str| text.split_once(key).map_or("", |(_, rest)| rest);
        let package = after("\"payload\": {\"id\": ").split(',').next().and_then(|id| id.parse().ok());
        let uuid = after("\"uuid\": \"").split('"').next().unwrap_or_default().to_owned();
        {
            let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.packages.push((package.unwrap_or_default(), at));
            arrived.uuids.insert(uuid);
            arrived.bytes += length as u64;
        }
        news.notify_waiters();
        buffer.drain(..length);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// The length of the request at the front of the buffer, once it is whole.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (buffer.len() >= head + 4 + body).then_some(head + 4 + body)
}
