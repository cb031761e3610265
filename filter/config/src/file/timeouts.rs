//! How long to wait. A time that is left out is not always the same: it depends on what the model does before it speaks, and on
//! whether another target could still answer.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// How long to wait, as numbers with a unit: `500ms`, `30s`, `5m`.
///
/// A time that is written holds for all targets. One that is left out is longer where a model reasons, and for a model's only target it
/// is `total`: a shorter one helps nobody when nothing follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For the whole request, all attempts together.
    pub total: String,
    /// For one attempt at an answer that is not streamed; `5m` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// For one attempt's headers and its first token, when streamed. When left out `30s`; `2m` where the target's model reasons and the
    /// request does not switch that off, and for a kind of server that loads a model on first use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<String>,
    /// For one attempt at a stream that is delivered whole, all of it. When left out `90s`; `5m` where `first_token` is longer too. Once
    /// its headers are there, `first_token` and `idle` hold for it as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Between two pieces of a stream, a provider's pings among them. When left out `60s`; `10m` for a request that offers tools which
    /// its provider runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
    /// For a connection to a provider, TLS included; never longer than `first_token`.
    pub connect: String,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { total: "10m".into(), answer: None, first_token: None, whole: None, idle: None, connect: "2s".into() }
    }
}

/// As it stands in the file: a word for all of them, or each by itself.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(untagged))]
pub(super) enum Written {
    Named(Preset),
    Each(Timeouts),
}

/// Times that go together.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    /// Gives up soon: for models that answer at once, behind which others wait. 10 s for a first token, 30 s for an answer, for a stream
    /// that is delivered whole, and for silence.
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

/// Reads either.
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

/// How long to wait for a model's targets, instead of what `timeouts` says for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ModelTimeouts {
    /// For the whole request, all attempts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// For one attempt at an answer that is not streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// For one attempt's headers and its first token, when streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<String>,
    /// For one attempt at a stream that is delivered whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Between two pieces of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}
