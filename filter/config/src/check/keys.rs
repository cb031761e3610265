//! Checks virtual keys: those of the file, and those that arrive at runtime.

use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::compiled::CompiledConfig;
use sluice_core::key_hash::KeyHash;
use sluice_core::keys::caller::{Caller, Credential};
use sluice_core::keys::spec::Permission;
use sluice_core::keys::{Cidr, Forbidden, Glob};
use sluice_core::matching::Match;
use sluice_core::suggest::one_of;
use sluice_wire::calendar;

use super::super::diagnostic::{Diagnostic, Path, quoted};
use super::super::file;
use super::limits::{LimitPlace, Rules};
use super::place::{self, text};
use super::{Check, PUBLIC_NAME, forbidden, is_missing, is_public_name};

const DATE: &str = "a date and time such as 2027-01-31T00:00:00Z (RFC 3339)";

/// How strictly a key is checked against the gateway file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// A key that is written now: every name must exist.
    New,
    /// A stored key: names may have been removed since.
    Kept,
}

/// Checks and compiles one key against the rest of the gateway.
pub fn compile(
    config: &CompiledConfig,
    key: &file::Key,
    strictness: Strictness,
) -> Result<Vec<(KeyHash, Credential)>, Vec<Diagnostic>> {
    let mut check = KeyCheck { config, strictness, diagnostics: Vec::new() };
    let compiled = check.key(key, &Path::root());
    if check.diagnostics.is_empty() {
        Ok(compiled.into_iter().map(|(_, hash, credential)| (hash, credential)).collect())
    } else {
        Err(check.diagnostics)
    }
}

impl Check<'_> {
    pub(super) fn keys(&mut self, config: &CompiledConfig) -> BTreeMap<KeyHash, Credential> {
        let section = Path::section("keys");
        let mut compiled = BTreeMap::new();
        let mut ids = BTreeMap::new();
        let mut hashes = BTreeMap::new();
        for (index, key) in self.file.keys.iter().enumerate() {
            let path = section.index(index);
            if let Some(first) = ids.insert(&key.id, index) {
                let found = text!("{} again, as in keys[{first}]", quoted(&key.id));
                self.diagnostic(&place::Path::section("keys").index(index).key("id"), found, "another id");
            }
            let mut check = KeyCheck { config, strictness: Strictness::New, diagnostics: Vec::new() };
            for (path, hash, credential) in check.key(key, &path) {
                if let Some(first) = hashes.insert(hash, index) {
                    check.diagnostic(&path, format!("the same key as in keys[{first}]"), "another key");
                }
                compiled.insert(hash, credential);
            }
            self.diagnostics.append(&mut check.diagnostics);
        }
        compiled
    }
}

/// Checks that a name is defined elsewhere.
pub(super) fn reference<'n>(
    name: &str,
    known: impl Iterator<Item = &'n String> + Clone,
    path: &Path,
) -> Option<Diagnostic> {
    is_missing(name, known.clone()).then(|| Diagnostic {
        path: path.to_string(),
        found: quoted(name),
        expected: one_of(name, known.map(String::as_str)),
    })
}

struct KeyCheck<'a> {
    config: &'a CompiledConfig,
    strictness: Strictness,
    diagnostics: Vec<Diagnostic>,
}

impl KeyCheck<'_> {
    fn diagnostic(&mut self, path: &Path, found: impl Into<String>, expected: impl Into<String>) {
        self.diagnostics.push(Diagnostic { path: path.to_string(), found: found.into(), expected: expected.into() });
    }

    /// The key's secrets, each with its place.
    fn key(&mut self, key: &file::Key, path: &Path) -> Vec<(Path, KeyHash, Credential)> {
        self.public_name(&key.id, &path.key("id"));
        self.diagnostics.extend(reference(&key.team, self.config.teams.iter(), &path.key("team")));
        if let Some(app) = &key.app {
            self.app(app, &path.key("app"));
        }
        self.labels(&key.labels, &path.key("labels"));
        let caller = Rc::new(Caller {
            key_id: key.id.as_str().into(),
            team: key.team.as_str().into(),
            app: key.app.as_deref().map(Rc::from),
            owner: key.owner.clone(),
            labels: key.labels.clone(),
            expires: key.expires.as_deref().map(|text| self.moment(text, &path.key("expires"))),
            models: self.models(key, &path.key("models")),
            endpoints: self.endpoints(key.endpoints.as_deref(), &path.key("endpoints")),
            forbid: self.forbid(&key.forbid, &path.key("forbid")),
            sources: self.sources(key.sources.as_deref(), &path.key("sources")),
            revoked: key.revoked,
            control: key.control.clone(),
            rules: self.rules(key, path),
        });
        let mut secrets = Vec::new();
        let place = path.key("sha256");
        if let Some(hash) = self.hash(&key.sha256, &place) {
            secrets.push((place, hash, Credential { caller: caller.clone(), until: None }));
        }
        if let Some(previous) = &key.previous {
            let until = self.moment(&previous.until, &path.key("previous").key("until"));
            let place = path.key("previous").key("sha256");
            if let Some(hash) = self.hash(&previous.sha256, &place) {
                secrets.push((place, hash, Credential { caller, until: Some(until) }));
            }
        }
        if let [(_, hash, _), (place, previous, _)] = secrets.as_slice()
            && hash == previous
        {
            let place = place.clone();
            self.diagnostic(
                &place,
                "the same hash as the key's current secret",
                "the hash of the secret before the rotation",
            );
            secrets.pop();
        }
        secrets
    }

    fn public_name(&mut self, name: &str, path: &Path) {
        if !is_public_name(name) {
            self.diagnostic(path, quoted(name), PUBLIC_NAME);
        }
    }

    /// A file without apps is not a mistake by itself, so this reference is reported.
    fn app(&mut self, app: &str, path: &Path) {
        if self.config.apps.is_empty() {
            self.diagnostic(path, quoted(app), "no such field, or add this app under `apps`");
        } else {
            self.diagnostics.extend(reference(app, self.config.apps.iter(), path));
        }
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>, path: &Path) {
        const NAME: usize = 64;
        const VALUE: usize = 256;
        for (name, value) in labels {
            let path = path.key(name);
            self.public_name(name, &path);
            if value.chars().count() > VALUE || value.chars().any(char::is_control) {
                self.diagnostic(&path, quoted(value), format!("up to {VALUE} characters, no control characters"));
            }
        }
        if labels.len() > NAME {
            self.diagnostic(path, format!("{} labels", labels.len()), format!("at most {NAME}"));
        }
    }

    fn hash(&mut self, text: &str, path: &Path) -> Option<KeyHash> {
        let hash = KeyHash::from_hex(text);
        if hash.is_none() {
            // The value may be the key itself, so it is not repeated.
            let found = format!("{} characters that are not a SHA-256", text.chars().count());
            self.diagnostic(path, found, "64 hexadecimal digits, as `sluice keys new` prints them");
        }
        hash
    }

    fn moment(&mut self, text: &str, path: &Path) -> u64 {
        let moment = calendar::rfc3339(text);
        if moment.is_none() {
            self.diagnostic(path, quoted(text), DATE);
        }
        moment.unwrap_or_default()
    }

    fn models(&mut self, key: &file::Key, path: &Path) -> Option<Vec<Glob>> {
        let models = key.models.as_deref();
        let known = &self.config.models;
        // A caller that may select targets requests them by name.
        let direct = key.control.contains(&Permission::Targets).then_some(&self.config.direct);
        let aliases = &self.config.names.aliases;
        let names = || known.keys().chain(aliases.keys()).chain(direct.into_iter().flat_map(BTreeMap::keys));
        let fits =
            |glob: &Glob| names().any(|name| glob.matches(name)) || self.config.names.meets(glob, direct.is_some());
        let globs: Vec<Glob> = models?.iter().map(|pattern| Glob::new(pattern)).collect();
        if globs.is_empty() {
            self.diagnostic(path, "an empty list", "at least one model (remove the field to allow all)");
        }
        for (index, (glob, pattern)) in globs.iter().zip(models?).enumerate() {
            let gone = !known.is_empty() && !fits(glob);
            if gone && self.strictness == Strictness::New {
                let names = one_of(pattern, known.keys().map(String::as_str));
                let expected = if glob.is_literal() { names } else { format!("a pattern that matches {names}") };
                self.diagnostic(&path.index(index), quoted(pattern), expected);
            }
        }
        Some(globs)
    }

    fn endpoints(&mut self, endpoints: Option<&[String]>, path: &Path) -> Option<Vec<Glob>> {
        let endpoints = endpoints?;
        if endpoints.is_empty() {
            self.diagnostic(path, "an empty list", "at least one path (remove the field to allow all)");
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            let is_path = endpoint.starts_with(['/', '*']) && endpoint.bytes().all(|b| b.is_ascii_graphic());
            if !is_path || endpoint.contains(['?', '#']) {
                let expected = "a path without a query, such as /v1/chat/completions or /v1/chat/*";
                self.diagnostic(&path.index(index), quoted(endpoint), expected);
            }
        }
        Some(endpoints.iter().map(|pattern| Glob::new(pattern)).collect())
    }

    fn forbid(&mut self, names: &[String], path: &Path) -> Forbidden {
        forbidden(names, |index, name, expected| self.diagnostic(&path.index(index), quoted(name), expected))
    }

    fn sources(&mut self, sources: Option<&[String]>, path: &Path) -> Option<Vec<Cidr>> {
        let sources = sources?;
        if sources.is_empty() {
            self.diagnostic(path, "an empty list", "at least one address range (remove the field to allow all)");
        }
        let mut compiled = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            match Cidr::parse(source) {
                Some(cidr) => compiled.push(cidr),
                None => {
                    let expected = "an IP address, or a network without host bits, such as 10.0.0.0/8";
                    self.diagnostic(&path.index(index), quoted(source), expected);
                }
            }
        }
        Some(compiled)
    }

    fn rules(&mut self, key: &file::Key, path: &Path) -> Vec<sluice_core::limits::Applied> {
        let models = (self.strictness == Strictness::New).then_some(&self.config.models);
        let mut rules = Rules::new(models);
        if self.strictness == Strictness::New {
            rules.know(&self.config.rules);
        }
        let matches = Match { key: Some(key.id.clone()), ..Match::default() };
        rules.inline(&LimitPlace { path, matches: &matches, per: &[] }, &key.limits, Some(&key.budget));
        self.diagnostics.append(&mut rules.diagnostics);
        self.config.index.of_caller(&key.id, &key.team, key.app.as_deref(), rules.compiled)
    }
}
