//! A load balancer that loses connections from its table. It forwards bytes. After [`Balancer::forget`] the balancer
//! resets a known connection only when the client sends on it; new connections work.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A balancer before a server on the loopback interface; dropping it stops it.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of connections accepted before the last [`Balancer::forget`]; those are lost.
    forgotten: AtomicUsize,
    known: AtomicUsize,
    reset: AtomicUsize,
}

impl Balancer {
    /// Starts a balancer before the server at this port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the address of a listener").port();
        let state = Arc::<State>::default();
        let task = tokio::spawn(serve(listener, server, state.clone()));
        Self { port, state, task }
    }

    /// The base URL of the provider behind the balancer.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Loses all current connections and returns their number.
    #[must_use]
    pub fn forget(&self) -> usize {
        let known = self.state.known.load(Ordering::SeqCst);
        known - self.state.forgotten.swap(known, Ordering::SeqCst)
    }

    /// The number of connections that the balancer has reset.
    #[must_use]
    pub fn reset(&self) -> usize {
        self.state.reset.load(Ordering::SeqCst)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: u16, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let number = state.known.fetch_add(1, Ordering::SeqCst);
                connections.spawn(pass(client, server, number, state.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards bytes until one side ends, or until the client sends on a lost connection.
async fn pass(mut client: TcpStream, server: u16, number: usize, state: Arc<State>) -> Option<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.ok()?;
    let (mut asked, mut answered) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = asked.get(..read.ok()?).filter(|bytes| !bytes.is_empty())?;
                if number < state.forgotten.load(Ordering::SeqCst) {
                    state.reset.fetch_add(1, Ordering::SeqCst);
                    // With a linger time of zero, closing the socket sends a reset.
                    return client.set_zero_linger().ok();
                }
                server.write_all(bytes).await.ok()?;
            }
            read = server.read(&mut answered) => {
                let bytes = answered.get(..read.ok()?).filter(|bytes| !bytes.is_empty())?;
                client.write_all(bytes).await.ok()?;
            }
        }
    }
}
