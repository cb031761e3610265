//! Provider kinds: the defaults that the gateway file's `kind` stands for. Each kind is a row of a [`table`]; a new kind needs a new row
//! and no code.
//!
//! A row describes how to reach a service and which formats it speaks. The gateway file contains everything that belongs to one account or
//! server: its key, its limits, another address.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use sluice_wire::dialect::Provider;

use crate::suggest::one_of;

use super::layout::Surface;

mod table;

/// The properties of a kind.
#[derive(Debug)]
pub struct Row {
    /// The name in the gateway file.
    pub name: &'static str,
    /// A one-line description.
    pub about: &'static str,
    /// The base URL with the version's path: of the public service, or the default address of a local server. Without one, the gateway file
    /// must set `url`.
    pub url: Option<&'static str>,
    /// Other hosts of the same service, to find the prices of a provider with its own `url`. A leading dot or hyphen makes it a suffix.
    pub hosts: &'static [&'static str],
    /// The wire formats it speaks. Requests are translated to the first format with a matching purpose. Each format lists its own
    /// deviations.
    pub formats: &'static [&'static Provider],
    /// The layout of its endpoints.
    pub surface: Surface,
    /// How requests carry its credential.
    pub credential: Presented,
    /// Whether it accepts `prompt_cache_key`.
    pub prompt_cache_key: bool,
    /// The service's `gen_ai.provider.name` in OpenTelemetry, if that differs from `name`.
    /// Source: <https://github.com/open-telemetry/semantic-conventions-genai>, `docs/gen-ai/gen-ai-metrics.md`.
    pub telemetry: Option<&'static str>,
    /// The service's name in the price table, if its models are listed there.
    pub prices: Option<&'static str>,
}

/// How requests carry a credential: a header, and a prefix before the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// The header's name.
    pub header: &'static str,
    /// The prefix: `Bearer `, or empty.
    pub prefix: &'static str,
}

/// Source: RFC 6750 (`authorization: Bearer …`).
pub const BEARER: Presented = Presented { header: "authorization", prefix: "Bearer " };

/// A provider kind.
#[derive(Clone, Copy)]
pub struct Kind(&'static Row);

impl Kind {
    /// All kinds, in display order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        table::ROWS.iter().map(Self)
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.0.name == name)
    }

    /// Whether it is a local server, which may have to load a model first. The command looks for such servers on this machine.
    pub fn is_local(self) -> bool {
        self.0.url.is_some_and(|url| url.starts_with("http://127.0.0.1"))
    }

    /// The `gen_ai.provider.name` in metrics and traces.
    pub fn telemetry_name(self) -> &'static str {
        self.0.telemetry.unwrap_or(self.0.name)
    }

    /// The kind's properties.
    pub fn row(self) -> &'static Row {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || Self::all().map(|kind| kind.0.name);
        Self::named(&name).ok_or_else(|| {
            D::Error::custom(format!("unknown kind of provider {name:?}, expected {}", one_of(&name, names())))
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Kind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        super::named_choice("What kind of provider it is.", Self::all().map(|kind| (kind.0.name, kind.0.about)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::url::Url;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_row_says_enough_to_reach_and_speak_to_a_provider() {
        for kind in Kind::all() {
            let Row { name, about, url, hosts, formats, credential, .. } = kind.row();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(about.ends_with('.') && !about.contains('\n'), "{name}");
            if let Some(url) = url {
                let read = Url::parse(url).unwrap();
                assert!(
                    read.tls || read.host == "127.0.0.1",
                    "{name}: only what is on this machine is asked in clear text"
                );
                assert!(!url.ends_with('/') && !hosts.contains(&&*read.host), "{name}");
            }
            assert!(hosts.iter().all(|host| *host == host.to_lowercase() && host.contains('.')), "{name}");
            assert!(!formats.is_empty(), "{name}");
            assert!(credential.header.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(credential.prefix.is_empty() || credential.prefix.ends_with(' '), "{name}");
        }
    }

    #[test]
    fn no_two_rows_are_the_same_service() {
        let mut names: Vec<&str> = Kind::all().map(|kind| kind.row().name).collect();
        let own = |kind: Kind| kind.row().url.map(|url| Url::parse(url).unwrap().authority());
        let hosts =
            Kind::all().flat_map(|kind| own(kind).into_iter().chain(kind.row().hosts.iter().map(|h| (*h).to_owned())));
        let mut hosts: Vec<String> = hosts.collect();
        for list in [&mut names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), &mut hosts] {
            let before = list.len();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), before);
        }
        names.sort_unstable();
        assert!(names.contains(&"openai") && names.contains(&"anthropic"));
    }

    #[test]
    fn every_quirk_names_a_field_that_its_format_has() {
        for kind in Kind::all() {
            for format in kind.row().formats {
                let fields = sluice_wire::dialect::Format::of(format.id).unwrap().fields;
                for quirk in format.departs.quirks {
                    let known = fields.iter().any(|(field, ..)| *field == quirk.field);
                    assert!(known, "{}: {}", kind.row().name, quirk.field);
                }
            }
        }
    }

    #[test]
    fn a_kind_is_read_from_its_name_and_written_as_it() {
        for kind in Kind::all() {
            let json = format!("{:?}", kind.row().name);
            assert_eq!(serde_json::from_str::<Kind>(&json).unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), json);
        }
        let error = serde_json::from_str::<Kind>(r#""mistrl""#).unwrap_err().to_string();
        assert!(error.contains("did you mean \"mistral\"?"), "{error}");
        assert!(serde_json::from_str::<Kind>("7").is_err());
    }
}
