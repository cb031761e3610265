//! Google Cloud access tokens. No filter of Envoy can fetch them per attempt: `gcp_authn` runs once per request, before the provider is
//! selected, and only supports the metadata server. So this command fetches them before Envoy starts and well before they expire, and
//! writes each to the file that Envoy watches.

mod account;
mod endpoint;
mod refresh;
mod source;

use std::path::Path;

use sluice_config::file::{File, Google, Judge};

pub use refresh::Refresh;
use source::Source;

use crate::secrets::{for_sds, sds_file, write_one};

/// A provider or judge that needs an access token.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its description in messages.
    owner: String,
    /// The Envoy cluster that sends the token.
    cluster: String,
    source: Source,
}

impl Wanted {
    /// Whose it is: `provider NAME` or `judge NAME`.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Fetches the token once, and forgets it.
    pub fn fetch(&self, authorities: &Path) -> Result<(), String> {
        self.source.fetch(&endpoint::Endpoint::new(authorities)?).map(drop)
    }
}

/// The providers and judges with such a token: a description, the cluster, and the source.
fn users(file: &File) -> impl Iterator<Item = (String, String, &Google)> {
    let providers = file.providers.iter().filter_map(|(name, provider)| {
        Some((format!("provider {name}"), provider.cluster(name), provider.google.as_ref()?))
    });
    let judges = file
        .judges
        .iter()
        .filter_map(|(name, judge)| Some((format!("judge {name}"), Judge::cluster(name), judge.google.as_ref()?)));
    providers.chain(judges)
}

/// Returns the tokens to fetch, or what is missing. Paths are relative to `base`.
pub fn wanted(file: &File, base: &Path) -> Result<Vec<Wanted>, Vec<String>> {
    let mut wanted = Vec::new();
    let mut missing = Vec::new();
    for (owner, cluster, google) in users(file) {
        let source = Source::of(google, base, |variable| std::env::var(variable).ok());
        match source.check() {
            Ok(()) => wanted.push(Wanted { owner, cluster, source }),
            Err(problem) => missing.push(format!("{owner}: {problem}")),
        }
    }
    if missing.is_empty() { Ok(wanted) } else { Err(missing) }
}

/// Reports for each provider and judge with such a token how Envoy gets one without `sluice run`. Writes an empty token if there is none, since Envoy
/// does not start without the file.
pub fn leave_to_others(file: &File, directory: &Path) -> std::io::Result<()> {
    for (owner, cluster, _) in users(file) {
        let path = directory.join(sds_file(&cluster));
        if !path.exists() {
            write_one(directory, &sds_file(&cluster), &for_sds(&cluster, ""))?;
        }
        super::print_message(&format!(
            "{owner}: only `sluice run` fetches and refreshes Google access tokens. For your own Envoy, keep \
             a valid token in the SDS secret in {}",
            path.display()
        ));
    }
    Ok(())
}
