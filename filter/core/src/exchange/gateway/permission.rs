//! What a body may ask for: not what its key, its team or its model forbids, and of what a provider keeps only what the key may
//! call at its own path.

use sluice_wire::dialect::Client;
use sluice_wire::error::{ApiError, ErrorKind};

use crate::gateway::Gateway;
use crate::keys::caller::Caller;
use crate::keys::{self, Forbidden};
use crate::peek::mentions::{Kept, Mention, first_denied};
use crate::peek::{Stored, form};
use crate::routing::target::Model;

use super::endpoint::reads_anthropics_errors;
use super::quoted;

/// What is forbidden to a request, and by whose policy.
pub(super) struct Policy<'a> {
    caller: &'a Caller,
    anthropics: bool,
    /// Whose, with what they are.
    forbidden: [Option<(&'static str, &'a str, &'a Forbidden)>; 3],
}

/// Why a mention is denied.
enum Denied<'a> {
    Reference(Kept),
    Policy(&'static str, &'a str),
}

impl<'a> Policy<'a> {
    /// What is forbidden to a request of the caller's for this model.
    pub(super) fn of(gateway: &'a Gateway, caller: &'a Caller, model: &'a Model, client: &Client) -> Self {
        let team = gateway.forbid.get(&*caller.team);
        let something = |forbidden: &&Forbidden| !forbidden.is_nothing();
        let forbidden = [
            Some(&caller.forbid).filter(something).map(|forbidden| ("key", &*caller.key_id, forbidden)),
            team.map(|forbidden| ("team", &*caller.team, forbidden)),
            Some(&model.forbid).filter(something).map(|forbidden| ("model", model.name.as_str(), forbidden)),
        ];
        Self { caller, anthropics: reads_anthropics_errors(client), forbidden }
    }

    /// Whether a request with this JSON, which refers to this much, may be asked. The body is looked through where something is
    /// forbidden, or the key may not have all that it may refer to.
    pub(super) fn permits(&self, body: &[u8], stored: &Stored) -> Result<(), ApiError> {
        if stored.nothing && self.forbids_nothing() {
            return Ok(());
        }
        match first_denied(body, |mention| self.deny(mention)) {
            Some((place, denied)) => Err(denied.error(&place)),
            None => Ok(()),
        }
    }

    /// Whether a request with this form may be asked.
    pub(super) fn permits_form(&self, body: &[u8], boundary: &str) -> Result<(), ApiError> {
        if self.forbids_nothing() {
            return Ok(());
        }
        for name in form::names(body, boundary)? {
            // A list has brackets behind its name, as some readers take them.
            let field = name.split('[').next().unwrap_or_default().trim();
            if let Some(denied) = self.deny(&Mention::Field(field)) {
                return Err(denied.error(field));
            }
        }
        Ok(())
    }

    /// Whether nobody's policy forbids anything.
    fn forbids_nothing(&self) -> bool {
        self.forbidden.iter().all(Option::is_none)
    }

    fn deny(&self, mention: &Mention<'_>) -> Option<Denied<'a>> {
        if let Mention::Reference(kept, path) = mention {
            return (!keys::may_have(self.caller, path)).then_some(Denied::Reference(*kept));
        }
        let by = self.forbidden.iter().flatten().find(|(.., forbidden)| forbidden.forbids(mention, self.anthropics));
        by.map(|(what, name, _)| Denied::Policy(what, name))
    }

    /// All that is forbidden, and by whom.
    pub(super) fn rules(&self) -> Vec<String> {
        let rules = self.forbidden.iter().flatten();
        rules
            .flat_map(|(what, name, forbidden)| forbidden.names().map(move |rule| format!("{rule} ({what} {name})")))
            .collect()
    }
}

impl Denied<'_> {
    /// What the client reads, of what stands at `place`.
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
