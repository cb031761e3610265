//! Timeouts. The default of an omitted timeout varies: it depends on the work that the model does before its first token, and on whether
//! another target could still respond.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Timeouts, as whole numbers with a unit: `500ms`, `30s`, `5m`. Above zero, and at most `24h`.
///
/// A timeout that is set applies to all targets. An omitted one is longer if the model reasons. For a model's only target it is `total`,
/// since a shorter timeout helps nothing without another target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// The whole request, including all attempts. Default: `10m`.
    pub total: String,
    /// One attempt at a response that is not streamed. Default: `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Until the headers and the first token of one streamed attempt. Default: `30s`; `2m` if the target's model reasons and the request
    /// does not switch that off, and for servers that load a model on first use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<String>,
    /// One attempt at a stream that is delivered whole. Default: `90s`; `5m` where the default of `first_token` is longer too.
    /// `first_token` and `idle` apply as well once the headers have arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Between two pieces of a stream, including the provider's pings. Default: `60s`; `10m` for a request that offers tools which the
    /// provider runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
    /// Connecting to a provider, including TLS. Never longer than `first_token`, if that is set here. Default: `2s`.
    pub connect: String,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { total: "10m".into(), answer: None, first_token: None, whole: None, idle: None, connect: "2s".into() }
    }
}

/// Timeouts as written in the file: a preset, or a map of times.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(untagged))]
pub(super) enum Written {
    Named(Preset),
    Each(Timeouts),
}

/// A named set of timeouts.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    /// Gives up early: for models that respond at once and have fallbacks. 10 s for the first token; 30 s for a response, for a stream that
    /// is delivered whole, and between two pieces of a stream.
    Fast,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"fast\", or times by their names")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Written, E> {
                Preset::deserialize(word.into_deserializer()).map(Written::Named)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Timeouts::deserialize(MapAccessDeserializer::new(map)).map(Written::Each)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads a preset or a map of times.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timeouts, D::Error> {
    let some = |time: &str| Some(time.to_owned());
    Ok(match Written::deserialize(deserializer)? {
        Written::Each(timeouts) => timeouts,
        Written::Named(Preset::Fast) => Timeouts {
            answer: some("30s"),
            first_token: some("10s"),
            whole: some("30s"),
            idle: some("30s"),
            ..Timeouts::default()
        },
    })
}

/// Timeouts of one model, which override the gateway's `timeouts`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ModelTimeouts {
    /// The whole request, including all attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// One attempt at a response that is not streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Until the headers and the first token of one streamed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<String>,
    /// One attempt at a stream that is delivered whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Between two pieces of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}
