//! What a request costs besides its tokens at the plain price: its class of service, writes to a cache that keeps them for an
//! hour, and calls of tools that run at the provider.
//!
//! [`Extras`](sluice_wire::extras::Extras) is what an answer tells of it, [`Wishes`] what a request may come to. Neither is a full
//! parse: the wishes lean towards too much, as an estimate does.

use sluice_wire::extras::{Calls, Tier, Tool};

use crate::peek::literals::{Literal, Literals};

/// Calls of one tool that are reserved where the request does not bound them.
const CALLS: u64 = 10;

/// The longest word that is looked for.
const LONGEST: usize = "web_search_options".len();

/// What a request may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The class of service that it names.
    pub tier: Option<Tier>,
    /// Whether it may be given any class of service.
    pub any_tier: bool,
    /// Whether it marks what is to be cached.
    pub caches: bool,
    /// Whether for an hour.
    pub for_an_hour: bool,
    /// Whether it switches reasoning off, or nearly.
    pub quick: bool,
    /// What may be called.
    pub calls: Calls,
}

impl Wishes {
    /// Nothing besides tokens.
    pub const NOTHING: Self =
        Self { tier: None, any_tier: false, caches: false, for_an_hour: false, quick: false, calls: Calls::NONE };

    /// Reads a body that was read as JSON before, in one pass over its string literals.
    pub fn of(body: &[u8]) -> Self {
        let mut wishes = Self::default();
        let (mut offered, mut most) = (Calls::default(), None);
        let (mut tools, mut bounds, mut bounded) = (0_u64, 0_u64, 0_u64);
        let mut before: Option<Literal<'_>> = None;
        for literal in Literals::of(body) {
            let word = literal.word(LONGEST);
            let key = before.filter(|_| literal.is_value()).map(|key| key.word(LONGEST));
            match key.as_deref() {
                Some(b"service_tier") => wishes.asks_for(&word),
                Some(b"reasoning_effort" | b"effort") => wishes.quick |= matches!(&*word, b"none" | b"minimal"),
                Some(b"ttl") => wishes.for_an_hour |= *word == *b"1h",
                Some(b"type") => {
                    wishes.quick |= *word == *b"disabled";
                    let tool = Tool::offered(&word);
                    tools += u64::from(tool.is_some() || word.starts_with(b"web_fetch_2"));
                    if let Some(tool) = tool {
                        offered.add(tool, 1);
                    }
                }
                _ => {}
            }
            match &*word {
                b"cache_control" => wishes.caches = true,
                b"web_search_options" => offered.add(Tool::WebSearch, 1),
                b"max_tool_calls" => most = number_behind(body, &literal).or(most),
                b"max_uses" => {
                    let bound = number_behind(body, &literal);
                    bounds = bounds.saturating_add(bound.unwrap_or_default());
                    bounded += u64::from(bound.is_some());
                }
                _ => {}
            }
            before = Some(literal);
        }
        // The bounds are the tools' own if every tool has one; their sum is as much as any of them can come to.
        let own = (bounded >= tools && bounded > 0).then_some(bounds);
        let each = [most, own].into_iter().flatten().min().unwrap_or(CALLS);
        for (tool, _) in offered.each().filter(|(_, tools)| *tools > 0) {
            wishes.calls.add(tool, each);
        }
        wishes
    }

    /// Whether its provider may run tools while it answers.
    pub fn runs_tools(&self) -> bool {
        self.calls.each().any(|(_, calls)| calls > 0)
    }

    fn asks_for(&mut self, word: &[u8]) {
        let tier = std::str::from_utf8(word).ok().and_then(Tier::read);
        // Two of them, or one that is not known, may be any.
        self.any_tier |= tier.is_none() || self.tier.is_some_and(|before| Some(before) != tier);
        self.tier = tier.or(self.tier);
    }
}

/// The whole number behind a key.
fn number_behind(body: &[u8], key: &Literal<'_>) -> Option<u64> {
    let end = key.start.saturating_add(key.text.len()).saturating_add(1);
    let value = body.get(end..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn calls(of: &[(Tool, u64)]) -> Calls {
        of.iter().fold(Calls::default(), |mut calls, (tool, count)| {
            calls.add(*tool, *count);
            calls
        })
    }

    #[test]
    fn a_request_wishes_for_a_class_of_service() {
        for (body, tier, any) in [
            (r#"{"service_tier":"priority"}"#, Some(Tier::Priority), false),
            (r#"{"service\u005ftier" : "fl\u0065x"}"#, Some(Tier::Flex), false),
            (r#"{"service_tier":"standard_only"}"#, Some(Tier::Plain), false),
            (r#"{"service_tier":"auto"}"#, None, true),
            (r#"{"service_tier":"turbo"}"#, None, true),
            (r#"{"service_tier":"flex","service_tier":"priority"}"#, Some(Tier::Priority), true),
            (r#"{"service_tier":null,"user":"priority"}"#, None, false),
            ("{}", None, false),
        ] {
            let wishes = Wishes::of(body.as_bytes());
            assert_eq!((wishes.tier, wishes.any_tier), (tier, any), "{body}");
        }
    }

    #[test]
    fn a_request_wishes_for_caching_and_for_how_long() {
        for (body, caches, hour) in [
            (r#"{"system":[{"cache_control":{"type":"ephemeral"}}]}"#, true, false),
            (r#"{"cache_control":{"ttl":"1h","type":"ephemeral"}}"#, true, true),
            (r#"{"cache_control":{"ttl":"5m"}}"#, true, false),
            ("{}", false, false),
        ] {
            let wishes = Wishes::of(body.as_bytes());
            assert_eq!((wishes.caches, wishes.for_an_hour), (caches, hour), "{body}");
        }
    }

    #[test]
    fn tools_are_called_as_often_as_they_may_be() {
        use Tool::{CodeInterpreter, FileSearch, ImageGeneration, WebSearch};
        for (body, expected) in [
            (r#"{"tools":[{"type":"web_search_20250305","max_uses":3}]}"#, &[(WebSearch, 3)][..]),
            (r#"{"tools":[{"max_uses" : 2,"type":"web_search_preview"}]}"#, &[(WebSearch, 2)]),
            (r#"{"tools":[{"type":"web_search"}]}"#, &[(WebSearch, CALLS)]),
            (
                r#"{"tools":[{"type":"web_search","max_uses":1},{"type":"file_search"}]}"#,
                &[(WebSearch, CALLS), (FileSearch, CALLS)],
            ),
            (
                r#"{"tools":[{"type":"code_interpreter"},{"type":"image_generation"}],"max_tool_calls":4}"#,
                &[(CodeInterpreter, 1), (ImageGeneration, 4)],
            ),
            (
                r#"{"tools":[{"type":"web_search_20260209"},{"type":"web_fetch_20260209","max_uses":1}]}"#,
                &[(WebSearch, CALLS)],
            ),
            (r#"{"web_search_options":{}}"#, &[(WebSearch, CALLS)]),
            (r#"{"input":[{"type":"web_search_call","id":"ws_1"}]}"#, &[]),
            (r#"{"tools":[{"type":"function"}]}"#, &[]),
        ] {
            assert_eq!(Wishes::of(body.as_bytes()).calls, calls(expected), "{body}");
        }
    }
}
