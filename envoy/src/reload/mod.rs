//! Applies a changed gateway file at runtime.
//!
//! Envoy watches the files of a directory (see [`discovery`]). A change is written in an order in which each file refers only to names in
//! earlier files: secrets, clusters, routes, listeners, the filter. Each file is written only after Envoy has loaded the previous one. So
//! every request finds everything that its plan refers to, whichever configuration it started with. An unused cluster stays until no
//! request that started with it can be in flight.
//!
//! Each file is replaced atomically, and Envoy can serve from every state in between: this command and Envoy may exit at any moment. A
//! change that Envoy does not load is rolled back.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use sluice_config::plugin::{BadConfig, Reload};
use sluice_wire::calendar;

use crate::check::{self, Checked, Located};
use crate::render::discovery::{self, Cluster, Role};
use crate::render::{self, longest};
use crate::secrets::{self, Secrets};

mod files;
mod state;
mod statics;
mod taken;
mod watches;

use files::{Files, STATE};
use state::State;
use statics::Statics;
pub use statics::{RESTARTED, searches_for_aws};
pub use taken::{Running, Taken};

/// The maximum number of retired clusters, unless the limit of watched credentials is lower. Beyond it the oldest one is removed.
const MOST_RETIRED: usize = 100;
/// Envoy's arguments for draining: a replaced listener closes its connections after their next response and does not cut busy ones, within
/// a time that is longer than nearly all requests.
pub const DRAINING: [&str; 4] = ["--drain-strategy", "immediate", "--drain-time-s", "3600"];
/// How long a retired cluster outlives the longest request, since workers load a change one after another.
const MARGIN: Duration = Duration::from_secs(10);

/// Why a gateway file was not applied. The previous one stays active.
#[derive(Debug)]
pub enum NotApplied {
    /// These parts are only read when Envoy starts.
    Restart(Vec<&'static str>),
    /// Envoy rejected a file, or did not load it in time.
    Envoy(String),
    /// A file could not be written.
    Write(io::Error),
    /// Envoy could not watch all files.
    Watches(String),
}

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart(parts) => {
                write!(f, "{}: read only at startup. Restart the gateway, or undo the change", parts.join(", "))
            }
            Self::Watches(problem) => f.write_str(problem),
            Self::Envoy(problem) => write!(f, "Envoy did not apply the change: {problem}"),
            Self::Write(error) => write!(f, "cannot write Envoy's configuration files: {error}"),
        }
    }
}

impl From<io::Error> for NotApplied {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// A gateway file, ready to be applied.
#[derive(Debug)]
pub struct Prepared {
    /// The checked file, with each provider's clusters named after its definition.
    pub checked: Checked,
    /// A hash of the file and its prices, independent of where it is read.
    pub version: String,
    bootstrap: String,
    statics: Statics,
    clusters: Vec<Cluster>,
    /// The maximum duration of a request.
    longest: Duration,
}

impl Prepared {
    /// Prepares a file for an Envoy that reads its files in this directory.
    pub fn new(mut checked: Checked, directory: &Path, options: &render::Options) -> Self {
        let version = discovery::short(&Sha256::digest(serde_json::to_vec(&checked.file).unwrap_or_default()));
        let bootstrap = discovery::bootstrap(&checked, directory, options);
        let statics = Statics::of(&checked.file, options);
        discovery::name_by_definition(&mut checked.file, options);
        let clusters = discovery::clusters(&checked.file, options);
        let longest = longest(&checked.gateway);
        Self { checked, version, bootstrap, statics, clusters, longest }
    }
}

/// Reads a gateway file in the directory `base`, or returns its mistakes as `check` prints them.
pub fn read(path: &Path, base: &Path) -> Result<Checked, Vec<String>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("cannot read {name}: {error}")])?;
    let located =
        |diagnostics: Vec<Located>| diagnostics.iter().map(|diagnostic| format!("{name}:{diagnostic}")).collect();
    check::check_in(&text, base).map_err(located)
}

/// Enough mistakes for a reader. Each worker stores them in memory.
const MOST_DIAGNOSTICS: usize = 100;

/// Truncates a list of mistakes.
pub fn first(mut diagnostics: Vec<String>) -> Vec<String> {
    let more = diagnostics.len().saturating_sub(MOST_DIAGNOSTICS);
    if more > 0 {
        diagnostics.truncate(MOST_DIAGNOSTICS);
        diagnostics.push(format!("and {more} more: `sluice check` prints all"));
    }
    diagnostics
}

/// The directory of one Envoy, and what was written to it.
#[derive(Debug)]
pub struct Applied {
    files: Files,
    options: render::Options,
    state: State,
}

impl Applied {
    /// Opens a directory that was written before; `None` if it was not.
    pub fn read(directory: &Path, mode: u32, options: render::Options) -> io::Result<Option<Self>> {
        let files = Files::of(directory, mode);
        Ok(files.state()?.map(|state| Self { files, options, state }))
    }

    /// Writes everything for an Envoy that is about to start, possibly over previous files. Until the filter's configuration is written, a
    /// starting Envoy still finds what the old one refers to.
    pub fn start(
        first: &Prepared,
        secrets: &Secrets,
        directory: &Path,
        mode: u32,
        options: render::Options,
    ) -> io::Result<Self> {
        let files = Files::of(directory, mode);
        // Unreadable state is written again.
        let state = files.state().ok().flatten().unwrap_or_default();
        let mut applied = Self { files, options, state };
        applied.adopt(first, now());
        applied.state.module = applied.module();
        secrets::write(secrets, &applied.secrets())?;
        let write =
            |(name, text): (_, String)| applied.files.replace(name, &text, &xds_version(&first.version)).map(drop);
        applied.texts(first).into_iter().try_for_each(write)?;
        // No request is in flight.
        applied.state.retired.clear();
        let write =
            |(name, text): (_, String)| applied.files.replace(name, &text, &xds_version(&first.version)).map(drop);
        applied.texts(first).into_iter().rev().try_for_each(write)?;
        applied.sweep(secrets);
        applied.files.save(&applied.state)?;
        applied.files.write(discovery::BOOTSTRAP, &first.bootstrap)?;
        Ok(applied)
    }

    /// The path of Envoy's bootstrap configuration.
    pub fn bootstrap(&self) -> PathBuf {
        self.files.path(discovery::BOOTSTRAP)
    }

    /// The secrets directory.
    pub fn secrets(&self) -> PathBuf {
        secrets_in(self.files.directory())
    }

    /// The active version.
    pub fn version(&self) -> &str {
        self.state.reload.as_ref().map_or("", |reload| &reload.version)
    }

    /// Whether the files are as this command would write them.
    pub fn is_written(&self, next: &Prepared) -> bool {
        let State { bootstrap, clusters, .. } = &self.state;
        let same = *bootstrap == next.bootstrap && *clusters == next.clusters;
        same && self.texts(next).iter().all(|(name, text)| self.files.has(name, text))
    }

    /// Removes the credentials of deleted clusters.
    fn sweep(&self, secrets: &Secrets) {
        for entry in std::fs::read_dir(self.secrets()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = |cluster: &Cluster| secrets::files_of(&cluster.name).contains(&name);
            // Only names of generated clusters contain this mark.
            if name.contains('~') && !secrets.contains_key(&name) && !self.state.all().any(ours) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// A hash of the filter's current module; `None` if it is on another machine.
    fn module(&self) -> Option<String> {
        let module = std::fs::read(self.options.module.path()).ok()?;
        Some(discovery::short(&Sha256::digest(module)))
    }

    /// Whether the module has changed since Envoy started. Envoy would load it with the next file, and its filters would no longer share a
    /// VM.
    pub fn has_another_module(&self) -> bool {
        self.state.module.is_some() && self.module().is_some_and(|module| self.state.module != Some(module))
    }

    /// Whether this file is active, and no other was rejected since.
    pub fn is(&self, next: &Prepared) -> bool {
        let reload = self.state.reload.as_ref();
        reload.is_some_and(|reload| reload.version == next.version && reload.refused.is_none())
    }

    /// Replaces the active gateway file and its credentials.
    pub fn change(&mut self, next: &Prepared, secrets: &Secrets, taken: &dyn Taken) -> Result<(), NotApplied> {
        let parts = self.state.statics.differing(&next.statics);
        if !parts.is_empty() {
            return Err(NotApplied::Restart(parts));
        }
        if self.state.bootstrap != next.bootstrap {
            return Err(NotApplied::Restart(vec!["Envoy's startup configuration"]));
        }
        let more = self.more_to_watch(next, secrets);
        if let Some(problem) = watches::lack(more, taken.watches_left()) {
            return Err(NotApplied::Watches(problem));
        }
        let now = now();
        // Record the clusters before they are written, or a crash would leave them behind forever.
        self.state.expect(&next.clusters, now);
        self.files.save(&self.state)?;
        // Credentials that are in use change together with the rest, or not at all.
        let (present, new): (Secrets, Secrets) =
            secrets.clone().into_iter().partition(|(name, _)| self.is_in_use(name));
        self.renew(&new)?;

        let before = self.state.clone();
        self.adopt(next, now);
        let mut texts = self.texts(next);
        // The state is written before the filter's configuration that it belongs to.
        texts.insert(texts.len() - 1, (STATE, serde_json::to_string(&self.state).map_err(io::Error::from)?));
        if let Err(problem) = self.write(texts, taken) {
            self.state = before;
            return Err(problem);
        }
        self.renew(&present)?;
        // The change is active; leftovers stay until the next one.
        let _ = self.tidy(next, taken);
        Ok(())
    }

    /// The number of additional files that Envoy has to watch: credentials of new clusters, and certificates.
    fn more_to_watch(&self, next: &Prepared, secrets: &Secrets) -> usize {
        let is_known = |cluster: &Cluster| self.state.all().any(|known| known.name == cluster.name);
        let others = secrets.keys().filter(|name| !name.contains('~') && !self.secrets().join(name).exists());
        watched(next.clusters.iter().filter(|cluster| !is_known(cluster))) + others.count()
    }

    /// Whether a credential's file belongs to the active configuration.
    fn is_in_use(&self, name: &str) -> bool {
        let ours = |cluster: &Cluster| secrets::files_of(&cluster.name).iter().any(|file| file == name);
        let of_a_retired = self.state.retired.iter().any(|retired| ours(&retired.cluster));
        !of_a_retired && self.secrets().join(name).exists()
    }

    /// Replaces the credentials of the active configuration.
    pub fn renew(&self, secrets: &Secrets) -> io::Result<()> {
        secrets.iter().try_for_each(|(name, text)| secrets::write_one(&self.secrets(), name, text))
    }

    /// Reports a rejected gateway file through the administration API and the metrics.
    pub fn refuse(&mut self, diagnostics: Vec<String>, taken: &dyn Taken) -> Result<(), NotApplied> {
        let before = self.state.clone();
        if let Some(reload) = &mut self.state.reload {
            reload.refused = Some(BadConfig { at: calendar::moment(now()), mistakes: first(diagnostics) });
        }
        if let Err(problem) = self.write(self.filters(), taken) {
            self.state = before;
            return Err(problem);
        }
        Ok(self.files.save(&self.state)?)
    }

    /// Makes the filter end all requests and reject new ones. The files stay so.
    pub fn end_requests(&self) -> io::Result<()> {
        let (Some(file), Some(reload)) = (&self.state.file, &self.state.reload) else { return Ok(()) };
        let text = discovery::filter_file(Role::Shutdown, file, reload, &self.options);
        self.files.replace(discovery::GATEWAY_FILTER, &text, &xds_version(&reload.version)).map(drop)
    }

    /// Whether the last rejection had the same mistakes.
    pub fn refused(&self, diagnostics: &[String]) -> bool {
        let refused = self.state.reload.as_ref().and_then(|reload| reload.refused.as_ref());
        refused.is_some_and(|refused| refused.mistakes == first(diagnostics.to_vec()))
    }

    /// Whether there are clusters that requests in flight may no longer need.
    pub fn is_untidy(&self) -> bool {
        self.state.has_over(now(), MARGIN.as_secs(), most_retired())
    }

    /// Removes the clusters that requests in flight can no longer need.
    pub fn tidy(&mut self, present: &Prepared, taken: &dyn Taken) -> Result<(), NotApplied> {
        let before = self.state.clone();
        // If no request is in flight, all later requests start with the active file.
        let kept_for = if taken.is_idle() { MARGIN } else { present.longest + MARGIN };
        let over = self.state.over(now(), kept_for.as_secs(), most_retired());
        if over.is_empty() {
            return Ok(());
        }
        // In reverse order: first the files that refer to the clusters.
        let mut texts = self.texts(present);
        texts.reverse();
        if let Err(problem) = self.write(texts, taken) {
            self.state = before;
            return Err(problem);
        }
        for name in over {
            for file in secrets::files_of(&name) {
                let _ = std::fs::remove_file(self.secrets().join(file));
            }
        }
        Ok(self.files.save(&self.state)?)
    }

    fn adopt(&mut self, next: &Prepared, now: u64) {
        self.state.retire(&next.clusters, now);
        self.state.reload =
            Some(Reload { version: next.version.clone(), applied_at: calendar::moment(now), refused: None });
        self.state.file = Some(discovery::for_the_filter(&next.checked.file));
        self.state.bootstrap.clone_from(&next.bootstrap);
        self.state.statics = next.statics.clone();
    }

    /// The files of the active configuration, in the order in which they are written.
    fn texts(&self, present: &Prepared) -> Vec<(&'static str, String)> {
        let checked = &present.checked;
        let directory = self.files.directory();
        let mut filters = self.filters();
        let gateway = filters.pop();
        let before = [
            (discovery::CLUSTERS, discovery::clusters_file(self.state.all())),
            (discovery::ROUTES, discovery::routes_file(checked, self.state.all())),
        ];
        let listeners = discovery::listeners_file(checked, self.state.all(), directory, &self.options);
        // A new listener needs its filter's configuration first.
        before.into_iter().chain(filters).chain([(discovery::LISTENERS, listeners)]).chain(gateway).collect()
    }

    /// The filter's configuration by role: the admin role's, if enabled, and last the gateway role's.
    fn filters(&self) -> Vec<(&'static str, String)> {
        let (Some(file), Some(reload)) = (&self.state.file, &self.state.reload) else { return Vec::new() };
        let admin = file.admin.as_ref().map(|_| (discovery::ADMIN_FILTER, Role::Admin));
        let roles = admin.into_iter().chain([(discovery::GATEWAY_FILTER, Role::Gateway)]);
        roles.map(|(name, role)| (name, discovery::filter_file(role, file, reload, &self.options))).collect()
    }

    /// Writes files in order, each after Envoy has loaded the previous one. Rolls back if Envoy does not load one.
    fn write(&self, texts: Vec<(&'static str, String)>, taken: &dyn Taken) -> Result<(), NotApplied> {
        let version = xds_version(self.version());
        let mut earlier = Vec::new();
        for (name, text) in texts {
            let done = self.files.replace(name, &text, &version).map_err(NotApplied::Write).and_then(|text| {
                let Some(text) = text else { return Ok(()) };
                earlier.push((name, text));
                taken.wait(name, &version).map_err(NotApplied::Envoy)
            });
            if let Err(problem) = done {
                for (name, text) in earlier.into_iter().rev() {
                    self.files.restore(name, text)?;
                }
                return Err(problem);
            }
        }
        Ok(())
    }
}

/// The secrets directory inside a directory.
pub fn secrets_in(directory: &Path) -> PathBuf {
    directory.join("secrets")
}

/// Each retired cluster needs a watch for its credential. They may use a quarter of Envoy's watches.
fn most_retired() -> usize {
    watches::limit().map_or(MOST_RETIRED, |limit| MOST_RETIRED.min(limit / 4))
}

/// Why an Envoy that starts with this file could not watch all of its files, if so.
pub fn lacks_watches(first: &Prepared, secrets: &Secrets) -> Option<String> {
    // The files of this directory, and the credentials that are not a cluster's.
    let others = secrets.keys().filter(|name| !name.contains('~')).count();
    watches::lack(FILES + watched(&first.clusters) + others, watches::left())
}

/// The number of these clusters' credentials that Envoy watches.
fn watched<'a>(clusters: impl IntoIterator<Item = &'a Cluster>) -> usize {
    clusters.into_iter().map(|cluster| cluster.text.matches("watched_directory").count()).sum()
}

/// The number of files that Envoy always watches.
const FILES: usize = 5;

/// A unique version of a file for Envoy.
fn xds_version(version: &str) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{version}-{}", time.as_millis())
}

/// In seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
