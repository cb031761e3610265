//! Providers: their kinds, the wire formats they speak, and the paths of their endpoints.
//!
//! Credentials are not part of this module: Envoy adds them.

use std::time::Duration;

use sluice_wire::dialect::openai_chat::variations::NO_STREAM_OPTIONS;
use sluice_wire::dialect::quirk::Quirk;
use sluice_wire::dialect::{self, Asks, Client, Id};

pub mod format;
pub mod kind;
pub mod layout;
pub mod url;

use layout::Layout;

/// A provider, as the filter sees it. Envoy adds its credential.
#[derive(Debug)]
pub struct Provider {
    /// The name in the gateway file and in `x-sluice-provider`.
    pub name: String,
    /// The `gen_ai.provider.name` in metrics and traces.
    pub telemetry_name: &'static str,
    /// The Envoy clusters of this provider, one for each key. Never empty.
    pub clusters: Vec<String>,
    /// How long a rejected key is not used, if there are several.
    pub key_rest: Duration,
    /// The wire formats it speaks. Requests are translated to the first format with a matching purpose.
    pub formats: Vec<&'static dialect::Provider>,
    /// The `:authority` of requests: the host, and the port unless it is the scheme's default.
    pub authority: String,
    /// Whether it uses TLS: the `:scheme` of requests.
    pub tls: bool,
    /// The layout of its endpoints.
    pub layout: Layout,
    /// Whether its servers load a model on the first request for it.
    pub loads: bool,
    /// Whether it accepts `stream_options`. Some OpenAI-compatible servers reject it.
    pub stream_usage: bool,
    /// Whether it accepts `prompt_cache_key`.
    pub prompt_cache_key: bool,
}

impl Provider {
    /// The format for requests from `client`: the client's own, or else one that it can be translated to, preferably one that suits the
    /// model. `None` if there is none.
    pub fn format_for(&self, client: &Client, model: &str) -> Option<&'static dialect::Provider> {
        if matches!(client.asks, Asks::PassedThrough) {
            return self.formats.iter().any(|format| format.id == Id::OpenAiChat).then_some(client.provider);
        }
        let same = self.formats.iter().find(|format| format.id == client.id());
        let others = || self.formats.iter().filter(|format| client.asks.translates(&format.serves));
        same.or_else(|| others().find(|format| (format.departs.suits)(model)).or_else(|| others().next())).copied()
    }

    /// Whether its host is a name that needs DNS, not an address.
    pub fn is_named(&self) -> bool {
        let without_port = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        !is_address(&self.authority) && !is_address(without_port)
    }

    /// The host and port of its server.
    pub fn server(&self) -> (&str, &str) {
        let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        match self.authority.rsplit_once(':') {
            Some((host, number)) if port(number) && (!host.contains(':') || host.ends_with(']')) => (host, number),
            _ => (&self.authority, if self.tls { "443" } else { "80" }),
        }
    }

    /// The Envoy cluster for this key; the first key is 0.
    pub fn cluster(&self, key: usize) -> &str {
        self.clusters.get(key).unwrap_or(&self.name)
    }

    /// The provider's deviations from a format that it speaks.
    pub fn quirks(&self, format: &dialect::Provider) -> impl Iterator<Item = &'static Quirk> + use<> {
        let no_options = !self.stream_usage && format.id.takes_stream_options();
        format.departs.quirks.iter().chain(no_options.then_some(&NO_STREAM_OPTIONS))
    }
}

/// A schema of named choices, each with its description.
#[cfg(feature = "schema")]
pub(crate) fn named_choice<'a>(about: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> schemars::Schema {
    let name = |(name, about): (&str, &str)| serde_json::json!({ "const": name, "description": about });
    schemars::json_schema!({ "description": about, "oneOf": rows.map(name).collect::<Vec<_>>() })
}
