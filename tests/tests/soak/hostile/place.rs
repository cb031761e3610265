//! The access to a gateway under attack: a port, and, if it keeps its counters in Redis, a delayable connection to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A gateway's address.
#[derive(Debug, Clone)]
pub struct Place {
    pub port: u16,
    /// The connection to its Redis, if it has one.
    pub redis: Option<Arc<Detour>>,
}

/// A proxy to a server that can delay all requests.
#[derive(Debug)]
pub struct Detour {
    port: u16,
    delay: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Detour {
    /// Starts a proxy to a port of the loopback interface.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let here = listener.local_addr().expect("an address").port();
        let delay = Arc::default();
        let server = tokio::spawn(serve(listener, port, Arc::clone(&delay)));
        Self { port: here, delay, server }
    }

    /// The proxy's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on delays everything that is sent.
    pub fn delays(&self, by: Duration) {
        self.delay.store(by.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, port: u16, delay: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(lead(stream, port, Arc::clone(&delay)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Copies a connection's bytes in both directions until one side closes.
async fn lead(stream: TcpStream, port: u16, delay: Arc<AtomicU64>) -> std::io::Result<()> {
    let other = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    other.set_nodelay(true)?;
    let ((mut from, mut back), (mut answers, mut to)) = (stream.into_split(), other.into_split());
    let there = async {
        // A buffer for a whole request: without one, each 64 bytes would be delayed.
        let mut piece = Vec::with_capacity(64 << 10);
        while from.read_buf(&mut piece).await? > 0 {
            tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
            to.write_all(&piece).await?;
            piece.clear();
        }
        Ok(())
    };
    tokio::select! {
        ended = there => ended,
        ended = copy(&mut answers, &mut back) => ended.map(drop),
    }
}
