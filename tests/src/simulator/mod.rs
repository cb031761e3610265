//! A provider of models that is none: it speaks the wire formats of many providers, makes its answers up, and misbehaves
//! on demand.
//!
//! It shares no code with the gateway, so that a mistake there is not repeated here. A request is first read as its
//! provider reads it, and refused in the provider's own words where it would be; the services and their paths are a list,
//! in `wire.rs`. Answers are functions of the request ([`prompt`]), the same on every wire; faults are words in the
//! model's name or in a script ([`fault`]); what was asked is kept ([`record`]).
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use sluice_tests::simulator::Simulator;
//!
//! let simulator = Simulator::start().await;
//! simulator.script(&["status=500", "ok"]); // the first request fails, the second is answered
//! assert!(simulator.base_url().ends_with("/v1"));
//! assert!(simulator.requests().is_empty());
//! # });
//! ```

mod body;
mod call;
mod connection;
mod control;
mod delivery;
pub mod fault;
pub mod fixed;
mod frame;
mod memory;
mod order;
pub mod prompt;
pub mod record;
mod reply;
mod scenario;
mod server;
mod told;
mod vector;
mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use fault::{BadFault, Fault, Faults};
pub use prompt::Usage;
pub use record::{Outcome, Recorded};
pub use wire::BATCHED;

use control::{Control, Order};
use memory::Memory;
use record::Records;
use server::Server;

use crate::chance::Chance;
use crate::until;

/// A running simulator; it stops, and drops its connections, when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    port: u16,
    server: Arc<Server>,
    task: JoinHandle<()>,
}

/// How a simulator is to run.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    address: Option<IpAddr>,
    port: u16,
    key: Option<String>,
    aws: Option<Credentials>,
    verbose: bool,
}

/// Amazon's two keys.
#[derive(Debug, Clone)]
struct Credentials {
    access_key: String,
    secret_key: String,
}

impl Builder {
    /// On this address; the loopback interface's by default.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// On this port; any free one by default.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Accepts this key only; any that is not empty by default.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Checks the signatures of requests that are signed for Amazon, which must be by these keys; by default a signed
    /// request need only look like one.
    pub fn aws(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.aws = Some(Credentials { access_key: access_key.into(), secret_key: secret_key.into() });
        self
    }

    /// Whether to print a line for each request.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Starts it on the current runtime.
    pub async fn start(self) -> io::Result<Simulator> {
        let listener = server::listen(self.address.unwrap_or(Ipv4Addr::LOCALHOST.into()), self.port).await?;
        let port = listener.local_addr()?.port();
        let control = Control::new(self.key, self.aws);
        let server = Arc::new(Server {
            control,
            records: Arc::<Records>::default(),
            memory: Memory::default(),
            verbose: self.verbose,
        });
        let task = tokio::spawn(server::serve(listener, Arc::clone(&server)));
        Ok(Simulator { port, server, task })
    }
}

impl Simulator {
    /// Starts one on a free port, accepting any key.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start() -> Self {
        Self::builder().start().await.expect("a free port on the loopback interface")
    }

    /// Starts one with settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, such as `http://127.0.0.1:40000`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a client of OpenAI or Anthropic takes as its base: the URL with the version's path. Other providers' paths
    /// begin after [`Self::url`].
    pub fn base_url(&self) -> String {
        self.url() + "/v1"
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds faults for the next requests, one entry each; `ok` is a plain answer.
    ///
    /// # Panics
    /// When an entry is not of the grammar.
    pub fn script(&self, next: &[&str]) {
        let next = next.iter().map(|&words| words.to_owned()).collect();
        self.order(Order { next, ..Order::default() });
    }

    /// Faults for every request after those of the script, until cleared.
    ///
    /// # Panics
    /// When the words are not of the grammar.
    pub fn always(&self, faults: &str) {
        self.order(Order { always: Some(faults.to_owned()), ..Order::default() });
    }

    /// Faults for every request of which the script says nothing, until cleared: each by chance, as often as its weight says.
    ///
    /// # Panics
    /// When an entry is not of the grammar.
    pub fn by_chance(&self, chance: Chance, faults: &[(u64, &str)]) {
        self.server.control.mood(chance, faults).expect("faults of the grammar");
    }

    /// Answers nobody from now on until [`Self::release`]; requests are read and kept all the same.
    pub fn hold(&self) {
        self.server.control.hold(true);
    }

    /// Answers all who wait, and those who come.
    pub fn release(&self) {
        self.server.control.hold(false);
    }

    /// Has a stream that pauses (`pause-after`) go on; if there is none, the next one, until the next clearing.
    pub fn go_on(&self) {
        self.server.control.go_on();
    }

    fn order(&self, order: Order) {
        self.server.control.take(order).expect("a fault of the grammar");
    }

    /// Forgets the script and the requests.
    pub fn clear(&self) {
        self.server.control.clear();
        self.server.records.clear();
    }

    /// All requests so far, except those of benchmarks and of control.
    ///
    /// # Panics
    /// When they are so many that the first are not kept any more: see [`Self::count`], [`Self::used`], [`Self::latest`].
    #[track_caller]
    pub fn requests(&self) -> Vec<Recorded> {
        match self.server.records.all() {
            Ok(all) => all,
            Err(dropped) => panic!("the first {dropped} requests are not kept any more: count them, do not list them"),
        }
    }

    /// The latest of them, as many as are kept.
    pub fn latest(&self) -> Vec<Recorded> {
        self.server.records.latest()
    }

    /// How many there were, kept or not.
    pub fn count(&self) -> usize {
        self.server.records.count()
    }

    /// The requests, once there are `count` of them and all their answers have ended.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn settled(&self, count: usize) -> Vec<Recorded> {
        until("the simulator's requests to end", || {
            let requests = self.requests();
            let ended = requests.iter().all(|request| request.outcome != Outcome::Answering);
            (ended && requests.len() >= count).then_some(requests)
        })
        .await
    }

    /// What all answers since the last clearing used, and how many used the same, once all have ended: also those whose
    /// requests were so many that the first are not kept any more.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn used(&self) -> Vec<(Usage, u64)> {
        until("the simulator's answers to end", || self.server.records.used()).await
    }

    /// Waits for ever, or until the task of the simulator ends.
    pub async fn run(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
