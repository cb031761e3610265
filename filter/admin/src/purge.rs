//! Purges cached responses.

use serde::Serialize;
use sluice_core::cache::whose::Names;
use sluice_core::cache::{redis, slots};
use sluice_core::store::redis::wire::RedisReply;

use super::answer::{AdminError, AdminReply};
use super::fields::Fields;
use super::records::senseless;
use super::{AdminContext, Next, Step};

const LONGEST_NAME: usize = 256;

#[derive(Serialize)]
struct Purged {
    purged: usize,
    /// Which caches were purged.
    covers: &'static str,
}

/// `POST /cache/purge`. A name that the gateway does not know is no error: its responses may be older than the gateway file.
pub fn purge(body: &[u8], context: &mut AdminContext) -> Step {
    let mut fields = Fields::read(body)?;
    let mut name = |field: &'static str| -> Result<Option<String>, AdminError> {
        let name: Option<String> = fields.optional(field)?;
        let fits = name.as_ref().is_none_or(|name| (1..=LONGEST_NAME).contains(&name.chars().count()));
        let unfit = || AdminError::invalid(field, format!("Expected a name of 1 to {LONGEST_NAME} characters."));
        fits.then_some(name).ok_or_else(unfit)
    };
    let (team, key, app) = (name("team")?, name("key")?, name("app")?);
    let (model, namespace) = (name("model")?, name("namespace")?);
    let all: Option<bool> = fields.optional("all")?;
    fields.finish()?;
    let some = [&team, &key, &app, &model, &namespace].iter().any(|name| name.is_some());
    if all != (!some).then_some(true) {
        let message = "Send one or more of team, key, app, model and namespace, to purge the responses with all of \
                       them. Or send \"all\": true, to purge all responses.";
        return Err(AdminError::invalid("all", message));
    }
    let names = Names {
        team: team.as_deref(),
        key: key.as_deref(),
        app: app.as_deref(),
        model: model.as_deref(),
        namespace: namespace.as_deref(),
    };
    let (selection, now) = (names.selection(), context.now);
    let purged = slots::purge(context.shared, selection, now);
    let reply = move |covers| Ok(Next::Answer(AdminReply::ok(&Purged { purged, covers })?));
    let gateway = &context.service.gateway;
    match gateway.redis.as_ref().filter(|_| gateway.cache.shared.is_some()) {
        None => reply("envoy"),
        Some(redis) => Ok(Next::ask(redis::purge(&redis.prefix, &selection, now), move |answer, _| match answer {
            RedisReply::Text(_) => reply("envoys"),
            other => Err(senseless(&other)),
        })),
    }
}
