//! A real Redis and a real Webdis before it, each with its own directory and port. Dropping them stops them.
//!
//! Redis syncs every write (`appendfsync always`), so acknowledged writes survive [`Redis::kill`] and
//! [`Redis::restart`].

pub mod reservations;
mod resp;

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::gateway::process::Process;
use crate::port::Port;
use crate::until;
pub use resp::Connection;

#[derive(Debug)]
pub struct Redis {
    // The field order matters: the process ends before its directory goes.
    process: Mutex<Process>,
    directory: TempDir,
    port: Port,
    /// The prefix of all entry names.
    prefix: String,
    /// The words before the command: see [`Clock::before_a_command`].
    before: Vec<String>,
}

impl Redis {
    /// Starts an empty Redis.
    ///
    /// # Panics
    /// If Redis is not installed, or does not start.
    pub async fn start() -> Self {
        Self::launched("sluice", Vec::new()).await
    }

    /// Starts an empty Redis with this clock.
    ///
    /// # Panics
    /// If Redis is not installed, or does not start.
    pub async fn with_clock(clock: &Clock) -> Self {
        Self::launched("sluice", clock.before_a_command()).await
    }

    async fn launched(prefix: &str, before: Vec<String>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::reserve();
        let process = Mutex::new(Self::launch(&port, &directory, &before));
        let redis = Self { process, directory, port, prefix: prefix.to_owned(), before };
        redis.answering().await;
        redis
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn launch(port: &Port, directory: &TempDir, before: &[String]) -> Process {
        let port = port.number().to_string();
        let directory = directory.path().to_string_lossy();
        let options = ["--bind", "127.0.0.1", "--port", &port, "--dir", &directory, "--daemonize", "no", "--save", ""];
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"];
        let words = ["redis-server"].iter().chain(&options).chain(&durable).map(|word| (*word).to_owned());
        let words: Vec<String> = before.iter().cloned().chain(words).collect();
        Process::of(&words[0], &words[1..])
    }

    /// Waits until Redis has loaded its data.
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

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Kills Redis with `SIGKILL`, as a power loss would.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts Redis again with its data, on the same port.
    ///
    /// # Panics
    /// If Redis does not start.
    pub async fn restart(&self) {
        self.kill();
        *self.process() = Self::launch(&self.port, &self.directory, &self.before);
        self.answering().await;
    }

    /// The full name of an entry: `key:…`, `m:…`.
    pub fn name(&self, entry: &str) -> String {
        format!("{{{}}}:{entry}", self.prefix)
    }

    /// Runs a command directly on Redis, not over HTTP.
    ///
    /// # Panics
    /// If Redis does not answer, or answers with an error.
    pub fn command(&self, words: &[&str]) -> Value {
        let mut connection = Connection::open(self.port()).expect("a connection to Redis");
        connection.command(words).expect("an answer of Redis").expect("no error of Redis")
    }
}

/// An empty Redis and a Webdis before it, at a port that tests use in turn, so that an Envoy started with that port can
/// be reused too. The store stops when the last clone is dropped: a gateway keeps a clone until Redis has received all
/// updates. Late updates of an earlier test would have another prefix.
#[derive(Debug, Clone)]
pub struct Store(Arc<Held>);

#[derive(Debug)]
struct Held {
    // The field order matters: the port is free when the next test gets it.
    webdis: Webdis,
    redis: Redis,
    _lease: SemaphorePermit<'static>,
}

/// The limit of concurrent stores: each brings gateways of its own.
static LEASES: Semaphore = Semaphore::const_new(2);

/// The ports of dropped stores, the most recently used last: gateways started with that port may still exist.
static PORTS: Mutex<Vec<Port>> = Mutex::new(Vec::new());

impl Store {
    /// Leases an empty store.
    ///
    /// # Panics
    /// If Redis or Webdis is not installed, or does not start.
    pub async fn lease() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let lease = LEASES.acquire().await.expect("leases for ever");
        let redis = Redis::launched(&format!("store{}", NUMBER.fetch_add(1, Ordering::Relaxed)), Vec::new()).await;
        let port = PORTS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let webdis = Webdis::at(port.unwrap_or_else(Port::reserve), &redis, true).await;
        Self(Arc::new(Held { webdis, redis, _lease: lease }))
    }

    pub fn redis(&self) -> &Redis {
        &self.0.redis
    }

    pub fn webdis(&self) -> &Webdis {
        &self.0.webdis
    }

    /// The gateway file's `redis` section for this store.
    pub(crate) fn section(&self) -> Value {
        json!({"url": self.webdis().url(), "prefix": self.redis().prefix})
    }
}

#[derive(Debug)]
pub struct Webdis {
    process: Mutex<Process>,
    directory: TempDir,
    /// `None` only during the drop.
    port: Option<Port>,
    /// Whether the port returns to [`PORTS`] on drop.
    in_turn: bool,
}

impl Webdis {
    /// Starts a Webdis before this Redis.
    ///
    /// # Panics
    /// If Webdis is not installed, or does not start.
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

    pub fn port(&self) -> u16 {
        self.port.as_ref().map_or(0, Port::number)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Kills Webdis (`SIGKILL`).
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts Webdis again on the same port.
    ///
    /// # Panics
    /// If Webdis does not start.
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
