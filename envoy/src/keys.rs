//! Creates virtual keys. A key is shown once; the gateway file stores only its hash.

use std::fmt;

use clap::ValueEnum;
use sha2::{Digest, Sha256};
use sluice_core::keys::secret::{DIGITS, PREFIX, RANDOM_DIGITS, checksum};
use sluice_wire::hex;

use crate::render::quote;

/// A virtual key: `sk-sluice-`, 160 random bits, and a checksum that lets secret scanners and people recognize a valid key.
pub struct Secret(String);

impl Secret {
    /// Generates a key from the operating system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut text = PREFIX.to_owned();
        while text.len() < PREFIX.len() + RANDOM_DIGITS {
            let mut bytes = [0; 64];
            getrandom::fill(&mut bytes)?;
            // Rejects bytes from 248, the largest multiple of 62, so that all digits are equally likely.
            let digits = bytes.iter().filter(|byte| **byte < 248).map(|byte| DIGITS[usize::from(*byte) % 62]);
            text.extend(digits.map(char::from).take(PREFIX.len() + RANDOM_DIGITS - text.len()));
        }
        text.extend(checksum(text.as_bytes()).map(char::from));
        Ok(Self(text))
    }

    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The hash for the gateway file.
    pub fn sha256(&self) -> String {
        hex::encoded(&Sha256::digest(&self.0))
    }
}

/// The overrides that a key's holder may set for a request.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Control {
    /// The header x-sluice-route: a strategy, or a target to try first
    Route,
    /// The header x-sluice-fallback: off
    Fallback,
    /// The header x-sluice-timeout: a shorter timeout
    Timeout,
    /// A target, as provider/model, instead of a model name
    Targets,
    /// Response headers with cost and times: x-sluice-cost, x-sluice-overhead-ms, x-sluice-ttft-ms
    Report,
    /// The header x-sluice-cache-namespace: a part of the cache of its own
    Cache,
}

impl Control {
    /// The name in the gateway file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Fallback => "fallback",
            Self::Timeout => "timeout",
            Self::Targets => "targets",
            Self::Report => "report",
            Self::Cache => "cache",
        }
    }
}

/// A key's entry in the gateway file.
#[derive(Debug, Default)]
pub struct Entry<'a> {
    pub id: &'a str,
    pub team: &'a str,
    pub sha256: &'a str,
    pub app: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub labels: &'a [(String, String)],
    pub models: &'a [String],
    pub endpoints: &'a [String],
    pub forbid: &'a [String],
    pub sources: &'a [String],
    pub control: &'a [String],
    pub expires: Option<&'a str>,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - id: {}", quote(self.id))?;
        let texts = [
            ("sha256", Some(self.sha256)),
            ("team", Some(self.team)),
            ("app", self.app),
            ("owner", self.owner),
            ("expires", self.expires),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                writeln!(f, "    {field}: {}", quote(text))?;
            }
        }
        let lists = [
            ("models", self.models),
            ("endpoints", self.endpoints),
            ("forbid", self.forbid),
            ("sources", self.sources),
            ("control", self.control),
        ];
        for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let quoted: Vec<String> = list.iter().map(|text| quote(text)).collect();
            writeln!(f, "    {field}: [{}]", quoted.join(", "))?;
        }
        if !self.labels.is_empty() {
            let pair = |(name, value): &(String, String)| format!("{}: {}", quote(name), quote(value));
            let pairs: Vec<String> = self.labels.iter().map(pair).collect();
            writeln!(f, "    labels: {{ {} }}", pairs.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use sluice_core::keys::secret::is_well_formed;
    use sluice_core::keys::spec;

    use super::*;

    #[test]
    fn a_key_is_written_as_the_filter_expects() {
        let key = Secret::generate().unwrap();
        assert!(is_well_formed(key.text().as_bytes()), "{}", key.text());
        assert_ne!(key.text(), Secret::generate().unwrap().text());
    }

    #[test]
    fn an_entry_is_ready_to_paste() {
        let key = Secret::generate().unwrap();
        let list = |text: &str| vec![text.to_owned()];
        let (sha256, models, endpoints, sources) =
            (key.sha256(), list("chat"), list("/v1/chat/*"), list("2001:db8::/32"));
        let labels = [("cost-center".to_owned(), "4711".to_owned()), ("note".to_owned(), "a: \"b\", {c}".to_owned())];
        let entry = Entry {
            id: "on",
            team: "t",
            sha256: &sha256,
            app: Some("yes"),
            owner: Some("Ann: Smith"),
            labels: &labels,
            models: &models,
            endpoints: &endpoints,
            forbid: &list("tools.web_search"),
            sources: &sources,
            control: &Control::value_variants().iter().map(|control| control.word().to_owned()).collect::<Vec<_>>(),
            expires: Some("2027-01-31T00:00:00Z"),
        };
        let text = format!(
            "providers: {{ p: {{ kind: openai }} }}\nmodels: {{ chat: {{ targets: [{{ provider: p, model: m }}] }} \
             }}\nteams: {{ t: {{}} }}\napps: {{ \"yes\": {{}} }}\nkeys:\n{entry}"
        );
        let gateway = crate::check::check(&text).unwrap().gateway;
        let hash = sluice_core::key_hash::KeyHash::from_hex(&sha256).unwrap();
        let caller = &gateway.keys[&hash].caller;
        assert_eq!((&*caller.key_id, caller.app.as_deref()), ("on", Some("yes")));
        assert_eq!(caller.owner.as_deref(), Some("Ann: Smith"));
        assert_eq!(
            caller.control,
            [
                spec::Permission::Route,
                spec::Permission::Fallback,
                spec::Permission::Timeout,
                spec::Permission::Targets,
                spec::Permission::Report,
                spec::Permission::Cache
            ]
        );
        assert_eq!(caller.labels, labels.into_iter().collect());
        assert!(caller.endpoints.as_ref().unwrap()[0].matches("/v1/chat/completions"));
        assert_eq!(caller.forbid.names().collect::<Vec<_>>(), ["tools.web_search"]);
        assert!(caller.sources.as_ref().unwrap()[0].contains("2001:db8::1".parse().unwrap()));
    }
}
