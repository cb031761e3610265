//! Google Cloud access tokens. No filter of Envoy can fetch them per attempt: `gcp_authn` runs once per request, before the provider is
//! selected, and only supports the metadata server. So this command fetches them before Envoy starts and well before they expire, and
//! writes each to the file that Envoy watches.

mod account;
mod endpoint;
mod refresh;
mod source;

use std::path::Path;

use sluice_config::file::File;

pub use refresh::Refresh;
use source::Source;

use crate::secrets::{for_sds, sds_file, write_one};

/// A provider that needs an access token.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    provider: String,
    /// The Envoy cluster that sends the token.
    cluster: String,
    source: Source,
}

impl Wanted {
    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Fetches the token once, and forgets it.
    pub fn fetch(&self, authorities: &Path) -> Result<(), String> {
        self.source.fetch(&endpoint::Endpoint::new(authorities)?).map(drop)
    }
}

/// Returns the tokens to fetch, or what is missing. Paths are relative to `base`.
pub fn wanted(file: &File, base: &Path) -> Result<Vec<Wanted>, Vec<String>> {
    let mut wanted = Vec::new();
    let mut missing = Vec::new();
    for (name, provider) in &file.providers {
        let Some(google) = &provider.google else { continue };
        let source = Source::of(google, base, |variable| std::env::var(variable).ok());
        match source.check() {
            Ok(()) => wanted.push(Wanted { provider: name.clone(), cluster: provider.cluster(name), source }),
            Err(problem) => missing.push(format!("provider {name}: {problem}")),
        }
    }
    if missing.is_empty() { Ok(wanted) } else { Err(missing) }
}

/// Reports for each provider with such a token how Envoy gets one without `sluice run`. Writes an empty token if there is none, since Envoy
/// does not start without the file.
pub fn leave_to_others(file: &File, directory: &Path) -> std::io::Result<()> {
    for (name, provider) in file.providers.iter().filter(|(_, provider)| provider.google.is_some()) {
        let cluster = provider.cluster(name);
        let path = directory.join(sds_file(&cluster));
        if !path.exists() {
            write_one(directory, &sds_file(&cluster), &for_sds(&cluster, ""))?;
        }
        super::print_message(&format!(
            "provider {name}: only `sluice run` fetches and refreshes Google access tokens. For your own Envoy, keep \
             a valid token in the SDS secret in {}",
            path.display()
        ));
    }
    Ok(())
}
