//! A real Redis, and a real Webdis before it, each with a directory and a port of its own, until it is dropped.
//!
//! Redis keeps every write at once (`appendfsync always`), so that what it answered is there after [`Redis::kill`] and
//! [`Redis::restart`].

pub mod orders;
mod resp;

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

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
    process: Process,
    directory: TempDir,
    port: Port,
}

impl Redis {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::reserve();
        let process = Self::launch(&port, &directory);
        let redis = Self { process, directory, port };
        redis.answering().await;
        redis
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
            if let Some(end) = self.process.ended() {
                panic!("Redis did not start: {end}\n{}\n{}", self.process.output().join("\n"), self.process.errors());
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
        self.process.kill();
    }

    /// Starts it again, with what it kept, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = Self::launch(&self.port, &self.directory);
        self.answering().await;
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

/// A Redis and a Webdis before it that tests have in turn, each of which finds it empty. It is the next test's when the last clone
/// is dropped: a gateway keeps one until Redis has heard all from it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// There until it is dropped.
    pair: Option<(Webdis, Redis)>,
    _lease: SemaphorePermit<'static>,
}

/// So many may be had at a time: each brings gateways of its own.
static LEASES: Semaphore = Semaphore::const_new(2);

/// Those that nobody has.
static IDLE: Mutex<Vec<(Webdis, Redis)>> = Mutex::new(Vec::new());

impl Store {
    /// One that is empty.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn lease() -> Self {
        let lease = LEASES.acquire().await.expect("leases for ever");
        // Who had one last stands last: gateways that were started with it may still be there.
        let kept = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pair = match kept {
            Some((webdis, redis)) => {
                redis.command(&["FLUSHALL"]);
                redis.command(&["SCRIPT", "FLUSH"]);
                (webdis, redis)
            }
            None => {
                let redis = Redis::start().await;
                (Webdis::start(&redis).await, redis)
            }
        };
        Self(Arc::new(Held { pair: Some(pair), _lease: lease }))
    }

    fn pair(&self) -> &(Webdis, Redis) {
        self.0.pair.as_ref().expect("it is there until it is dropped")
    }

    /// Its Redis, not to be ended.
    pub fn redis(&self) -> &Redis {
        &self.pair().1
    }

    /// Its Webdis, likewise.
    pub fn webdis(&self) -> &Webdis {
        &self.pair().0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.pair.take());
        }
    }
}

/// A running Webdis.
#[derive(Debug)]
pub struct Webdis {
    process: Process,
    directory: TempDir,
    port: Port,
}

impl Webdis {
    /// Starts one before this Redis.
    ///
    /// # Panics
    /// When there is none to start, or it does not.
    pub async fn start(redis: &Redis) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::reserve();
        let options = json!({
            "redis_host": "127.0.0.1", "redis_port": redis.port(), "redis_auth": null, "database": 0,
            "http_host": "127.0.0.1", "http_port": port.number(), "threads": 2, "pool_size": 8,
            "daemonize": false, "websockets": false,
            "verbosity": 1, "logfile": directory.path().join("webdis.log"),
        });
        std::fs::write(directory.path().join("webdis.json"), options.to_string()).expect("a file in the directory");
        let webdis = Self { process: Self::launch(&directory), directory, port };
        webdis.accepting().await;
        webdis
    }

    fn launch(directory: &TempDir) -> Process {
        Process::of("webdis", &[directory.path().join("webdis.json").to_string_lossy().into_owned()])
    }

    async fn accepting(&self) {
        until("Webdis to accept connections", || {
            if let Some(end) = self.process.ended() {
                panic!("Webdis did not start: {end}\n{}", self.process.errors());
            }
            TcpStream::connect(("127.0.0.1", self.port())).ok()
        })
        .await;
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Ends it at once (`SIGKILL`).
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = Self::launch(&self.directory);
        self.accepting().await;
    }
}
