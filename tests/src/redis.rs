//! A real Redis, and a real Webdis before it, each with a directory and a port of its own, until it is dropped.
//!
//! Redis keeps every write at once (`appendfsync always`), so that what it answered is there after [`Redis::kill`] and
//! [`Redis::restart`].

pub mod reservations;
mod resp;

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::gateway::process::Process;
use crate::port::Port;
use crate::until;
pub use resp::Connection;

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    // Dropped in this order: the process ends before its directory goes.
    process: Mutex<Process>,
    directory: TempDir,
    port: Port,
    /// What the names of all entries begin with.
    prefix: String,
}

impl Redis {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn start() -> Self {
        Self::with_prefix("sluice").await
    }

    async fn with_prefix(prefix: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::reserve();
        let process = Mutex::new(Self::launch(&port, &directory));
        let redis = Self { process, directory, port, prefix: prefix.to_owned() };
        redis.answering().await;
        redis
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn launch(port: &Port, directory: &TempDir) -> Process {
        let port = port.number().to_string();
        let directory = directory.path().to_string_lossy();
        let options = ["--bind", "127.0.0.1", "--port", &port, "--dir", &directory, "--daemonize", "no", "--save", ""];
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"];
        let arguments: Vec<String> = options.iter().chain(&durable).map(|word| (*word).to_owned()).collect();
        Process::of("redis-server", &arguments)
    }

    /// Until it has read what it kept.
    async fn answering(&self) {
        until("Redis to answer", || {
            let process = self.process();
            if let Some(end) = process.ended() {
                panic!("Redis did not start: {end}\n{}\n{}", process.output().join("\n"), process.errors());
            }
            let mut connection = Connection::open(self.port()).ok()?;
            connection.command(&["PING"]).ok()?.ok()
        })
        .await;
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends it as a loss of power would (`SIGKILL`).
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts it again, with what it kept, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&self) {
        self.kill();
        *self.process() = Self::launch(&self.port, &self.directory);
        self.answering().await;
    }

    /// How an entry is named: `key:…`, `m:…`.
    pub fn name(&self, entry: &str) -> String {
        format!("{{{}}}:{entry}", self.prefix)
    }

    /// Carries out a command, past HTTP.
    ///
    /// # Panics
    /// When Redis does not answer, or answers with an error.
    pub fn command(&self, words: &[&str]) -> Value {
        let mut connection = Connection::open(self.port()).expect("a connection to Redis");
        connection.command(words).expect("an answer of Redis").expect("no error of Redis")
    }
}

/// An empty Redis, and a Webdis before it at a port that tests have in turn: an Envoy that was started with that port can be had in turn
/// too. It ends when the last clone is dropped: a gateway keeps one until Redis has heard all from it. Should an Envoy tell of an earlier
/// test all the same, it is of other names.
#[derive(Debug, Clone)]
pub struct Store(Arc<Held>);

#[derive(Debug)]
struct Held {
    // Dropped in this order: the port is free when the next test gets it.
    webdis: Webdis,
    redis: Redis,
    _lease: SemaphorePermit<'static>,
}

/// So many may be had at a time: each brings gateways of its own.
static LEASES: Semaphore = Semaphore::const_new(2);

/// The ports at which no Webdis of a [`Store`] is. The one that was had last stands last: gateways that were started with it may still be
/// there.
static PORTS: Mutex<Vec<Port>> = Mutex::new(Vec::new());

impl Store {
    /// One that is empty.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn lease() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let lease = LEASES.acquire().await.expect("leases for ever");
        let redis = Redis::with_prefix(&format!("store{}", NUMBER.fetch_add(1, Ordering::Relaxed))).await;
        let port = PORTS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let webdis = Webdis::at(port.unwrap_or_else(Port::reserve), &redis, true).await;
        Self(Arc::new(Held { webdis, redis, _lease: lease }))
    }

    /// Its Redis.
    pub fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// Its Webdis.
    pub fn webdis(&self) -> &Webdis {
        &self.0.webdis
    }

    /// The section of the gateway file that leads here.
    pub(crate) fn section(&self) -> Value {
        json!({"url": self.webdis().url(), "prefix": self.redis().prefix})
    }
}

/// A running Webdis.
#[derive(Debug)]
pub struct Webdis {
    process: Mutex<Process>,
    directory: TempDir,
    /// There until it is dropped.
    port: Option<Port>,
    /// Whether its port is another one's after it.
    in_turn: bool,
}

impl Webdis {
    /// Starts one before this Redis.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn start(redis: &Redis) -> Self {
        Self::at(Port::reserve(), redis, false).await
    }

    async fn at(port: Port, redis: &Redis, in_turn: bool) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = json!({
            "redis_host": "127.0.0.1", "redis_port": redis.port(), "redis_auth": null, "database": 0,
            "http_host": "127.0.0.1", "http_port": port.number(), "threads": 2, "pool_size": 8,
            "daemonize": false, "websockets": false,
            "verbosity": 1, "logfile": directory.path().join("webdis.log"),
        });
        std::fs::write(directory.path().join("webdis.json"), options.to_string()).expect("a file in the directory");
        let webdis = Self { process: Mutex::new(Self::launch(&directory)), directory, port: Some(port), in_turn };
        webdis.accepting().await;
        webdis
    }

    fn launch(directory: &TempDir) -> Process {
        Process::of("webdis", &[directory.path().join("webdis.json").to_string_lossy().into_owned()])
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accepting(&self) {
        until("Webdis to accept connections", || {
            let process = self.process();
            if let Some(end) = process.ended() {
                panic!("Webdis did not start: {end}\n{}", process.errors());
            }
            drop(process);
            TcpStream::connect(("127.0.0.1", self.port())).ok()
        })
        .await;
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.as_ref().map_or(0, Port::number)
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Ends it at once (`SIGKILL`).
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&self) {
        self.kill();
        *self.process() = Self::launch(&self.directory);
        self.accepting().await;
    }
}

impl Drop for Webdis {
    fn drop(&mut self) {
        if self.in_turn {
            self.kill();
            PORTS.lock().unwrap_or_else(PoisonError::into_inner).extend(self.port.take());
        }
    }
}
