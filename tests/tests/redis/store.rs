//! A client of the store that sends core's commands like the filter, and parses replies with core's code.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use sluice_core::callout::{Call, Called};
use sluice_core::store::redis::settings::{Mode, Protocol, Redis as Settings, WhenDown};
use sluice_core::store::redis::wire::{Command, RedisReply, Wire};
use sluice_core::store::redis::{read, reserve, settle};
use sluice_core::store::{
    AccountEntry, Counter, CounterSnapshot, Debit, LimitWindow, ReserveRequest, ReserveResult, Settled, Settlement,
    Sums, Unavailable,
};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::upstash::{TOKEN, Upstash};
use sluice_wire::time::Time;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const PREFIX: &str = "t";

/// A connection to an HTTP server for Redis; it reconnects after an error.
pub struct Store {
    port: u16,
    wire: Wire,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Store {
    pub fn webdis(webdis: &Webdis) -> Self {
        Self::new(webdis.port(), Protocol::Webdis)
    }

    pub fn upstash(upstash: &Upstash) -> Self {
        Self::new(upstash.port(), Protocol::Upstash)
    }

    fn new(port: u16, protocol: Protocol) -> Self {
        let wire = Wire::new(&Settings {
            protocol,
            authority: format!("127.0.0.1:{port}"),
            tls: false,
            base_path: String::new(),
            mode: Mode::Strict,
            when_down: WhenDown::Deny,
            timeout: Duration::from_secs(30),
            sync: Duration::from_secs(1),
            key_cache: Duration::from_secs(5),
            prefix: PREFIX.to_owned(),
        });
        Self { port, wire, sender: None }
    }

    /// Another connection to the same server.
    pub fn another(&self) -> Self {
        Self { port: self.port, wire: self.wire.clone(), sender: None }
    }

    pub async fn reserve(&mut self, request: &ReserveRequest) -> Result<ReserveResult, Unavailable> {
        reserve::reserve_result(request, &self.send(&reserve::command(PREFIX, request)).await?)
    }

    pub async fn settle(&mut self, settlements: &[Settlement]) -> Result<usize, Unavailable> {
        let written: Vec<_> = settlements.iter().map(|one| settle::SettleCommand::new(PREFIX, one)).collect();
        settle::settled(&self.send(&settle::command(PREFIX, &written)).await?)
    }

    pub async fn read(&mut self, counters: &[Counter]) -> Vec<CounterSnapshot> {
        let reply = self.send(&read::command(PREFIX, Mode::Strict, counters)).await.unwrap();
        read::snapshots(counters, &reply).unwrap()
    }

    pub async fn used(&mut self, counter: &Counter) -> u64 {
        self.read(std::slice::from_ref(counter)).await[0].used
    }

    /// Sends a command; if Redis does not know its script yet, sends the script's text.
    pub async fn send(&mut self, command: &Command) -> Result<RedisReply, Unavailable> {
        let reply = self.once(command).await?;
        match command.with_source().filter(|_| reply.is_unknown_script()) {
            Some(command) => self.once(&command).await,
            None => Ok(reply),
        }
    }

    pub async fn once(&mut self, command: &Command) -> Result<RedisReply, Unavailable> {
        let call = self.wire.write(command);
        let patience = call.timeout;
        let called = timeout(patience, self.call(call)).await.ok().flatten();
        if called.is_none() {
            self.sender = None;
        }
        self.wire.read(&called.unwrap_or(Called { status: None, body: Vec::new() }))
    }

    async fn call(&mut self, call: Call) -> Option<Called> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut()?;
        sender.ready().await.ok()?;
        let mut request = Request::builder().header("authorization", format!("Bearer {TOKEN}"));
        for (name, value) in call.headers.iter() {
            request = match name {
                b":method" => request.method(value),
                b":path" => request.uri(value),
                b":authority" => request.header("host", value),
                b":scheme" => request,
                name => request.header(name, value),
            };
        }
        let response = sender.send_request(request.body(Full::new(call.body.into())).unwrap()).await.ok()?;
        let status = Some(response.status().as_u16());
        Some(Called { status, body: response.into_body().collect().await.ok()?.to_bytes().to_vec() })
    }
}

/// A Redis with a Webdis, and a connection to it.
pub async fn start() -> (Redis, Webdis, Store) {
    let redis = Redis::start().await;
    let webdis = Webdis::start(&redis).await;
    let store = Store::webdis(&webdis);
    (redis, webdis, store)
}

/// The most that a per-minute counter with this limit can have drained since then.
pub fn drained(since: Instant, per_minute: u64) -> u64 {
    let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(per_minute) / 60_000 + 1
}

pub fn counter(name: &str, kind: LimitWindow) -> Counter {
    Counter { name: name.into(), shard_key: "".into(), kind }
}

pub fn debit(counter: &Counter, amount: u64, limit: u64) -> Debit {
    Debit { counter: counter.clone(), amount, limit, hard: true }
}

pub fn reserve_request(id: &str, debits: Vec<Debit>) -> ReserveRequest {
    ReserveRequest { id: id.into(), lease: Duration::from_secs(600), alternatives: vec![debits] }
}

/// A settlement's part without a reserved amount.
pub fn part(counter: &Counter, window: u64, used: u64) -> Settled {
    Settled { counter: counter.clone(), window, until: 0, reserved: 0, used }
}

pub fn settlement(id: &str, parts: Vec<Settled>) -> Settlement {
    let sums = Sums::from([1, 20, 30, 400, 50, 400]);
    let entry =
        AccountEntry { key: "alice".into(), team: "research".into(), app: None, model: "gpt-4.1/x".into(), sums };
    Settlement {
        id: id.into(),
        parts,
        entry: Some(entry),
        at: Time(1_790_000_000 * 1_000_000_000),
        corrects: false,
        notes: Vec::new(),
    }
}

/// The snapshots of a granted reservation.
#[track_caller]
pub fn granted(verdict: &ReserveResult) -> &[CounterSnapshot] {
    match verdict {
        ReserveResult::Granted { snapshots: readings, .. } => readings,
        ReserveResult::Refused(obstacles) => panic!("refused: {obstacles:?}"),
    }
}

pub fn is_granted(verdict: &ReserveResult) -> bool {
    matches!(verdict, ReserveResult::Granted { .. })
}
