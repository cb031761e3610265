//! Request fields and tools that are forbidden, by name.
//!
//! Only named fields and tools are forbidden. A name is a top-level field, or `tools.` and a tool type. A type with a version belongs to
//! the family without one.

use crate::peek::request_features::{RequestFeature, same};
use crate::suggest::closest;

/// No field has a longer name.
const LONGEST: usize = 64;

/// Tools that a top-level field can also request.
const FIELDS: [(&str, &str); 3] = [("web_search_options", "web_search"), ("mcp_servers", "mcp"), ("functions", OWN)];

/// A client-defined tool: in OpenAI's format by this type, in Anthropic's by `custom` or without a type.
const OWN: &str = "function";

/// Known names, to suggest in place of an invalid one.
const KNOWN: [&str; 26] = [
    "service_tier",
    "background",
    "store",
    "n",
    "best_of",
    "logprobs",
    "top_logprobs",
    "previous_response_id",
    "conversation",
    "container",
    "thinking",
    "reasoning",
    "reasoning_effort",
    "tools.web_search",
    "tools.web_fetch",
    "tools.file_search",
    "tools.code_interpreter",
    "tools.code_execution",
    "tools.image_generation",
    "tools.computer",
    "tools.shell",
    "tools.bash",
    "tools.mcp",
    "tools.tool_search",
    "tools.function",
    "tools.custom",
];

/// Fields and tools forbidden to a key, to a team's keys, or for a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden(Box<[Rule]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Field(Box<str>),
    Tool(Box<str>),
}

impl Rule {
    fn read(name: &str) -> Result<Self, String> {
        let is_word = |word: &str| {
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            word.bytes().all(good) && (1..=LONGEST).contains(&word.len())
        };
        match name.split_once('.') {
            Some(("tools", kind)) if is_word(kind) => Ok(Self::Tool(kind.into())),
            None if name == "model" => Err("another field: every request needs this one".to_owned()),
            None if is_word(name) => Ok(Self::Field(name.into())),
            _ => {
                let meant = closest(name, KNOWN).map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
                Err(format!(
                    "a top-level field such as service_tier, or a type of tool such as tools.web_search{meant}"
                ))
            }
        }
    }

    /// Whether the rule forbids this; `anthropics` says whether the request is in Anthropic's format.
    fn forbids(&self, feature: &RequestFeature<'_>, anthropics: bool) -> bool {
        match (self, feature) {
            (Self::Field(name), RequestFeature::Field(field)) => same(field.as_bytes(), name),
            (Self::Tool(name), RequestFeature::Field(field)) => {
                FIELDS.iter().any(|(known, kind)| **name == **kind && same(field.as_bytes(), known))
            }
            (Self::Tool(name), RequestFeature::Tool(None)) => matches!(&**name, OWN | "custom"),
            (Self::Tool(name), RequestFeature::Tool(Some(kind))) => {
                is_of(kind, name) || (anthropics && **name == *OWN && *kind == "custom")
            }
            (Self::Field(_), RequestFeature::Tool(_)) | (_, RequestFeature::Reference(..)) => false,
        }
    }
}

/// Whether a tool's type belongs to this family, with or without a version. `mcp_toolset` is Anthropic's name for `mcp`.
fn is_of(kind: &str, family: &str) -> bool {
    let Some((front, version)) = kind.split_at_checked(family.len()) else { return false };
    let is_version =
        |word: &str| matches!(word, "preview" | "latest") || word.bytes().all(|byte| byte.is_ascii_digit());
    let versioned = |version: &str| version.strip_prefix('_').is_some_and(|rest| rest.split('_').all(is_version));
    front.eq_ignore_ascii_case(family)
        && (version.is_empty() || versioned(version) || (family == "mcp" && version.eq_ignore_ascii_case("_toolset")))
}

impl Forbidden {
    /// Parses configured names. Returns the index of each invalid name with what was expected.
    pub fn read(names: &[String]) -> (Self, Vec<(usize, String)>) {
        let (mut rules, mut wrong) = (Vec::with_capacity(names.len()), Vec::new());
        for (index, name) in names.iter().enumerate() {
            match Rule::read(name) {
                Ok(rule) => rules.push(rule),
                Err(expected) => wrong.push((index, expected)),
            }
        }
        (Self(rules.into()), wrong)
    }

    /// Whether nothing is forbidden.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the rules forbids this; `anthropics` says whether the request is in Anthropic's format.
    pub fn forbids(&self, feature: &RequestFeature<'_>, anthropics: bool) -> bool {
        self.0.iter().any(|rule| rule.forbids(feature, anthropics))
    }

    /// The names as configured.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|rule| match rule {
            Rule::Field(name) => name.to_string(),
            Rule::Tool(name) => format!("tools.{name}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn forbids(name: &str, feature: &RequestFeature<'_>, anthropics: bool) -> bool {
        let (forbidden, wrong) = Forbidden::read(&[name.to_owned()]);
        assert_eq!((wrong, forbidden.names().next().as_deref()), (Vec::new(), Some(name)));
        forbidden.forbids(feature, anthropics)
    }

    #[test]
    fn a_field_is_forbidden_by_its_name() {
        for (name, field, expected) in [
            ("service_tier", "service_tier", true),
            ("service_tier", "Service_Tier", true),
            ("service_tier", "service", false),
            ("n", "n", true),
            ("n", "name", false),
            ("tools", "tools", true),
            ("tools.web_search", "web_search_options", true),
            ("tools.mcp", "mcp_servers", true),
            ("tools.function", "functions", true),
            ("tools.function", "tools", false),
        ] {
            assert_eq!(forbids(name, &RequestFeature::Field(field), false), expected, "{name} {field}");
        }
    }

    #[test]
    fn a_tool_is_forbidden_by_its_type_with_or_without_a_version() {
        for (name, kind, expected) in [
            ("tools.web_search", Some("web_search"), true),
            ("tools.web_search", Some("web_search_20250305"), true),
            ("tools.web_search", Some("web_search_2025_08_26"), true),
            ("tools.web_search", Some("web_search_preview"), true),
            ("tools.web_search", Some("web_search_preview_2025_03_11"), true),
            ("tools.web_search", Some("web_search_deep"), false),
            ("tools.web_search", Some("web_searches"), false),
            ("tools.web_search", Some("web_fetch_20250910"), false),
            ("tools.web", Some("web_search"), false),
            ("tools.web_search_preview", Some("web_search"), false),
            ("tools.mcp", Some("mcp_toolset"), true),
            ("tools.computer", Some("computer_20250124"), true),
            ("tools.computer", Some("computer_use_preview"), false),
            ("tools.function", Some("function"), true),
            ("tools.function", Some("custom"), false),
            ("tools.function", None, true),
            ("tools.custom", None, true),
            ("tools.custom", Some("custom"), true),
            ("web_search", Some("web_search"), false),
        ] {
            assert_eq!(forbids(name, &RequestFeature::Tool(kind), false), expected, "{name} {kind:?}");
        }
        assert!(forbids("tools.function", &RequestFeature::Tool(Some("custom")), true));
    }

    #[test]
    fn what_is_no_name_is_a_mistake_that_says_what_may_be_meant() {
        for (name, meant) in [
            ("service-tier", "\"service_tier\""),
            ("tools:web_search", "\"tools.web_search\""),
            ("tool.web_search", "\"tools.web_search\""),
            ("Background", "\"background\""),
            ("tools.", "such as"),
            ("tools.a.b", "such as"),
            ("", "such as"),
            ("messages[].content", "such as"),
            ("model", "another field"),
        ] {
            let (forbidden, wrong) = Forbidden::read(&["n".to_owned(), name.to_owned()]);
            assert_eq!(forbidden.names().collect::<Vec<_>>(), ["n"], "{name}");
            let [(1, expected)] = &wrong[..] else { panic!("{name}: {wrong:?}") };
            assert!(expected.contains(meant), "{name}: {expected}");
        }
    }
}
