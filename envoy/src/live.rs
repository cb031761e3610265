//! The gateway file of a running gateway: read when it changes, and applied, or refused whole.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::check::{self, Checked};
use crate::cli::Failure;
use crate::credentials::{Watch, google, tell};
use crate::edits::Edits;
use crate::reload::{Applied, Prepared, Running};
use crate::run::{Options, free};
use crate::{render, secrets};

/// What runs, and what it was made from.
pub struct Live {
    path: PathBuf,
    base: PathBuf,
    directory: PathBuf,
    rendering: render::Options,
    present: Prepared,
    applied: Applied,
    tokens: google::Refresh,
    /// Follows the credentials of what runs.
    watch: Option<Watch>,
    edits: Edits,
}

impl Live {
    /// Writes what an Envoy needs to start, into a private directory.
    pub fn new(
        checked: Checked,
        options: &Options,
        rendering: render::Options,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let present = Prepared::new(checked, directory, &rendering);
        let (found, wanted) = credentials(&present, &options.base).map_err(crate::cli::missing)?;
        let applied = Applied::start(&present, &found, directory, 0o600, rendering.clone())?;
        let mut tokens = google::Refresh::new(&options.ca, &applied.secrets());
        tokens.keep(wanted)?;
        let watch = Watch::start(&present.checked.file, &options.base, &found, &applied.secrets());
        Ok(Self {
            path: options.file.clone(),
            base: options.base.clone(),
            directory: directory.to_owned(),
            rendering,
            edits: Edits::of(files(&options.file, &options.base, &present.checked)),
            present,
            applied,
            tokens,
            watch: Some(watch),
        })
    }

    /// Envoy's bootstrap configuration.
    pub fn bootstrap(&self) -> PathBuf {
        self.applied.bootstrap()
    }

    /// What runs.
    pub fn checked(&self) -> &Checked {
        &self.present.checked
    }

    /// Applies the gateway file if it has changed.
    pub fn look(&mut self, envoy: SocketAddr) {
        if self.edits.look() {
            self.read(envoy);
        }
    }

    /// Reads the gateway file, and applies it if it is not in force.
    pub fn read(&mut self, envoy: SocketAddr) {
        let name = self.path.display().to_string();
        let begun = Instant::now();
        match self.apply(envoy) {
            Ok(true) => tell(&format!(
                "{name} has changed, and is in force after {} ms: version {}",
                begun.elapsed().as_millis(),
                self.applied.version()
            )),
            Ok(false) => {}
            Err(mistakes) => {
                let each: String = mistakes.iter().map(|mistake| format!("\n{mistake}")).collect();
                tell(&format!("{name} has changed, and cannot be used; the gateway goes on with the one before{each}"));
                let told = Running::of(envoy)
                    .and_then(|envoy| self.applied.refuse(mistakes, &envoy).map_err(|error| error.to_string()));
                if let Err(error) = told {
                    tell(&format!("the administration interface does not tell of it: {error}"));
                }
            }
        }
    }

    /// Removes what no request can need any more.
    pub fn tidy(&mut self, envoy: SocketAddr) {
        let tidied = Running::of(envoy)
            .and_then(|envoy| self.applied.tidy(&self.present, &envoy).map_err(|error| error.to_string()));
        if let Err(error) = tidied {
            tell(&format!("clusters that nobody uses any more stay for now: {error}"));
        }
    }

    /// Whether there was something to do; else all that is in the way of it.
    fn apply(&mut self, envoy: SocketAddr) -> Result<bool, Vec<String>> {
        let name = self.path.display();
        let text = fs::read_to_string(&self.path).map_err(|error| vec![format!("cannot read {name}: {error}")])?;
        let checked = check::check_in(&text, &self.base)
            .map_err(|mistakes| mistakes.iter().map(|mistake| format!("{name}:{mistake}")).collect::<Vec<_>>())?;
        self.edits.follow(files(&self.path, &self.base, &checked));
        let next = Prepared::new(checked, &self.directory, &self.rendering);
        if next.version == self.applied.version() && !self.applied.was_refused() {
            return Ok(false);
        }
        let (found, wanted) = credentials(&next, &self.base)?;
        self.new_addresses(&next.checked)?;
        let one = |problem: String| vec![problem];
        let running = Running::of(envoy).map_err(one)?;
        self.tokens.keep(wanted).map_err(|failure| one(failure.to_string()))?;
        // What was written for the one before is not to be written over what the next one says.
        self.watch = None;
        let changed = self.applied.change(&next, &found, &running);
        let present = if changed.is_ok() {
            next
        } else {
            return changed.map(|()| true).map_err(|problem| one(problem.to_string()));
        };
        self.present = present;
        self.watch = Some(Watch::start(&self.present.checked.file, &self.base, &found, &self.applied.secrets()));
        Ok(true)
    }

    /// Envoy would share an address with another Envoy without a word.
    fn new_addresses(&self, next: &Checked) -> Result<(), Vec<String>> {
        let admin = |checked: &Checked| checked.file.admin.as_ref().map(|admin| admin.listen.clone());
        let listen = |checked: &Checked| Some(checked.file.listen.clone());
        let both =
            [("listen", listen(self.checked()), listen(next)), ("admin.listen", admin(self.checked()), admin(next))];
        let problems = both.into_iter().filter(|(_, old, new)| old != new).filter_map(|(field, _, new)| {
            let address = new?.parse().ok()?;
            free(address, &format!("change `{field}`, or stop what uses it")).err()
        });
        let problems: Vec<String> = problems.map(|failure| failure.to_string()).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// The credentials of what is to run, or all that is missing.
fn credentials(prepared: &Prepared, base: &Path) -> Result<(secrets::Secrets, Vec<google::Wanted>), Vec<String>> {
    let file = &prepared.checked.file;
    match (secrets::resolve(file, base), google::wanted(file, base)) {
        (Ok(secrets), Ok(tokens)) => Ok((secrets, tokens)),
        (secrets, tokens) => Err(secrets.err().into_iter().chain(tokens.err()).flatten().collect()),
    }
}

/// The files that say what runs, besides those of credentials.
fn files(gateway: &Path, base: &Path, checked: &Checked) -> Vec<PathBuf> {
    let prices = checked.file.prices.file.as_ref().map(|file| base.join(file));
    std::iter::once(gateway.to_owned()).chain(prices).collect()
}
