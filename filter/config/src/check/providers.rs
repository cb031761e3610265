//! Checks the section `providers`: URLs, formats and keys.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::provider::Provider;
use sluice_core::provider::layout::{Layout, Surface};
use sluice_core::provider::url::Url;
use sluice_wire::dialect;

use super::super::file;
use super::place::{Path, quoted, text};
use super::{Check, NAME_MAX, RESERVED};

/// Each key is a separate cluster, and one request may be tried with all of them.
#[cfg(not(target_arch = "wasm32"))]
const KEYS_MAX: usize = 8;

impl Check<'_> {
    pub(super) fn providers(&mut self) -> BTreeMap<String, Rc<Provider>> {
        let section = Path::section("providers");
        if self.file.providers.is_empty() {
            self.diagnostic(&section, "none", "at least one provider");
        }
        let mut compiled = BTreeMap::new();
        for (name, provider) in &self.file.providers {
            let path = section.key(name);
            if !is_provider_name(name) {
                self.diagnostic(&path, quoted(name), "a name of lower-case letters, digits, _ and -, 64 at most");
            } else if RESERVED.iter().any(|reserved| name == reserved) || name.starts_with("sluice-") {
                self.diagnostic(&path, text!("the reserved name {name:?}"), "another name");
            }
            #[cfg(not(target_arch = "wasm32"))]
            self.provider_keys(provider, &path);
            let key_rest = self.wait(&provider.key_rest, &path.key("key_rest"));
            #[cfg(not(target_arch = "wasm32"))]
            self.availability(&provider.availability, &path.key("availability"));
            self.api_version(provider, &path);
            let formats = self.formats(provider, &path);
            if let Some(url) = self.provider_url(provider, &path) {
                compiled.insert(name.clone(), Rc::new(self::provider(name, provider, formats, key_rest, url)));
            }
        }
        compiled
    }

    fn provider_url(&mut self, provider: &file::Provider, path: &Path) -> Option<Url> {
        let Some(text) = provider.url() else {
            let expected = text!("its base URL: a provider of kind {} has no default URL", provider.kind.row().name);
            self.diagnostic(&path.key("url"), "nothing", expected);
            return None;
        };
        match Url::parse(text) {
            // The kind's default address may be the gateway's own: both servers have the same usual port.
            Ok(url) if url.authority() == self.file.listen => {
                self.diagnostic(&path.key("url"), "the gateway's own address", "the provider's address");
                None
            }
            Ok(url) => Some(url),
            Err(found) => {
                self.diagnostic(&path.key("url"), found, "a base URL such as https://api.openai.com/v1");
                None
            }
        }
    }

    /// A version is used unchanged in paths.
    fn api_version(&mut self, provider: &file::Provider, path: &Path) {
        let Some(version) = &provider.api_version else { return };
        let path = path.key("api_version");
        if provider.kind.row().surface != Surface::Azure {
            self.diagnostic(&path, quoted(version), "no such field: only Azure has API versions");
        } else if version.is_empty() || !version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            self.diagnostic(&path, quoted(version), "v1, or a version such as 2024-10-21");
        }
    }

    /// The provider's formats, each in its kind's variant if there is one.
    fn formats(&mut self, provider: &file::Provider, path: &Path) -> Vec<&'static dialect::Provider> {
        let own = provider.kind.row().formats;
        let Some(speaks) = &provider.speaks else { return own.to_vec() };
        let path = path.key("speaks");
        if speaks.is_empty() {
            self.diagnostic(&path, "an empty list", "at least one format");
        }
        for (index, format) in speaks.iter().enumerate() {
            if speaks.iter().take(index).any(|before| before == format) {
                self.diagnostic(&path.index(index), text!("{:?} again", format.name()), "each format once");
            }
        }
        speaks.iter().map(|format| format.among(own)).collect()
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn provider_keys(&mut self, provider: &file::Provider, path: &Path) {
        self.credentials(provider.credentials(), path);
        if let Some(secret) = &provider.key {
            self.secret(secret, &path.key("key"));
        }
        let more = path.key("keys");
        for (index, secret) in provider.keys.iter().enumerate() {
            self.secret(secret, &more.index(index));
            if provider.secrets().filter(|other| *other == secret).count() > 1 {
                self.diagnostic(&more.index(index), "a duplicate key", "each key once");
            }
        }
        if provider.key_count() > KEYS_MAX {
            self.diagnostic(&more, text!("{} keys in total", provider.key_count()), text!("at most {KEYS_MAX}"));
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn secret(&mut self, secret: &file::Secret, path: &Path) {
        match (&secret.env, &secret.file) {
            (Some(_), Some(_)) => self.diagnostic(path, "both env and file", "exactly one of them"),
            (None, None) => self.diagnostic(path, "neither env nor file", "one of them"),
            // An invalid name may be the secret itself in the wrong place, so it is not repeated.
            (Some(name), None) if !super::is_variable(name) => {
                self.diagnostic(
                    &path.key("env"),
                    "text that is not a valid name",
                    "the name of an environment variable",
                );
            }
            (None, Some(name)) if name.trim().is_empty() => {
                self.diagnostic(&path.key("file"), "empty text", "the path of a file");
            }
            _ => {}
        }
    }
}

fn provider(
    name: &str,
    written: &file::Provider,
    formats: Vec<&'static dialect::Provider>,
    key_rest: Duration,
    url: Url,
) -> Provider {
    let takes_options = |format: &&'static dialect::Provider| {
        !format.departs.quirks.iter().any(|quirk| quirk.field == "stream_options")
    };
    Provider {
        name: name.to_owned(),
        telemetry_name: written.kind.telemetry_name(),
        clusters: written.clusters(name),
        key_rest,
        loads: written.kind.is_local(),
        prompt_cache_key: written.kind.row().prompt_cache_key,
        stream_usage: written.stream_usage && formats.iter().all(takes_options),
        formats,
        authority: url.authority(),
        tls: url.tls,
        layout: Layout::new(written.kind.row().surface, &url.base_path, written.api_version.as_deref()),
    }
}

/// Provider names are also names of Envoy clusters, statistics and files.
pub(super) fn is_provider_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}
