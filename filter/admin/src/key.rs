//! A virtual key as administrators see it: everything except its hash, with its state.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_config::file::{Budget, Key, Limits};
use sluice_config::is_public_name;
use sluice_core::keys::spec::Permission;
use sluice_wire::calendar;
use sluice_wire::time::Time;

use super::AdminContext;
use super::answer::AdminError;
use super::fields::Fields;

/// The maximum length of descriptive texts, which every worker stores in memory.
const LONGEST_TEXT: usize = 256;
const MOST_ENTRIES: usize = 256;
/// The number of existing controls.
const MOST_CONTROLS: usize = 6;

/// A key's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Valid.
    Active,
    /// Valid, and so is its previous secret for a while.
    Rotating,
    /// Past its expiry.
    Expired,
    /// Revoked by an administrator.
    Revoked,
}

impl State {
    /// The values of the `state` parameter.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("active", Self::Active),
        ("rotating", Self::Rotating),
        ("expired", Self::Expired),
        ("revoked", Self::Revoked),
    ];

    /// The state of a key at a time.
    pub fn of(key: &Key, now: Time) -> Self {
        let later = |text: &str| calendar::rfc3339(text).is_some_and(|end| end > now.seconds());
        if key.revoked {
            Self::Revoked
        } else if key.expires.as_deref().is_some_and(|expires| !later(expires)) {
            Self::Expired
        } else if key.previous.as_ref().is_some_and(|previous| later(&previous.until)) {
            Self::Rotating
        } else {
            Self::Active
        }
    }
}

/// Where a key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// In the gateway file, which must be edited to change it.
    File,
    /// In Redis.
    Redis,
}

/// A key in a response. Omitted limits do not apply.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    id: &'a str,
    state: State,
    source: Source,
    team: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<&'a [String]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    forbid: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a [String]>,
    #[serde(skip_serializing_if = "<[Permission]>::is_empty")]
    control: &'a [Permission],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<&'a str>,
    limits: &'a Limits,
    budget: &'a Budget,
}

impl<'a> Shown<'a> {
    /// Shows a key at a time.
    pub fn new(key: &'a Key, source: Source, now: Time) -> Self {
        let state = State::of(key, now);
        let previous = key.previous.as_ref().filter(|_| state == State::Rotating);
        Self {
            id: &key.id,
            state,
            source,
            team: &key.team,
            app: key.app.as_deref(),
            owner: key.owner.as_deref(),
            labels: &key.labels,
            models: key.models.as_deref(),
            endpoints: key.endpoints.as_deref(),
            forbid: &key.forbid,
            sources: key.sources.as_deref(),
            control: &key.control,
            expires: key.expires.as_deref(),
            previous_until: previous.map(|previous| previous.until.as_str()),
            limits: &key.limits,
            budget: &key.budget,
        }
    }
}

/// Parses a key to create, which has no hash yet.
pub fn read(body: &[u8]) -> Result<Key, AdminError> {
    let mut fields = Fields::read(body)?;
    let key = Key {
        id: fields.required("id")?,
        sha256: String::new(),
        team: fields.required("team")?,
        app: fields.optional("app")?,
        owner: fields.optional("owner")?,
        labels: fields.optional("labels")?.unwrap_or_default(),
        models: fields.optional("models")?,
        endpoints: fields.optional("endpoints")?,
        forbid: fields.optional("forbid")?.unwrap_or_default(),
        sources: fields.optional("sources")?,
        control: fields.optional("control")?.unwrap_or_default(),
        expires: fields.optional("expires")?,
        revoked: false,
        previous: None,
        limits: fields.optional("limits")?.unwrap_or_default(),
        budget: fields.optional("budget")?.unwrap_or_default(),
    };
    fields.finish()?;
    // As a path segment, `.` and `..` would select another path.
    if !is_public_name(&key.id) || key.id.starts_with('.') {
        let message = "An id must have 1 to 64 letters, digits, and any of . _ - @, and must not start with a dot.";
        return Err(AdminError::invalid("id", message));
    }
    bounded(&key)?;
    Ok(key)
}

/// Applies a JSON merge patch to a key.
pub fn patch(key: &mut Key, body: &[u8]) -> Result<(), AdminError> {
    if body.is_empty() {
        return Err(AdminError::new(
            400,
            "invalid_request",
            "The request body is empty. Send the fields to change as JSON.",
        ));
    }
    let mut fields = Fields::read(body)?;
    fields.merge("app", &mut key.app)?;
    fields.merge("owner", &mut key.owner)?;
    fields.merge("labels", &mut key.labels)?;
    fields.merge("models", &mut key.models)?;
    fields.merge("endpoints", &mut key.endpoints)?;
    fields.merge("forbid", &mut key.forbid)?;
    fields.merge("sources", &mut key.sources)?;
    fields.merge("control", &mut key.control)?;
    fields.merge("expires", &mut key.expires)?;
    fields.merge("limits", &mut key.limits)?;
    fields.merge("budget", &mut key.budget)?;
    fields.finish()?;
    bounded(key)
}

fn bounded(key: &Key) -> Result<(), AdminError> {
    let long = |text: &str| text.chars().count() > LONGEST_TEXT;
    if key.owner.as_deref().is_some_and(long) {
        return Err(AdminError::invalid("owner", format!("The owner is longer than {LONGEST_TEXT} characters.")));
    }
    if key.control.len() > MOST_CONTROLS {
        return Err(AdminError::invalid("control", format!("This list may have at most {MOST_CONTROLS} entries.")));
    }
    let lists = [("models", &key.models), ("endpoints", &key.endpoints), ("sources", &key.sources)];
    let lists = lists.map(|(name, list)| (name, list.as_deref().unwrap_or_default()));
    for (name, list) in lists.into_iter().chain([("forbid", key.forbid.as_slice())]) {
        if list.len() > MOST_ENTRIES || list.iter().any(|entry| long(entry)) {
            let message =
                format!("This list may have at most {MOST_ENTRIES} entries of up to {LONGEST_TEXT} characters each.");
            return Err(AdminError::invalid(name, message));
        }
    }
    Ok(())
}

/// Checks the key as the gateway does: its team, models and other names must exist in the gateway file.
pub fn check(key: &Key, context: &AdminContext) -> Result<(), AdminError> {
    let Err(diagnostics) = sluice_config::compile_key(&context.service.gateway, key) else { return Ok(()) };
    let told: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let param = diagnostics.into_iter().next().map(|diagnostic| diagnostic.path);
    let message = format!("The key is invalid: {}.", told.join("; "));
    Err(AdminError { param, ..AdminError::new(422, "invalid_key", message) })
}
