//! A simulated model provider. It speaks the wire formats of many providers, makes up its answers, and misbehaves on
//! demand.
//!
//! The simulator shares no code with the gateway, so that it does not repeat the gateway's mistakes. It reads a request
//! as the provider would, and rejects bad requests in the provider's words. `wire.rs` lists the services and their
//! paths. Answers are functions of the request ([`prompt`]), the same in every format. Faults are words in the model
//! name or in a script ([`fault`]). All requests are recorded ([`record`]).
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
mod prompt_cache;
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
use prompt_cache::PromptCache;
use record::Records;
use server::Server;

use crate::chance::Chance;
use crate::until;

/// A running simulator; dropping it closes its connections and stops it.
#[derive(Debug)]
pub struct Simulator {
    port: u16,
    server: Arc<Server>,
    task: JoinHandle<()>,
}

/// The settings of a simulator.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    address: Option<IpAddr>,
    port: u16,
    key: Option<String>,
    aws: Option<Credentials>,
    verbose: bool,
    prompt_cache: bool,
}

/// AWS credentials.
#[derive(Debug, Clone)]
struct Credentials {
    access_key: String,
    secret_key: String,
}

impl Builder {
    /// Sets the address; the loopback interface by default.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Sets the port; any free one by default.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Accepts only this key; by default any key that is not empty.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Verifies AWS signatures with these credentials; by default only the signature's form is checked.
    pub fn aws(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.aws = Some(Credentials { access_key: access_key.into(), secret_key: secret_key.into() });
        self
    }

    /// Whether to print a line for each request.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Keeps a prompt cache and reports its use; by default the cached part of a prompt depends on that prompt alone.
    pub fn prompt_cache(mut self) -> Self {
        self.prompt_cache = true;
        self
    }

    /// Starts the simulator on the current runtime.
    pub async fn start(self) -> io::Result<Simulator> {
        let listener = server::listen(self.address.unwrap_or(Ipv4Addr::LOCALHOST.into()), self.port).await?;
        let port = listener.local_addr()?.port();
        let control = Control::new(self.key, self.aws);
        let server = Arc::new(Server {
            control,
            records: Arc::<Records>::default(),
            memory: Memory::default(),
            prompts: self.prompt_cache.then(PromptCache::default),
            verbose: self.verbose,
        });
        let task = tokio::spawn(server::serve(listener, Arc::clone(&server)));
        Ok(Simulator { port, server, task })
    }
}

impl Simulator {
    /// Starts a simulator on a free port that accepts any key.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        Self::builder().start().await.expect("a free port on the loopback interface")
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The simulator's URL, such as `http://127.0.0.1:40000`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The base URL for OpenAI and Anthropic clients, with the API version. Other providers' paths begin after
    /// [`Self::url`].
    pub fn base_url(&self) -> String {
        self.url() + "/v1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds faults for the next requests, one entry each; `ok` is a plain answer.
    ///
    /// # Panics
    /// If an entry is invalid.
    pub fn script(&self, next: &[&str]) {
        let next = next.iter().map(|&words| words.to_owned()).collect();
        self.order(Order { next, ..Order::default() });
    }

    /// Sets the faults of all requests after the script, until cleared.
    ///
    /// # Panics
    /// If the words are invalid.
    pub fn always(&self, faults: &str) {
        self.order(Order { always: Some(faults.to_owned()), ..Order::default() });
    }

    /// Sets random faults, chosen by weight, for all requests without scripted faults, until cleared.
    ///
    /// # Panics
    /// If an entry is invalid.
    pub fn by_chance(&self, chance: Chance, faults: &[(u64, &str)]) {
        self.server.control.mood(chance, faults).expect("faults of the grammar");
    }

    /// Holds all answers until [`Self::release`]; requests are still read and recorded.
    pub fn hold(&self) {
        self.server.control.hold(true);
    }

    /// Releases held answers, and stops holding.
    pub fn release(&self) {
        self.server.control.hold(false);
    }

    /// Resumes a paused stream (`pause-after`), or else the next one that pauses, until the next clearing.
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

    /// All requests so far, except benchmark and control requests.
    ///
    /// # Panics
    /// If the record no longer holds the first requests: see [`Self::count`], [`Self::used`], [`Self::latest`].
    #[track_caller]
    pub fn requests(&self) -> Vec<Recorded> {
        match self.server.records.all() {
            Ok(all) => all,
            Err(dropped) => panic!("the first {dropped} requests are not kept any more: count them, do not list them"),
        }
    }

    /// The latest requests that the record still holds.
    pub fn latest(&self) -> Vec<Recorded> {
        self.server.records.latest()
    }

    /// The number of requests, recorded or discarded.
    pub fn count(&self) -> usize {
        self.server.records.count()
    }

    /// Waits for `count` requests and the end of their answers, and returns the requests.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn settled(&self, count: usize) -> Vec<Recorded> {
        until("the simulator's requests to end", || {
            let requests = self.requests();
            let ended = requests.iter().all(|request| request.outcome != Outcome::Answering);
            (ended && requests.len() >= count).then_some(requests)
        })
        .await
    }

    /// Waits until all answers have ended. Returns the usage of all answers since the last clearing, with the number of
    /// answers for each usage; it includes discarded requests.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn used(&self) -> Vec<(Usage, u64)> {
        until("the simulator's answers to end", || self.server.records.used()).await
    }

    /// Runs until the simulator's task ends.
    pub async fn run(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
