//! Who serves: what kinds of provider there are, the formats they speak, and where their endpoints are.
//!
//! A provider's credential is Envoy's business, and no part of this.

use std::time::Duration;

use sluice_wire::dialect::openai_chat::variations::NO_STREAM_OPTIONS;
use sluice_wire::dialect::quirk::Quirk;
use sluice_wire::dialect::{self, Asks, Client, Id};

pub mod format;
pub mod kind;
pub mod layout;
pub mod url;

use layout::Layout;

/// A provider, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the gateway file, and in `x-sluice-provider`.
    pub name: String,
    /// The Envoy clusters that reach it, one for each key. Never empty.
    pub clusters: Vec<String>,
    /// For how long one of several keys is left alone that the provider has refused.
    pub key_rest: Duration,
    /// The wire formats it speaks: of those about the same, the first is what others are translated to.
    pub formats: Vec<&'static dialect::Provider>,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS: the `:scheme` of requests.
    pub tls: bool,
    /// Where its endpoints are.
    pub layout: Layout,
    /// Whether servers of its kind load a model when it is asked for first.
    pub loads: bool,
    /// Whether it accepts `stream_options`; some OpenAI-compatible servers refuse it.
    pub stream_usage: bool,
}

impl Provider {
    /// The format in which it is asked for what a client asks in `client`'s: the same, or one that it can be translated to, of
    /// several one that suits the model. `None` when it has none.
    pub fn format_for(&self, client: &Client, model: &str) -> Option<&'static dialect::Provider> {
        if matches!(client.asks, Asks::PassedThrough) {
            return self.formats.iter().any(|format| format.id == Id::OpenAiChat).then_some(client.provider);
        }
        let same = self.formats.iter().find(|format| format.id == client.id());
        let others = || self.formats.iter().filter(|format| client.asks.translates(&format.serves));
        same.or_else(|| others().find(|format| (format.departs.suits)(model)).or_else(|| others().next())).copied()
    }

    /// Whether its host is a name, which has to be looked up, and no address.
    pub fn is_named(&self) -> bool {
        let without_port = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        !is_address(&self.authority) && !is_address(without_port)
    }

    /// The Envoy cluster that reaches it with this key; the first is 0.
    pub fn cluster(&self, key: usize) -> &str {
        self.clusters.get(key).unwrap_or(&self.name)
    }

    /// How it departs from a format that it speaks.
    pub fn quirks(&self, format: &dialect::Provider) -> impl Iterator<Item = &'static Quirk> + use<> {
        let no_options = !self.stream_usage && format.id.takes_stream_options();
        format.departs.quirks.iter().chain(no_options.then_some(&NO_STREAM_OPTIONS))
    }
}

/// A choice of names in the gateway file's schema: each with what it is.
#[cfg(feature = "schema")]
pub(crate) fn named_choice<'a>(about: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> schemars::Schema {
    let name = |(name, about): (&str, &str)| serde_json::json!({ "const": name, "description": about });
    schemars::json_schema!({ "description": about, "oneOf": rows.map(name).collect::<Vec<_>>() })
}
