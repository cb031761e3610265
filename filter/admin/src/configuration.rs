//! The configuration and the store's health. Contains no secret, no secret's source and no hash.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sluice_config::file::File;
use sluice_config::plugin::Reload;
use sluice_core::store::redis::settings::Mode;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::usage::price::{MicroUsd, Rate};
use sluice_wire::order;

use super::answer::AdminReply;
use super::{AdminContext, Next, Step};

/// Replaces secrets and hashes.
const MASK: &str = "***";

/// The active gateway file with its reload status.
#[derive(Serialize)]
struct InForce<'a> {
    #[serde(flatten)]
    file: &'a Map<String, Value>,
    reload: Option<&'a Reload>,
}

/// `GET /config`
pub fn config(context: &mut AdminContext) -> Step {
    let (file, reload) = (&context.service.shown, context.service.reload.as_ref());
    Ok(Next::Answer(AdminReply::ok(&InForce { file, reload })?))
}

/// The part of a gateway file that administrators may see. `text` is the file as JSON.
pub fn shown(file: &File, mut text: Map<String, Value>) -> Map<String, Value> {
    for (name, provider) in &file.providers {
        let Some(shown) = text.get_mut("providers").and_then(|all| all.get_mut(name)) else { continue };
        remove(shown, &["key", "keys", "generation"]);
        if let (Some(shown), Some(url)) = (shown.as_object_mut(), provider.url()) {
            shown.insert("url".to_owned(), url.into());
        }
    }
    for key in text.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
        mask(key);
        key.get_mut("previous").into_iter().for_each(mask);
    }
    text.get_mut("admin").into_iter().for_each(mask);
    text.get_mut("metrics").into_iter().for_each(mask);
    text.get_mut("redis").into_iter().for_each(|redis| remove(redis, &["token"]));
    // The path of a webhook is often its only credential.
    if let Some(url) = text.get_mut("alerts").and_then(|alerts| alerts.get_mut("url")) {
        let origin: Option<usize> = url.as_str().and_then(|url| Some(url.match_indices('/').nth(2)?.0 + 1));
        if let (Value::String(url), Some(origin)) = (url, origin) {
            url.replace_range(origin.., MASK);
        }
    }
    text
}

fn mask(whose: &mut Value) {
    if let Some(hash) = whose.get_mut("sha256") {
        *hash = MASK.into();
    }
}

fn remove(from: &mut Value, names: &[&str]) {
    if let Some(fields) = from.as_object_mut() {
        names.iter().for_each(|name| drop(fields.remove(*name)));
    }
}

#[derive(Serialize)]
struct Prices<'a> {
    unit: &'static str,
    targets: Vec<Target<'a>>,
}

#[derive(Serialize)]
struct Target<'a> {
    model: &'a str,
    provider: &'a str,
    provider_model: &'a str,
    price: Option<BTreeMap<&'static str, String>>,
    max_output: Option<u64>,
}

/// `GET /prices`
pub fn prices(context: &mut AdminContext) -> Step {
    let models = context.service.gateway.models.iter();
    let targets = models.flat_map(|(name, model)| model.targets.iter().map(move |target| (name.as_str(), target)));
    let known = context.service.gateway.known_targets();
    let known = known.iter().map(|(name, target)| (*name, target));
    let targets = targets.chain(known).map(|(name, target)| {
        let price = target.price.as_ref();
        let shown = price.map(|price| {
            order::gathered::<_, BTreeMap<_, _>>([
                ("input", per_million(price.plain.input)),
                ("cached_input", per_million(price.plain.cached_input)),
                ("cache_write", per_million(price.plain.cache_write)),
                ("output", per_million(price.plain.output)),
                ("reasoning", per_million(price.plain.reasoning)),
                ("per_image", price.per_image.to_string()),
                ("per_request", price.per_request.to_string()),
            ])
        });
        Target {
            model: name,
            provider: &target.provider.name,
            provider_model: &target.model,
            price: shown,
            max_output: price.and_then(|price| price.max_output),
        }
    });
    let unit = "US dollars per million tokens, per image, per request";
    Ok(Next::Answer(AdminReply::ok(&Prices { unit, targets: targets.collect() })?))
}

/// Converts picodollars per token to micro-dollars per million tokens, which is the same number.
fn per_million(rate: Rate) -> String {
    MicroUsd(rate.0).to_string()
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    store: &'static str,
    mode: Option<&'static str>,
    error: Option<String>,
}

/// `GET /health`
pub fn health(context: &mut AdminContext) -> Step {
    let Some(redis) = &context.service.gateway.redis else {
        let health = Health { status: "ok", store: "embedded", mode: None, error: None };
        return Ok(Next::Answer(AdminReply::ok(&health)?));
    };
    let mode = match redis.mode {
        Mode::Strict => "strict",
        Mode::Relaxed => "relaxed",
    };
    Ok(Next::Ask(
        Command::new(["PING"]),
        Box::new(move |reply, _| {
            let error = match reply {
                Ok(RedisReply::Text(text)) if text == "PONG" => None,
                Ok(_) => Some("Redis answers PING with something other than PONG".to_owned()),
                Err(why) => Some(why),
            };
            let (code, status) = if error.is_none() { (200, "ok") } else { (503, "unavailable") };
            let health = Health { status, store: "redis", mode: Some(mode), error };
            Ok(Next::Answer(AdminReply::with_status(code, &health)?))
        }),
    ))
}
