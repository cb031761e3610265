//! Keeps a provider's token fresh: asks well before it expires, and when that fails again and again, ever more seldom, while the
//! present one stays in use.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::Wanted;
use super::endpoint::{Endpoint, Token};
use crate::cli::Failure;
use crate::credentials::tell;
use crate::secrets::{for_sds, sds_file, write_one};

/// Between two tries after the first failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// However short a token's life is said to be.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Keeps tokens fresh until it is dropped.
#[derive(Debug)]
pub struct Refresh {
    /// Whose certificates a server may have that gives tokens.
    authorities: PathBuf,
    directory: PathBuf,
    /// Each with the thread that keeps it.
    kept: Vec<(Wanted, Kept)>,
}

/// The end of this is the thread's.
#[derive(Debug)]
struct Kept(#[expect(dead_code, reason = "it is dropped")] Sender<()>);

impl Refresh {
    /// Keeps none yet. Tokens will come from servers whose certificates are of these authorities, and go into `directory`.
    pub fn new(authorities: &Path, directory: &Path) -> Self {
        Self { authorities: authorities.to_owned(), directory: directory.to_owned(), kept: Vec::new() }
    }

    /// Keeps these and no others. Asks for the first tokens of the new ones, and writes their files, so that Envoy can use them. One
    /// that cannot be had is no reason not to: it is asked for again, and until then the provider refuses, which is a reason to ask
    /// the next.
    pub fn keep(&mut self, wanted: Vec<Wanted>) -> Result<(), Failure> {
        self.kept.retain(|(known, _)| wanted.contains(known));
        let new = wanted.into_iter().filter(|wanted| !self.kept.iter().any(|(known, _)| known == wanted));
        let new: Vec<Wanted> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let endpoint = Endpoint::new(&self.authorities).map_err(Failure::new)?;
        for wanted in new {
            let mut keeper = Keeper {
                wanted: wanted.clone(),
                endpoint: endpoint.clone(),
                directory: self.directory.clone(),
                failures: 0,
                text: String::new(),
            };
            keeper.write()?;
            let wait = keeper.renew();
            let (stop, stopped) = mpsc::channel();
            thread::spawn(move || keeper.keep(wait, &stopped));
            self.kept.push((wanted, Kept(stop)));
        }
        Ok(())
    }
}

/// One provider's.
struct Keeper {
    wanted: Wanted,
    endpoint: Endpoint,
    directory: PathBuf,
    /// In a row, at the last.
    failures: u32,
    /// The present token; none yet when it is empty.
    text: String,
}

impl Keeper {
    fn keep(mut self, mut wait: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = self.renew();
        }
    }

    /// Asks once, and gives back how long to wait until the next time.
    fn renew(&mut self) -> Duration {
        let renewed = self.ask();
        let provider = &self.wanted.provider;
        match renewed {
            Ok(lifetime) => {
                if self.failures > 0 {
                    tell(&format!("provider {provider}: got a new access token"));
                }
                self.failures = 0;
                before_the_end(lifetime)
            }
            Err(problem) => {
                let pause = pause_after(self.failures);
                self.failures = self.failures.saturating_add(1);
                let meanwhile = if self.text.is_empty() {
                    "the provider has no token until then"
                } else {
                    "the gateway keeps the old token"
                };
                let seconds = pause.as_secs();
                tell(&format!(
                    "provider {provider}: cannot get a new access token: {problem}; retrying in {seconds} s, \
                     {meanwhile}"
                ));
                pause
            }
        }
    }

    /// Has a new token put in place of the present one, and gives back how long it lives.
    fn ask(&mut self) -> Result<Duration, String> {
        let Token { text, lifetime } = self.wanted.source.fetch(&self.endpoint)?;
        self.text = text;
        self.write().map_err(|error| format!("cannot write the token for Envoy: {error}"))?;
        Ok(lifetime)
    }

    /// Writes the present token where Envoy reads it; an empty one is none for Envoy.
    fn write(&self) -> std::io::Result<()> {
        let cluster = &self.wanted.cluster;
        write_one(&self.directory, &sds_file(cluster), &for_sds(cluster, &self.text))
    }
}

/// With a quarter of its life left: time enough for many tries.
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
