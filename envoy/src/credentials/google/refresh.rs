//! Renews a provider's or judge's token well before it expires. After repeated failures it retries at growing intervals, and the current
//! token stays in use.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::Wanted;
use super::endpoint::{Endpoint, Token};
use crate::cli::Failure;
use crate::credentials::print_message;
use crate::secrets::{for_sds, sds_file, write_one};

/// The delay before the first retry, doubled with each further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The minimum delay between two renewals, even for a very short lifetime.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Renews tokens until it is dropped.
#[derive(Debug)]
pub struct Refresh {
    /// The CA certificates of token endpoints.
    authorities: PathBuf,
    directory: PathBuf,
    /// Each token with the handle of its thread.
    kept: Vec<(Wanted, StopOnDrop)>,
}

/// Dropping it ends the thread.
#[derive(Debug)]
struct StopOnDrop(#[expect(dead_code, reason = "it is dropped")] Sender<()>);

impl Refresh {
    /// Starts without tokens. `authorities` are the CA certificates of token endpoints, and tokens are written to `directory`.
    pub fn new(authorities: &Path, directory: &Path) -> Self {
        Self { authorities: authorities.to_owned(), directory: directory.to_owned(), kept: Vec::new() }
    }

    /// Replaces the set of tokens. Fetches the first token of each new one and writes its file for Envoy. A failed fetch is not an error:
    /// it is retried, and until then the provider rejects requests, so that the next target is tried.
    pub fn keep(&mut self, wanted: Vec<Wanted>) -> Result<(), Failure> {
        self.kept.retain(|(known, _)| wanted.contains(known));
        let new = wanted.into_iter().filter(|wanted| !self.kept.iter().any(|(known, _)| known == wanted));
        let new: Vec<Wanted> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let endpoint = Endpoint::new(&self.authorities).map_err(Failure::new)?;
        for wanted in new {
            let mut renewal = Renewal {
                wanted: wanted.clone(),
                endpoint: endpoint.clone(),
                directory: self.directory.clone(),
                failures: 0,
                text: String::new(),
            };
            renewal.write()?;
            let wait = renewal.renew();
            let (stop, stopped) = mpsc::channel();
            thread::spawn(move || renewal.keep(wait, &stopped));
            self.kept.push((wanted, StopOnDrop(stop)));
        }
        Ok(())
    }
}

/// The renewal of one provider's token.
struct Renewal {
    wanted: Wanted,
    endpoint: Endpoint,
    directory: PathBuf,
    /// Consecutive failures.
    failures: u32,
    /// The current token; empty if there is none yet.
    text: String,
}

impl Renewal {
    fn keep(mut self, mut wait: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = self.renew();
        }
    }

    /// Fetches a token, and returns the delay until the next time.
    fn renew(&mut self) -> Duration {
        let renewed = self.ask();
        let owner = &self.wanted.owner;
        match renewed {
            Ok(lifetime) => {
                if self.failures > 0 {
                    print_message(&format!("{owner}: got a new access token"));
                }
                self.failures = 0;
                before_the_end(lifetime)
            }
            Err(problem) => {
                let pause = pause_after(self.failures);
                self.failures = self.failures.saturating_add(1);
                let meanwhile = if self.text.is_empty() {
                    "there is no token until then"
                } else {
                    "the gateway keeps the old token"
                };
                let seconds = pause.as_secs();
                print_message(&format!(
                    "{owner}: cannot get a new access token: {problem}; retrying in {seconds} s, \
                     {meanwhile}"
                ));
                pause
            }
        }
    }

    /// Replaces the current token, and returns the new one's lifetime.
    fn ask(&mut self) -> Result<Duration, String> {
        let Token { text, lifetime } = self.wanted.source.fetch(&self.endpoint)?;
        self.text = text;
        self.write().map_err(|error| format!("cannot write the token for Envoy: {error}"))?;
        Ok(lifetime)
    }

    /// Writes the current token for Envoy. An empty one means no token to Envoy.
    fn write(&self) -> std::io::Result<()> {
        let cluster = &self.wanted.cluster;
        write_one(&self.directory, &sds_file(cluster), &for_sds(cluster, &self.text))
    }
}

/// The delay until a quarter of the lifetime is left, which is enough time for many retries.
fn before_the_end(lifetime: Duration) -> Duration {
    (lifetime * 3 / 4).max(SHORTEST_WAIT)
}

fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_well_before_they_expire() {
        for (lifetime, expected) in [(3600, 2700), (300, 225), (0, 1)] {
            assert_eq!(before_the_end(Duration::from_secs(lifetime)), Duration::from_secs(expected));
        }
    }

    #[test]
    fn failures_are_answered_with_ever_longer_pauses() {
        let seconds: Vec<u64> = (0..8).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
