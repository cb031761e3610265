//! Name patterns with one wildcard that matches any text: `claude-*`, `*-mini`, `*`.
//!
//! Patterns appear in model names, in aliases, and in the model names that targets send to providers. The text that the wildcard of one
//! pattern matches replaces the wildcard of the other. [`may_fit`] limits that text to characters that are safe in paths, headers and logs.

use std::cmp::Reverse;

use crate::keys::Glob;

/// The wildcard.
const STAR: char = '*';
/// The maximum length of a name, in bytes.
pub const NAME_MAX: usize = 256;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: Box<str>,
    after: Box<str>,
}

impl Pattern {
    /// Parses a text with exactly one wildcard; `None` for any other.
    pub fn read(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(STAR)?;
        (!after.contains(STAR)).then(|| Self { before: before.into(), after: after.into() })
    }

    /// The text that the wildcard matches in `name`; `None` if the pattern does not match.
    pub fn part<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)
    }

    /// Replaces the wildcard with `part`.
    pub fn fill(&self, part: &str) -> String {
        [&*self.before, part, &*self.after].concat()
    }

    /// The pattern as text.
    pub fn text(&self) -> String {
        self.fill("*")
    }

    /// Prepends `front`.
    pub fn behind(&self, front: &str) -> Self {
        Self { before: [front, &*self.before].concat().into(), after: self.after.clone() }
    }

    /// Removes the prefix `front` if present.
    pub fn without(&self, front: &str) -> Self {
        let before = self.before.strip_prefix(front).unwrap_or(&self.before);
        Self { before: before.into(), after: self.after.clone() }
    }

    /// A sort key that puts the more specific pattern first: more text before the wildcard, then more text in total, then alphabetical
    /// order.
    pub fn rank(&self) -> impl Ord + use<> {
        let before = self.before.len();
        (Reverse(before), Reverse(before + self.after.len()), self.text())
    }

    /// Whether a name can match both this pattern and a key's glob.
    pub fn meets(&self, glob: &Glob) -> bool {
        match glob.ends() {
            None => self.part(glob.text()).is_some(),
            Some((first, last)) => {
                let ends = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
                let starts = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
                starts(&self.before, first) && ends(&self.after, last)
            }
        }
    }

    /// Whether a name can match both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.meets(&Glob::new(&other.text()))
    }
}

/// Whether a pattern may match this name at all. The name reaches the provider as the client sent it, also in a path. So only the
/// characters of known model names are allowed, and no segment may be a path step.
pub fn may_fit(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+[]".contains(&byte);
    name.len() <= NAME_MAX && name.bytes().all(good) && !has_steps(name)
}

/// Whether a segment is a path step: empty, or dots only.
pub fn has_steps(name: &str) -> bool {
    name.split('/').any(|segment| segment.bytes().all(|byte| byte == b'.'))
}

/// The pattern of the model names that a target with a wildcard sends to its provider. A `*` alone stands for the whole name, without the
/// provider's own prefix (`openai/*`). A `*` with text around it stands for the text that the model's wildcard matches.
pub fn shape(model: &Pattern, provider: &str, target: &str) -> Option<Pattern> {
    match target {
        "*" => Some(model.without(&format!("{provider}/"))),
        _ => Pattern::read(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pattern(text: &str) -> Pattern {
        Pattern::read(text).unwrap()
    }

    #[test]
    fn the_star_is_taken_out_and_put_in() {
        for (text, name, part) in [
            ("claude-*", "claude-x", Some("x")),
            ("claude-*", "claude-", Some("")),
            ("claude-*", "claude", None),
            ("*-mini", "gpt-5-mini", Some("gpt-5")),
            ("a*a", "a", None),
            ("a*a", "aa", Some("")),
            ("*", "", Some("")),
            ("*[1m]", "x[1m]", Some("x")),
        ] {
            assert_eq!(pattern(text).part(name), part, "{text} {name}");
            assert!(part.is_none_or(|part| pattern(text).fill(part) == name), "{text} {name}");
        }
        assert!(["", "x", "**", "a*b*c"].iter().all(|text| Pattern::read(text).is_none()));
    }

    #[test]
    fn more_text_before_the_star_is_more_specific_and_then_more_text_in_all() {
        let mut all = ["*", "gpt-*", "*-mini", "gpt-5-*", "gpt-*-mini", "a*", "gpt-*-nano", "*[1m]"];
        all.sort_by_key(|text| pattern(text).rank());
        assert_eq!(all, ["gpt-5-*", "gpt-*-mini", "gpt-*-nano", "gpt-*", "a*", "*-mini", "*[1m]", "*"]);
    }

    #[test]
    fn a_target_is_asked_for_the_whole_name_or_for_what_the_star_stands_for() {
        for (model, provider, target, expected) in [
            ("claude-*", "anthropic", "*", "claude-*"),
            ("openai/*", "openai", "*", "*"),
            ("openai/gpt-*", "openai", "*", "gpt-*"),
            ("anthropic/*", "openrouter", "*", "anthropic/*"),
            ("claude-*", "bedrock", "anthropic.claude-*", "anthropic.claude-*"),
            ("fast/*", "groq", "llama-*", "llama-*"),
        ] {
            let found = shape(&pattern(model), provider, target).unwrap();
            assert_eq!(found, pattern(expected), "{model} {provider} {target}");
        }
    }

    #[test]
    fn a_keys_pattern_meets_one_of_models_where_some_name_fits_both() {
        for (model, key, expected) in [
            ("claude-*", "claude-haiku-*", true),
            ("claude-haiku-*", "claude-*", true),
            ("claude-*", "claude-x", true),
            ("claude-*", "gpt-*", false),
            ("claude-*", "gpt", false),
            ("claude-*", "*-mini", true),
            ("*-mini", "gpt-*-nano", false),
            ("*", "gpt-5", true),
            ("gpt-*", "*", true),
        ] {
            assert_eq!(pattern(model).meets(&Glob::new(key)), expected, "{model} {key}");
        }
    }

    #[test]
    fn only_names_that_are_one_wherever_they_go_fit() {
        for name in ["gpt-5", "a/b:c", "@cf/meta/llama", "claude[1m]", "x@2024", "ft:gpt:me::id"] {
            assert!(may_fit(name), "{name}");
        }
        for name in ["", "a//b", "/a", "a/", "..", "a/../b", "a/.", "a b", "a*", "a?", "a#", "a%2e", "a\\b", "\u{e9}"] {
            assert!(!may_fit(name), "{name}");
        }
        assert!(!may_fit(&"x".repeat(257)));
    }
}
