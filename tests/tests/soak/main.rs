//! Soaks: a gateway under load for as long as one likes, and in the end a look at what is left of it. In one the providers
//! fail in every way; in the other clients and providers are hostile. Afterwards there may be no stream left, no reservation,
//! and no line of the log too few or too many; and no VM and no process may have ended.
//!
//! `SLUICE_SOAK_SECONDS` says for how long (20 by itself), `SLUICE_SOAK_SEED` what comes: the same requests by the same
//! clients, and the same faults in the same order, though not the same ones for the same request.

mod after;
mod faults;
mod hostile;
mod memory;
mod site;
mod tally;

use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// Where clients ask for chat completions.
const CHAT: &str = "/v1/chat/completions";

/// For how long, and what comes.
#[derive(Debug, Clone, Copy)]
struct Run {
    length: Duration,
    seed: u64,
    /// The day on which it began, counted from 1970.
    day: u64,
}

impl Run {
    /// As the environment says.
    fn new(what: &str) -> Self {
        let length = Duration::from_secs(setting("SLUICE_SOAK_SECONDS").unwrap_or(20));
        let seed = setting("SLUICE_SOAK_SEED").unwrap_or_else(seconds);
        println!("seed {seed}, {} s, {what}", length.as_secs());
        Self { length, seed, day: today() }
    }

    /// Whether the day on which it began has not ended.
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

/// What a variable of the environment says.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not what it has to be: {text}")))
}

/// What is to be said of what should hold and does not.
fn unless(holds: bool, what: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(what)
}
