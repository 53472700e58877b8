//! A proxy in front of Postgres that can fail in the ways of a network.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It reaches Postgres.
    Through,
    /// It is open, and nothing comes.
    Silent,
    /// It is closed at once.
    Cut,
    /// Whatever is sent, the answer is a zero byte, as of a proxy between two primaries.
    Garbage,
}

/// A proxy on a port of its own. What is [`set`](Self::set) holds for connections that are open as well, but for those that
/// [`silence`](Self::silence) left behind.
pub struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    /// Connections opened before the last of these numbers are silent for ever.
    silenced: watch::Sender<usize>,
    /// And before the last of these closed.
    cut: watch::Sender<usize>,
}

impl Proxy {
    /// Begins to listen, in front of the Postgres with this socket.
    pub async fn start(socket: &std::path::Path) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Arc::new(Self {
            port,
            way: watch::Sender::new(Way::Through),
            silenced: watch::Sender::new(0),
            cut: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, socket.join(".s.PGSQL.5432"), Arc::clone(&proxy)));
        proxy
    }

    /// Its port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What becomes of all connections from now on.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Connections that are open are silent for ever; new ones work.
    pub fn silence(&self) {
        self.silenced.send_modify(|number| *number += 1);
    }

    /// Connections that are open are closed; new ones work.
    pub fn cut(&self) {
        self.cut.send_modify(|number| *number += 1);
    }
}

async fn accept(listener: TcpListener, socket: std::path::PathBuf, proxy: Arc<Proxy>) {
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        client.set_nodelay(true).expect("a socket");
        tokio::spawn(carry(client, socket.clone(), Arc::clone(&proxy)));
    }
}

/// Carries one connection as long as its way is what it was at first.
async fn carry(mut client: TcpStream, socket: std::path::PathBuf, proxy: Arc<Proxy>) {
    let (mut way, mut silenced, mut cut) = (proxy.way.subscribe(), proxy.silenced.subscribe(), proxy.cut.subscribe());
    let (first, number, cut_number) =
        (*way.borrow_and_update(), *silenced.borrow_and_update(), *cut.borrow_and_update());
    let carried = async {
        match first {
            Way::Through => {
                let mut server = UnixStream::connect(&socket).await.expect("Postgres answers");
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            }
            Way::Silent => std::future::pending().await,
            Way::Cut => {}
            Way::Garbage => {
                let mut asked = [0; 8];
                while client.read(&mut asked).await.is_ok_and(|count| count > 0) {
                    client.write_all(&[0]).await.ok();
                }
            }
        }
    };
    let is_silent = tokio::select! {
        () = carried => return,
        _ = silenced.wait_for(|now| *now > number) => true,
        _ = cut.wait_for(|now| *now > cut_number) => false,
        now = way.wait_for(|now| *now != first) => now.is_ok_and(|now| *now == Way::Silent),
    };
    if is_silent {
        // Until the client gives up.
        let mut unread = [0; 1024];
        while client.read(&mut unread).await.is_ok_and(|count| count > 0) {}
    }
}
