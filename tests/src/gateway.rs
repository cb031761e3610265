//! Runs a real gateway for end-to-end tests. The harness renders a gateway file from the test's builder, runs `sluice
//! run` with it on a free port, and stops it on drop.
//!
//! The harness knows the gateway only from outside: the file, the command, the port, and the access log on standard
//! output. `SLUICE_BIN` and `SLUICE_WASM` name the command and the module; `./scripts/test` sets both.
//!
//! ```no_run
//! # async fn example() {
//! use serde_json::json;
//! use sluice_tests::gateway::{Gateway, Kind};
//! use sluice_tests::simulator::Simulator;
//!
//! let simulator = Simulator::start().await;
//! let gateway = Gateway::builder()
//!     .provider("openai", Kind::OpenAi, &simulator)
//!     .provider("anthropic", Kind::Anthropic, &simulator)
//!     .model("chat", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
//!     .start()
//!     .await;
//! simulator.script(&["status=503", "ok"]);
//! let answer = gateway.chat(&json!({"model": "chat", "messages": [{"role": "user", "content": "say hi"}]})).await;
//! assert_eq!(answer.header("x-sluice-provider"), Some("anthropic"));
//! assert_eq!(gateway.log_lines(1).await[0]["status"], 200);
//! # }
//! ```

pub mod build;
mod file;
pub(crate) mod process;
mod seat;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::{Answer, Client};
use crate::port::Port;
use crate::simulator::Simulator;
use crate::{eventually, log_schema, until};
pub use file::{Builder, Key, Kind, Upstream, sha256};
pub use process::{Process, Signal, children, of_envoy};
use seat::{Present, Seat};
use start::Launch;

/// The secret of the default key. Every gateway under test has it unless the test defines its own keys.
pub const KEY: &str = "sk-sluice-test";

/// Variables in the environment of every gateway under test: a provider key, AWS credentials, and a wrong AWS secret.
pub const A_KEY: (&str, &str) = ("A_KEY", "sk-theirs");
pub const AN_ID: (&str, &str) = ("AN_ID", "AKIDSIMULATOR");
pub const A_SECRET: (&str, &str) = ("A_SECRET", "secret/of+the=simulator");
pub const ANOTHER_SECRET: (&str, &str) = ("ANOTHER_SECRET", "another");
/// Hides a developer's own Google credentials from the gateway under test.
const NO_ACCOUNT: (&str, &str) = ("GOOGLE_APPLICATION_CREDENTIALS", "");

const FILE: &str = "gateway.yaml";
/// The command's message for a changed file.
const APPLIED: &str = "has changed, and is active";
const REFUSED: &str = "has changed, and cannot be used";

/// A running gateway. Dropping it ends its processes, unless another test can reuse them.
#[derive(Debug)]
pub struct Gateway {
    /// `None` only during the drop.
    seat: Option<Seat>,
    builder: Builder,
    /// Whether a test changed state that the next test would notice.
    spoiled: AtomicBool,
}

impl Gateway {
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(builder: Builder) -> Self {
        match Seat::idle(&builder).await {
            Some(seat) => Self { seat: Some(seat), builder, spoiled: AtomicBool::new(false) },
            None => Self::alone(builder).await,
        }
    }

    async fn alone(builder: Builder) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, admin) = (Port::reserve(), Port::reserve());
        // JSON is YAML.
        let file =
            serde_json::to_string_pretty(&builder.render(port.number(), directory.path())).expect("JSON of strings");
        std::fs::write(directory.path().join(FILE), file).expect("a file in the temporary directory");
        let _turn = turn().await;
        let present = Present::one_more();
        let process = Self::launch(&builder, &directory, &admin);
        let start = builder.all_at_the_start();
        let seat =
            Seat { process, directory, port, admin, start, before: BTreeMap::new(), _present: present, turns: 0 };
        let gateway = Self { seat: Some(seat), builder, spoiled: AtomicBool::new(false) };
        gateway.accepting().await;
        gateway
    }

    fn seat(&self) -> &Seat {
        self.seat.as_ref().expect("it is there until it is dropped")
    }

    /// Returns the process and marks the gateway as spoiled: the next test cannot reuse it.
    fn spoil(&self) -> &Process {
        self.spoiled.store(true, Ordering::Relaxed);
        &self.seat().process
    }

    fn launch(builder: &Builder, directory: &TempDir, admin: &Port) -> Process {
        let admin = ["--admin".to_owned(), format!("127.0.0.1:{}", admin.number())];
        // A finished test needs no drain time.
        let drain = ["--drain".to_owned(), "0s".to_owned()];
        let Launch { concurrency, arguments, environment } = &builder.launch;
        let drain = drain.iter().filter(|_| !arguments.contains(&"--drain".to_owned()));
        let arguments: Vec<String> = admin.iter().chain(drain).chain(arguments).cloned().collect();
        let usual = [A_KEY, AN_ID, A_SECRET, ANOTHER_SECRET, NO_ACCOUNT]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment: Vec<_> = usual.iter().chain(environment).cloned().collect();
        Process::start(&directory.path().join(FILE), *concurrency, &arguments, &environment)
    }

    /// Starts the gateway again after its end, with the same file and port.
    ///
    /// # Panics
    /// If the gateway does not start.
    pub async fn restart(&mut self) {
        let _turn = turn().await;
        self.spoil();
        let builder = &self.builder;
        let seat = self.seat.as_mut().expect("it is there until it is dropped");
        seat.before.clear();
        seat.process = Self::launch(builder, &seat.directory, &seat.admin);
        self.accepting().await;
    }

    async fn accepting(&self) {
        until("the gateway to accept connections", || {
            if let Some(end) = self.seat().process.ended() {
                panic!("the gateway did not start: {end}\n{}", self.seat().process.errors());
            }
            // An open port is not enough: the command itself listens for a moment to check that the port is free.
            self.seat().process.errors().contains("Sluice is ready").then_some(())
        })
        .await;
    }

    /// Replaces the gateway file and waits until the gateway has applied the change.
    ///
    /// # Panics
    /// If the gateway rejects the change, or applies it too late.
    pub async fn change(&self, change: impl FnOnce(&mut Value)) {
        let told = |text: &str| self.errors().matches(text).count();
        let (applied, refused) = (told(APPLIED), told(REFUSED));
        self.edit(change);
        until("the change to be in force", || {
            assert_eq!(told(REFUSED), refused, "{}", self.errors());
            (told(APPLIED) > applied).then_some(())
        })
        .await;
    }

    /// Replaces the gateway file, waits until the gateway rejects the change, and returns the error message.
    ///
    /// # Panics
    /// If the gateway accepts the change, or rejects it too late.
    pub async fn change_in_vain(&self, change: impl FnOnce(&mut Value)) -> String {
        let refused = self.errors().matches(REFUSED).count();
        self.edit(change);
        // The message has a line for each mistake, and its lines arrive one by one.
        let mut before = String::new();
        until("the change to be refused", || {
            let told = self.errors().split(REFUSED).nth(refused + 1)?.to_owned();
            let is_whole = told.lines().count() > 1 && std::mem::replace(&mut before, told.clone()) == told;
            is_whole.then_some(told)
        })
        .await
    }

    /// Replaces the gateway file with a changed one.
    ///
    /// # Panics
    /// If a test replaced the harness' own file before.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let text = std::fs::read_to_string(self.file()).expect("the gateway file");
        let mut file = serde_json::from_str(&text).expect("JSON of this harness");
        change(&mut file);
        self.write(&format!("{file:#}"));
    }

    /// Replaces the gateway file by a rename, as editors do.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, text: &str) {
        let new = self.seat().directory.path().join("gateway.yaml.new");
        std::fs::write(&new, text).expect("a file in the temporary directory");
        std::fs::rename(new, self.file()).expect("a file in the temporary directory");
    }

    /// The path of the gateway file.
    pub fn file(&self) -> PathBuf {
        self.seat().directory.path().join(FILE)
    }

    pub fn port(&self) -> u16 {
        self.seat().port.number()
    }

    /// An OpenAI client with the first key.
    pub fn client(&self) -> Client {
        self.with_key(&self.builder.first_key())
    }

    /// An Anthropic client with the first key.
    pub fn anthropic_client(&self) -> Client {
        self.anonymous().anthropic(&self.builder.first_key())
    }

    /// An OpenAI client with this key.
    pub fn with_key(&self, secret: &str) -> Client {
        self.anonymous().bearer(secret)
    }

    pub fn anonymous(&self) -> Client {
        Client::new(self.port())
    }

    /// Requests a chat completion in OpenAI's format.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.client().post("/v1/chat/completions", body).await
    }

    /// Requests a streamed chat completion; [`Answer::events`] returns its events.
    pub async fn stream(&self, body: &Value) -> Answer {
        self.chat(&streamed(body)).await
    }

    /// Requests a stream that pauses (`pause-after`), and resumes it after the client has received the first part.
    pub async fn chat_past_a_pause(&self, body: &Value, provider: &Simulator) -> Answer {
        self.client().post_begun("/v1/chat/completions", body, || provider.go_on()).await
    }

    /// Requests a message in Anthropic's format.
    pub async fn message(&self, body: &Value) -> Answer {
        self.anthropic_client().post("/v1/messages", body).await
    }

    /// Requests a streamed message in Anthropic's format.
    pub async fn message_stream(&self, body: &Value) -> Answer {
        self.message(&streamed(body)).await
    }

    /// Sends raw bytes, for requests that no HTTP client makes, and returns the raw response.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        self.anonymous().raw(bytes).await
    }

    /// Waits for this many access log lines and returns them.
    ///
    /// # Panics
    /// If the lines do not arrive in time.
    pub async fn log_lines(&self, count: usize) -> Vec<Value> {
        let lines = until("lines in the access log", || Some(self.log()).filter(|lines| lines.len() >= count)).await;
        lines.iter().for_each(log_schema::check);
        lines
    }

    /// The access log lines so far: each line of standard output that is a JSON object.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.seat().process.output();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// The standard output of the command and Envoy so far.
    pub fn output(&self) -> String {
        self.seat().process.output().join("\n")
    }

    /// The standard error of the command and Envoy, for messages of failed tests.
    pub fn errors(&self) -> String {
        self.seat().process.errors()
    }

    /// The value of a filter counter by its Envoy name, such as `sluice.refused.limit`. Zero if Envoy does not list it.
    ///
    /// # Panics
    /// If Envoy does not answer.
    pub async fn counter(&self, name: &str) -> u64 {
        self.statistic(&format!("wasmcustom.{name}")).await
    }

    /// The value of an Envoy counter or gauge. Zero if Envoy does not list it.
    ///
    /// # Panics
    /// If Envoy does not answer.
    pub async fn statistic(&self, name: &str) -> u64 {
        let text = self.envoy(&format!("/stats?filter=^{}$", name.replace('.', "\\."))).await;
        let (_, value) = statistics(&text).next().unwrap_or_default();
        value - self.seat().before.get(name).copied().unwrap_or_default()
    }

    /// Waits until all requests have ended, then hides the logs, output and counters so far.
    ///
    /// # Panics
    /// If the requests do not end in time, or Envoy does not answer.
    pub async fn renew(&mut self) {
        self.quiet().await;
        let counters = self.envoy("/stats?type=Counters&usedonly").await;
        let before = statistics(&counters).map(|(name, value)| (name.to_owned(), value)).collect();
        let seat = self.seat.as_mut().expect("it is there until it is dropped");
        seat.before = before;
        seat.process.forget();
    }

    /// Waits until all requests have ended and are logged, and returns the access log.
    ///
    /// # Panics
    /// If that takes too long, or Envoy does not answer.
    pub async fn quiet(&self) -> Vec<Value> {
        eventually("all requests to end", async || self.statistic("http.sluice.downstream_rq_active").await == 0).await;
        let requests = self.statistic("http.sluice.downstream_rq_total").await;
        self.log_lines(usize::try_from(requests).expect("a number of requests")).await
    }

    /// Sends a GET to Envoy's admin interface: `/clusters`.
    ///
    /// # Panics
    /// If Envoy does not answer.
    pub async fn envoy(&self, path: &str) -> String {
        Client::new(self.seat().admin.number())
            .request("GET", path, "")
            .await
            .expect("an answer of Envoy's administration")
            .text()
    }

    /// Sends a POST to Envoy's admin interface: `/logging?wasm=debug`.
    ///
    /// # Panics
    /// If Envoy does not answer.
    pub async fn tell_envoy(&self, path: &str) {
        self.spoil();
        let told = Client::new(self.seat().admin.number()).request("POST", path, "").await;
        let told = told.expect("an answer of Envoy's administration");
        assert_eq!(told.status, 200, "{path}: {}", told.text());
    }

    /// Kills Envoy (SIGKILL); the command then ends by itself.
    ///
    /// # Panics
    /// If the command does not end.
    pub async fn kill_envoy(&self) {
        self.signal_envoy(Signal::KILL).await;
    }

    /// Ends Envoy by a signal; the command then ends by itself.
    ///
    /// # Panics
    /// If the command does not end.
    pub async fn signal_envoy(&self, signal: Signal) {
        self.spoil().signal_children(signal);
        until("the command to end after its Envoy", || self.seat().process.ended()).await;
    }

    /// The peak resident memory of Envoy, in bytes.
    ///
    /// # Panics
    /// If Envoy has ended.
    pub fn peak_memory(&self) -> u64 {
        let peak = |process: u32| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        children(self.seat().process.id()).into_iter().filter_map(peak).max().expect("an Envoy") << 10
    }

    /// Whether the gateway still runs.
    pub fn alive(&self) -> bool {
        self.seat().process.ended().is_none()
    }

    /// The process id of the command.
    pub fn process_id(&self) -> u32 {
        self.seat().process.id()
    }

    /// The exit status of the command, if it has ended.
    pub fn ended(&self) -> Option<String> {
        self.seat().process.ended()
    }

    /// Sends the command SIGTERM.
    pub fn tell_to_end(&self) {
        self.spoil().terminate();
    }

    /// Sends the command SIGINT, as Ctrl-C would.
    pub fn interrupt(&self) {
        self.spoil().interrupt();
    }

    /// Sends a signal to the command, but not to its children.
    pub fn signal(&self, signal: Signal) {
        self.spoil().signal(signal);
    }

    /// Sends the command SIGTERM and returns its exit status.
    ///
    /// # Panics
    /// If the command does not end in time.
    pub async fn terminate(&self) -> String {
        self.spoil().terminate();
        until("the command to end", || self.seat().process.ended()).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let spoiled = self.spoiled.load(Ordering::Relaxed) || std::thread::panicking();
        if let Some(seat) = self.seat.take()
            && !spoiled
            && self.builder.is_shareable()
            && (self.builder.store.is_none() || seat.is_settled())
        {
            seat.leave();
        }
    }
}

/// `sluice run` with a gateway file from elsewhere; the command ends on drop.
#[derive(Debug)]
pub struct Started {
    _process: Process,
}

impl Started {
    /// Starts the command; clients connect at `port`.
    ///
    /// # Panics
    /// If the command does not start.
    pub async fn with(file: &Path, port: u16, environment: &[(String, String)]) -> Self {
        let _turn = turn().await;
        let process = Process::start(file, 1, &[], environment);
        until("the gateway to accept connections", || {
            if let Some(end) = process.ended() {
                panic!("the gateway did not start: {end}\n{}", process.errors());
            }
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        Self { _process: process }
    }
}

/// A permit to start a gateway, one per processor. Each start compiles the module and keeps a processor busy; more
/// starts at once would all finish later and slow down running tests.
async fn turn() -> SemaphorePermit<'static> {
    static TURNS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));
    TURNS.acquire().await.expect("turns for ever")
}

/// Parses the single-number statistics of Envoy's admin interface.
fn statistics(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let lines = text.lines().filter_map(|line| line.rsplit_once(": "));
    lines.filter_map(|(name, value)| Some((name, value.parse().ok()?)))
}

fn streamed(body: &Value) -> Value {
    let mut body = body.clone();
    body["stream"] = Value::Bool(true);
    body
}
