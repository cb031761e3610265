//! A load balancer that forgets: it passes bytes on, and of a connection that it has forgotten it says so only to who sends something on
//! it, by a reset. New connections are fine.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// One before a server on the loopback interface; it ends when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections that are known: those accepted since it forgot, and no earlier ones.
    forgotten: AtomicUsize,
    known: AtomicUsize,
    reset: AtomicUsize,
}

impl Balancer {
    /// Before the server at this port.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the address of a listener").port();
        let state = Arc::<State>::default();
        let task = tokio::spawn(serve(listener, server, state.clone()));
        Self { port, state, task }
    }

    /// The base URL of the provider behind it.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Forgets all connections that there are; how many.
    #[must_use]
    pub fn forget(&self) -> usize {
        let known = self.state.known.load(Ordering::SeqCst);
        known - self.state.forgotten.swap(known, Ordering::SeqCst)
    }

    /// How many connections were reset by now.
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

/// Passes bytes on until one side ends, or it was forgotten and the client sends something.
async fn pass(mut client: TcpStream, server: u16, number: usize, state: Arc<State>) -> Option<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.ok()?;
    let (mut asked, mut answered) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = asked.get(..read.ok()?).filter(|bytes| !bytes.is_empty())?;
                if number < state.forgotten.load(Ordering::SeqCst) {
                    state.reset.fetch_add(1, Ordering::SeqCst);
                    // Without a time to linger, closing is a reset.
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
