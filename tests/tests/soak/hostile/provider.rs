//! A hostile provider: it responds with the bytes and the size that a table has under the model's name.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The raw bytes of a response.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The headers without their final empty line, and the framing of the body.
    head: String,
    length: Length,
    /// Parts of the body, each with its number of repetitions.
    parts: Vec<(Bytes, usize)>,
    /// Whether the connection then stays open without data.
    stays: bool,
}

/// The framing of a body's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Declared,
    Chunked,
    /// The head states the framing.
    Untold,
}

impl Reply {
    fn of(media_type: &str, length: Length) -> Self {
        Self { head: format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n"), length, ..Self::default() }
    }

    /// A non-streamed response.
    pub fn json() -> Self {
        Self::of("application/json", Length::Declared)
    }

    /// A stream of events, in chunks.
    pub fn events() -> Self {
        Self::of("text/event-stream", Length::Chunked)
    }

    /// A stream of Amazon's frames, in chunks.
    pub fn frames() -> Self {
        Self::of("application/vnd.amazon.eventstream", Length::Chunked)
    }

    /// A raw head, and any body after it.
    pub fn raw(head: impl Into<String>) -> Self {
        Self { head: head.into(), length: Length::Untold, ..Self::default() }
    }

    /// Adds a header.
    pub fn header(mut self, line: impl AsRef<str>) -> Self {
        self.head += line.as_ref();
        self.head += "\r\n";
        self
    }

    /// Sends any body in chunks.
    pub fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// Appends a part.
    pub fn then(self, part: impl Into<Bytes>) -> Self {
        self.repeat(part, 1)
    }

    /// Appends a part this many times.
    pub fn repeat(mut self, part: impl Into<Bytes>, times: usize) -> Self {
        self.parts.push((part.into(), times));
        self
    }

    /// Appends enough of these items, separated by commas, for this many bytes.
    pub fn list(self, item: &str, bytes: usize) -> Self {
        // In parts of a fixed size, so that no part is large.
        const ITEMS: usize = 4096;
        let many = format!("{item},").repeat(ITEMS);
        let times = bytes / many.len();
        self.repeat(many, times).then(item.to_owned())
    }

    /// Keeps the connection open without an end.
    pub fn and_stays(mut self) -> Self {
        self.stays = true;
        self
    }

    async fn send(&self, stream: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let length: usize = self.parts.iter().map(|(part, times)| part.len() * times).sum();
        let end = match self.length {
            Length::Declared => format!("content-length: {length}\r\nconnection: close\r\n\r\n"),
            Length::Chunked => "transfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_owned(),
            Length::Untold => String::new(),
        };
        stream.write_all((self.head.clone() + &end).as_bytes()).await?;
        for (part, times) in &self.parts {
            let part = match self.length {
                Length::Chunked => chunk(part),
                Length::Declared | Length::Untold => part.clone(),
            };
            for _ in 0..*times {
                stream.write_all(&part).await?;
            }
        }
        if self.stays {
            std::future::pending::<()>().await;
        }
        if self.length == Length::Chunked {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        stream.shutdown().await
    }
}

fn chunk(part: &[u8]) -> Bytes {
    [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat().into()
}

/// Finds the response to a request from its head and the beginning of its body.
type Answers = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// A running provider; it ends when dropped.
#[derive(Debug)]
pub struct Provider {
    port: u16,
    server: JoinHandle<()>,
}

impl Provider {
    /// Starts a provider.
    pub async fn start(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        Self { port, server: tokio::spawn(serve(listener, Arc::new(answers))) }
    }

    /// The provider's URL, without a path.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, answers: Answers) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, Arc::clone(&answers)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Responds to one request, and closes the connection, unless the client disconnects first.
async fn converse(mut stream: TcpStream, answers: Answers) {
    let Some(asked) = hear(&mut stream).await else { return };
    let reply = answers(&asked);
    let (mut reading, mut writing) = stream.into_split();
    let send = async {
        // An error means that the client disconnected.
        let _ = reply.send(&mut writing).await;
        std::future::pending::<()>().await;
    };
    let mut nothing = [0; 1];
    tokio::select! {
        () = send => {}
        _ = reading.read(&mut nothing) => {}
    }
}

/// The number of inspected bytes at a request's beginning and at its end; the model's name is in either.
const LOOKED_AT: usize = 4 << 10;

/// Reads a whole request; returns the inspected bytes.
async fn hear(stream: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let end = loop {
        if stream.read_buf(&mut heard).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&heard[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let (mut arrived, mut beginning) = (heard.len() - end, Vec::new());
    loop {
        let is_over = match length {
            Some(length) => arrived >= length,
            None => !head.contains("transfer-encoding") || heard.ends_with(b"0\r\n\r\n"),
        };
        if is_over {
            beginning.append(&mut heard);
            return Some(String::from_utf8_lossy(&beginning).into_owned());
        }
        arrived += stream.read_buf(&mut heard).await.ok().filter(|more| *more > 0)?;
        if beginning.len() < LOOKED_AT {
            beginning.append(&mut heard);
        }
        heard.drain(..heard.len().saturating_sub(LOOKED_AT));
    }
}
