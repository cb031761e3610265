//! A client's connection that can be ended the hard way: by a reset instead of an orderly close.

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
    /// In order (FIN).
    Close,
    /// At once (RST).
    Reset,
}

/// How a connection will end; shared with the bodies that travel on it.
#[derive(Debug, Default)]
pub struct Ending(AtomicBool);

impl Ending {
    /// Decides it.
    pub fn set(&self, end: End) {
        self.0.store(end == End::Reset, Ordering::Relaxed);
    }

    /// What was decided.
    pub fn get(&self) -> End {
        if self.0.load(Ordering::Relaxed) { End::Reset } else { End::Close }
    }
}

/// A connection that ends as its [`Ending`] says.
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

    /// What decides its end.
    pub fn ending(&self) -> Arc<Ending> {
        Arc::clone(&self.ending)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.ending.get() == End::Reset {
            // Without a time to linger, closing is a reset. On a socket that is gone already it changes nothing.
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
