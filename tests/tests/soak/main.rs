//! Soaks: a gateway under load for a configurable time, and a check of its state afterwards. In one soak the providers fail in every way;
//! in the other clients and providers are hostile. Afterwards no stream and no reservation may be left, the log must have exactly one line
//! per request, and no VM and no process may have ended.
//!
//! `SLUICE_SOAK_SECONDS` is the duration (default 20). `SLUICE_SOAK_SEED` sets the random choices: the same requests by the same clients,
//! and the same faults in the same order, though a fault may hit another request.

mod after;
mod faults;
mod hostile;
mod memory;
mod site;
mod tally;

use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// The path of chat completions.
const CHAT: &str = "/v1/chat/completions";

/// The duration and the random seed.
#[derive(Debug, Clone, Copy)]
struct Run {
    length: Duration,
    seed: u64,
    /// The day of the start, counted from 1970.
    day: u64,
}

impl Run {
    /// From the environment.
    fn new(what: &str) -> Self {
        let length = Duration::from_secs(setting("SLUICE_SOAK_SECONDS").unwrap_or(20));
        let seed = setting("SLUICE_SOAK_SEED").unwrap_or_else(seconds);
        println!("seed {seed}, {} s, {what}", length.as_secs());
        Self { length, seed, day: today() }
    }

    /// Whether the day of the start has not ended.
    fn is_same_day(&self) -> bool {
        self.day == today()
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn today() -> u64 {
    seconds() / 86_400
}

/// The value of an environment variable.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not what it has to be: {text}")))
}

/// The message about a condition that does not hold.
fn unless(holds: bool, what: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(what)
}
