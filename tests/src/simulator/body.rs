//! The response body. It carries out a delivery step by step, and detects a client that has disconnected.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::sleep;

use super::connection::{End, Ending};
use super::control::Gate;
use super::delivery::{Delivery, Step};
use super::fixed::FixedStream;
use super::record::Answering;

pub enum Outgoing {
    /// One prepared chunk.
    Fixed(Option<Bytes>),
    /// A prepared stream.
    FixedStream(FixedStream),
    /// A sequence of steps.
    Steps(Steps),
}

/// The error that ends the connection before the end of the body.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on demand")
    }
}

impl std::error::Error for Broken {}

/// The shared state of a body, besides its steps.
pub struct Outlet {
    /// How the connection will end.
    pub ending: Arc<Ending>,
    /// Records the answer's progress.
    pub answering: Answering,
    /// The gate at which a stream pauses.
    pub gate: Gate,
}

/// The remaining steps.
pub struct Steps {
    left: VecDeque<Step>,
    length: Option<u64>,
    outlet: Outlet,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    written: bool,
    sent: usize,
    marks: VecDeque<(usize, u64)>,
}

impl Steps {
    /// A body for this delivery; without a length the body is chunked.
    pub fn new(delivery: Delivery, outlet: Outlet) -> Self {
        let Delivery { length, steps: left, marks, .. } = delivery;
        // Unless the first step writes bytes, the headers must be flushed first.
        let written = !matches!(left.front(), Some(Step::Write(_)));
        let mut steps = Self { left, length, outlet, wait: None, written, sent: 0, marks };
        steps.note_end();
        steps
    }

    fn note_end(&mut self) {
        if self.left.is_empty() {
            self.outlet.answering.complete();
        }
    }

    fn note_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        let mut tokens = None;
        while let Some((_, brought)) = self.marks.pop_front_if(|(at, _)| *at <= self.sent) {
            tokens = Some(brought);
        }
        if let Some(tokens) = tokens {
            self.outlet.answering.said(tokens);
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            if std::mem::take(&mut self.written) {
                // `Pending` makes hyper flush, so that the next piece is a separate write, and a fault comes after all
                // earlier bytes.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.left.pop_front() {
                None => {
                    self.note_end();
                    return Poll::Ready(None);
                }
                Some(Step::Wait(time)) => self.wait = Some(Box::pin(sleep(time))),
                Some(Step::Pause) => {
                    let gate = self.outlet.gate.clone();
                    self.wait = Some(Box::pin(async move { gate.passed().await }));
                }
                Some(Step::Write(bytes)) if bytes.is_empty() => self.note_end(),
                Some(Step::Write(bytes)) => {
                    self.written = true;
                    self.note_sent(bytes.len());
                    self.note_end();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Step::Repeat(_, 0)) => self.note_end(),
                Some(Step::Repeat(bytes, left)) => {
                    self.left.push_front(Step::Repeat(bytes.clone(), left - 1));
                    self.written = true;
                    self.note_sent(bytes.len());
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Step::Reset) => {
                    self.outlet.answering.broken_off();
                    self.outlet.ending.set(End::Reset);
                    return Poll::Ready(Some(Err(Broken)));
                }
                Some(Step::Close) => {
                    self.outlet.answering.broken_off();
                    return Poll::Ready(Some(Err(Broken)));
                }
                Some(Step::Stall) => {
                    self.left.push_front(Step::Stall);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = match self.get_mut() {
            Self::Fixed(bytes) => bytes.take().map(Ok),
            Self::FixedStream(stream) => ready!(stream.poll_next(cx)).map(Ok),
            Self::Steps(steps) => ready!(steps.poll_step(cx)),
        };
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Fixed(bytes) => bytes.is_none(),
            Self::FixedStream(_) => false,
            Self::Steps(steps) => steps.left.is_empty() && steps.length.is_some(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Fixed(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Steps(Steps { length: Some(length), .. }) => SizeHint::with_exact(*length),
            _ => SizeHint::default(),
        }
    }
}
