//! A client connection that can end with a reset instead of an orderly close.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An orderly close (FIN).
    Close,
    /// A reset (RST).
    Reset,
}

/// How a connection will end; shared with the bodies on the connection.
#[derive(Debug, Default)]
pub struct Ending(AtomicBool);

impl Ending {
    pub fn set(&self, end: End) {
        self.0.store(end == End::Reset, Ordering::Relaxed);
    }

    pub fn get(&self) -> End {
        if self.0.load(Ordering::Relaxed) { End::Reset } else { End::Close }
    }
}

/// A connection that ends as its [`Ending`] specifies.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    ending: Arc<Ending>,
}

impl Connection {
    /// Wraps an accepted connection.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, ending: Arc::default() })
    }

    /// The shared [`Ending`] of this connection.
    pub fn ending(&self) -> Arc<Ending> {
        Arc::clone(&self.ending)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.ending.get() == End::Reset {
            // With a linger time of zero, closing the socket sends a reset. On a closed socket the call has no effect.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ending.get() {
            End::Close => Pin::new(&mut self.stream).poll_shutdown(cx),
            End::Reset => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
