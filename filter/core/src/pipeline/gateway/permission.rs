//! Checks a body against the policies of its key, team and model, and its references to stored objects against the paths that the key may
//! call.

use sluice_wire::dialect::Client;
use sluice_wire::error::{ApiError, ErrorKind};

use crate::compiled::CompiledConfig;
use crate::keys::caller::Caller;
use crate::keys::{self, Forbidden};
use crate::peek::request_features::{RequestFeature, StoredKind, first_denied};
use crate::peek::{Stored, form};
use crate::routing::target::Model;

use super::endpoint::reads_anthropics_errors;
use super::quoted;

/// The forbidden parameters of a request, with the policies that forbid them.
pub(super) struct Policy<'a> {
    caller: &'a Caller,
    anthropics: bool,
    /// The policy's owner (kind and name) and its rules.
    forbidden: [Option<(&'static str, &'a str, &'a Forbidden)>; 3],
}

/// Why a mention is denied.
enum Denied<'a> {
    Reference(StoredKind),
    Policy(&'static str, &'a str),
}

impl<'a> Policy<'a> {
    /// The policies for a caller's request to this model.
    pub(super) fn of(config: &'a CompiledConfig, caller: &'a Caller, model: &'a Model, client: &Client) -> Self {
        let team = config.forbid.get(&*caller.team);
        let something = |forbidden: &&Forbidden| !forbidden.is_nothing();
        let forbidden = [
            Some(&caller.forbid).filter(something).map(|forbidden| ("key", &*caller.key_id, forbidden)),
            team.map(|forbidden| ("team", &*caller.team, forbidden)),
            Some(&model.forbid).filter(something).map(|forbidden| ("model", model.name.as_str(), forbidden)),
        ];
        Self { caller, anthropics: reads_anthropics_errors(client), forbidden }
    }

    /// Whether a JSON request with these references is permitted. The body is searched only if a policy forbids something, or if the key
    /// lacks access to something it may refer to.
    pub(super) fn permits(&self, body: &[u8], stored: &Stored) -> Result<(), ApiError> {
        if stored.nothing && self.forbids_nothing() {
            return Ok(());
        }
        match first_denied(body, |feature| self.deny(feature)) {
            Some((place, denied)) => Err(denied.error(&place)),
            None => Ok(()),
        }
    }

    /// Whether a form request is permitted.
    pub(super) fn permits_form(&self, body: &[u8], boundary: &str) -> Result<(), ApiError> {
        if self.forbids_nothing() {
            return Ok(());
        }
        for name in form::names(body, boundary)? {
            // A list field may have brackets after its name; some parsers accept them.
            let field = name.split('[').next().unwrap_or_default().trim();
            if let Some(denied) = self.deny(&RequestFeature::Field(field)) {
                return Err(denied.error(field));
            }
        }
        Ok(())
    }

    fn forbids_nothing(&self) -> bool {
        self.forbidden.iter().all(Option::is_none)
    }

    fn deny(&self, feature: &RequestFeature<'_>) -> Option<Denied<'a>> {
        if let RequestFeature::Reference(kept, path) = feature {
            return (!keys::may_have(self.caller, path)).then_some(Denied::Reference(*kept));
        }
        let by = self.forbidden.iter().flatten().find(|(.., forbidden)| forbidden.forbids(feature, self.anthropics));
        by.map(|(what, name, _)| Denied::Policy(what, name))
    }

    /// All forbidden parameters, with their policies.
    pub(super) fn rules(&self) -> Vec<String> {
        let rules = self.forbidden.iter().flatten();
        rules
            .flat_map(|(what, name, forbidden)| forbidden.names().map(move |rule| format!("{rule} ({what} {name})")))
            .collect()
    }
}

impl Denied<'_> {
    /// The client's error for the field at `place`.
    fn error(self, place: &str) -> ApiError {
        let field = quoted(place);
        let (code, message) = match self {
            Self::Reference(kept) => {
                let path = kept.path();
                let message = format!(
                    "{field} refers to an object that the provider stores at {path}{{id}}, and this key may not call \
                     that path. Ask the gateway's operator to add `{path}*` to the key's `endpoints`, which list \
                     every path that the key may call."
                );
                ("endpoint_not_allowed", message)
            }
            Self::Policy(what, name) => (
                "parameter_not_allowed",
                format!("{field} is not allowed: the policy of {what} {name} forbids it. Remove it from the request."),
            ),
        };
        let param = Some(field.trim_matches('`').to_owned());
        ApiError { param, ..ApiError::new(403, ErrorKind::Permission, message).with_code(code) }
    }
}
