//! The gateway file of a running gateway: reloaded when it changes, and applied or rejected as a whole.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::check::Checked;
use crate::cli::Failure;
use crate::credentials::{Watch, google, print_message};
use crate::edits::Edits;
use crate::reload::{self, Applied, NotApplied, Prepared, Running};
use crate::run::{Options, free};
use crate::{render, secrets};

/// The active configuration and its sources.
pub struct Live {
    path: PathBuf,
    base: PathBuf,
    directory: PathBuf,
    rendering: render::Options,
    present: Prepared,
    applied: Applied,
    tokens: google::Refresh,
    /// Watches the credentials of the active configuration.
    watch: Option<Watch>,
    edits: Edits,
    /// When to retry a rejected file: the cause may resolve itself, such as a missing key file or a busy Envoy.
    again: Option<Instant>,
}

/// Delay before a rejected file is retried.
const AGAIN: Duration = Duration::from_secs(10);

impl Live {
    /// Writes everything that an Envoy needs to start into a private directory.
    pub fn new(
        checked: Checked,
        options: &Options,
        rendering: render::Options,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let present = Prepared::new(checked, directory, &rendering);
        let (found, wanted) = credentials(&present, &options.base).map_err(crate::cli::missing)?;
        if let Some(problem) = reload::lacks_watches(&present, &found) {
            return Err(Failure::new(problem));
        }
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
            again: None,
        })
    }

    /// The path of Envoy's bootstrap configuration.
    pub fn bootstrap(&self) -> PathBuf {
        self.applied.bootstrap()
    }

    /// The active gateway file.
    pub fn checked(&self) -> &Checked {
        &self.present.checked
    }

    /// Makes the filter end all requests and reject new ones.
    pub fn end_requests(&self) -> io::Result<()> {
        self.applied.end_requests()
    }

    /// Applies the gateway file if it has changed or is due for a retry. `stop` returns whether the process is shutting down.
    pub fn look(&mut self, envoy: SocketAddr, stop: &dyn Fn() -> bool) {
        let again = self.again.is_some_and(|moment| moment <= Instant::now());
        let edited = self.edits.look();
        if edited || again {
            self.attempt(envoy, stop, !edited);
        }
    }

    /// Reads the gateway file, and applies it unless it is active already.
    pub fn read(&mut self, envoy: SocketAddr, stop: &dyn Fn() -> bool) {
        if self.attempt(envoy, stop, false) == Some(false) {
            print_message(&format!("{}: version {} is active already", self.path.display(), self.applied.version()));
        }
    }

    /// Applies the file and reports the outcome. `again` means that the file has not changed, so the same mistakes are not reported again.
    /// Returns whether anything changed, or `None` on failure.
    fn attempt(&mut self, envoy: SocketAddr, stop: &dyn Fn() -> bool, again: bool) -> Option<bool> {
        self.again = None;
        let name = self.path.display().to_string();
        let begun = Instant::now();
        let done = self.apply(envoy, stop);
        match &done {
            Ok(true) => print_message(&format!(
                "{name} has changed, and is active after {} ms: version {}",
                begun.elapsed().as_millis(),
                self.applied.version()
            )),
            Ok(false) => {}
            Err(diagnostics) if again && self.applied.refused(diagnostics) => {}
            Err(diagnostics) => {
                let diagnostics = reload::first(diagnostics.clone());
                let each: String = diagnostics.iter().map(|diagnostic| format!("\n{diagnostic}")).collect();
                print_message(&format!(
                    "{name} has changed, and cannot be used; the gateway keeps the previous version{each}"
                ));
                let told = Running::of(envoy, stop)
                    .and_then(|envoy| self.applied.refuse(diagnostics, &envoy).map_err(|error| error.to_string()));
                if let Err(error) = told {
                    print_message(&format!("the admin API cannot report this problem: {error}"));
                }
            }
        }
        done.ok()
    }

    /// Removes clusters that requests no longer need.
    pub fn tidy(&mut self, envoy: SocketAddr, stop: &dyn Fn() -> bool) {
        if !self.applied.is_untidy() {
            return;
        }
        let tidied = Running::of(envoy, stop)
            .and_then(|envoy| self.applied.tidy(&self.present, &envoy).map_err(|error| error.to_string()));
        if let Err(error) = tidied {
            print_message(&format!("cannot remove unused clusters yet: {error}"));
        }
    }

    /// Applies the file. Returns whether anything changed, or everything that prevents it.
    fn apply(&mut self, envoy: SocketAddr, stop: &dyn Fn() -> bool) -> Result<bool, Vec<String>> {
        let begun = Instant::now();
        let checked = reload::read(&self.path, &self.base);
        // A file that takes long to read must not be read all the time.
        self.again = Some(Instant::now() + AGAIN + begun.elapsed() * 20);
        let checked = checked?;
        self.edits.follow(files(&self.path, &self.base, &checked));
        let next = Prepared::new(checked, &self.directory, &self.rendering);
        if self.applied.is(&next) {
            self.again = None;
            return Ok(false);
        }
        let (found, wanted) = credentials(&next, &self.base)?;
        self.new_addresses(&next.checked)?;
        let running = Running::of(envoy, stop);
        let changed = running.map_err(NotApplied::Envoy).and_then(|running| {
            self.tokens.keep(wanted).map_err(|failure| NotApplied::Write(io::Error::other(failure.to_string())))?;
            // Stops watching first: the old credentials must not overwrite the new ones.
            self.watch = None;
            self.applied.change(&next, &found, &running)
        });
        if let Err(problem) = changed {
            self.go_on();
            if matches!(problem, NotApplied::Restart(_)) {
                self.again = None;
            }
            return Err(vec![format!("{}: {problem}", self.path.display())]);
        }
        self.watch = Some(Watch::start(&next.checked.file, &self.base, &found, &self.applied.secrets()));
        self.present = next;
        self.again = None;
        Ok(true)
    }

    /// Resumes watching the active configuration's credentials after another file failed. A credential that is unavailable now was
    /// available before.
    fn go_on(&mut self) {
        let file = &self.present.checked.file;
        if let Ok(wanted) = google::wanted(file, &self.base)
            && let Err(failure) = self.tokens.keep(wanted)
        {
            print_message(&failure.to_string());
        }
        // Changes since the last write still have to be written.
        let written = secrets::written(file, &self.base, &self.applied.secrets());
        self.watch = Some(Watch::start(file, &self.base, &written, &self.applied.secrets()));
    }

    /// Checks that new addresses are free. Envoy would silently share one with another Envoy. A new address may overlap with one that this
    /// gateway has, which only a socket of its Envoy can hold.
    fn new_addresses(&self, next: &Checked) -> Result<(), Vec<String>> {
        let present: Vec<SocketAddr> = addresses(self.checked()).map(|(_, address)| address).collect();
        let is_ours = |address: SocketAddr| present.iter().any(|ours| sluice_config::overlap(*ours, address));
        let problems = addresses(next).filter(|(_, address)| !is_ours(*address)).filter_map(|(field, address)| {
            free(address, &format!("change `{field}`, or stop the program that uses the address")).err()
        });
        let problems: Vec<String> = problems.map(|failure| failure.to_string()).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// The addresses that a gateway listens on, with the names of their fields.
fn addresses(checked: &Checked) -> impl Iterator<Item = (&'static str, SocketAddr)> {
    let admin = checked.file.admin.as_ref().map(|admin| ("admin.listen", &admin.listen));
    let both = std::iter::once(("listen", &checked.file.listen)).chain(admin);
    both.filter_map(|(field, text)| Some((field, text.parse().ok()?)))
}

/// The credentials of a new configuration, or everything that is missing.
fn credentials(prepared: &Prepared, base: &Path) -> Result<(secrets::Secrets, Vec<google::Wanted>), Vec<String>> {
    let file = &prepared.checked.file;
    match (secrets::resolve(file, base), google::wanted(file, base)) {
        (Ok(secrets), Ok(tokens)) => Ok((secrets, tokens)),
        (secrets, tokens) => Err(secrets.err().into_iter().chain(tokens.err()).flatten().collect()),
    }
}

/// The files that the configuration is read from, except credentials.
fn files(gateway: &Path, base: &Path, checked: &Checked) -> Vec<PathBuf> {
    let prices = checked.file.prices.file.as_ref().map(|file| base.join(file));
    std::iter::once(gateway.to_owned()).chain(prices).collect()
}
