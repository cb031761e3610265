//! Costs of a request beyond tokens at the plain price: its service tier, one-hour cache writes, and calls of tools that run at the
//! provider.
//!
//! [`Extras`](sluice_wire::extras::Extras) are the surcharges that a response reports, [`Surcharges`] those that a request may cause. Neither
//! comes from a full parse; the wishes overestimate, as estimates should.

use sluice_wire::extras::{Calls, Tier, Tool};

use crate::peek::body_scan::Passed;
use crate::peek::known_names::{KnownName, LONGEST};
use crate::peek::literals::Literal;

/// Reserved calls of one tool when the request sets no bound.
const CALLS: u64 = 10;

/// The surcharges that a request may cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surcharges {
    /// The service tier that it names.
    pub tier: Option<Tier>,
    /// Whether it may get any service tier.
    pub any_tier: bool,
    /// Whether it marks content for caching.
    pub caches: bool,
    /// Whether it asks for one-hour caching.
    pub for_an_hour: bool,
    /// Whether it turns reasoning off, or nearly.
    pub quick: bool,
    /// Calls of hosted tools that may happen.
    pub calls: Calls,
}

impl Surcharges {
    /// No surcharges.
    pub const NOTHING: Self =
        Self { tier: None, any_tier: false, caches: false, for_an_hour: false, quick: false, calls: Calls::NONE };

    /// Whether the provider may run tools for this request.
    pub fn runs_tools(&self) -> bool {
        self.calls.each().any(|(_, calls)| calls > 0)
    }

    fn asks_for(&mut self, word: &[u8]) {
        let tier = std::str::from_utf8(word).ok().and_then(Tier::read);
        // Two different tiers, or an unknown one, may mean any tier.
        self.any_tier |= tier.is_none() || self.tier.is_some_and(|before| Some(before) != tier);
        self.tier = tier.or(self.tier);
    }
}

/// Collects the wishes of a body, literal by literal.
#[derive(Debug)]
pub(crate) struct SurchargeScan<'a> {
    body: &'a [u8],
    wishes: Surcharges,
    /// Offered tools that are billed per call.
    offered: Calls,
    /// The request's bound on all tool calls.
    most: Option<u64>,
    /// Number of offered tools that can have a bound.
    tools: u64,
    /// Sum and number of the tools' own bounds.
    bounds: u64,
    bounded: u64,
}

impl<'a> SurchargeScan<'a> {
    /// Starts before the body's first literal.
    pub(crate) fn of(body: &'a [u8]) -> Self {
        let (wishes, offered) = (Surcharges::default(), Calls::default());
        Self { body, wishes, offered, most: None, tools: 0, bounds: 0, bounded: 0 }
    }

    /// Records the next literal.
    pub(crate) fn record(&mut self, passed: &Passed<'a>) {
        let Passed { literal, name, before, is_value } = passed;
        let value = || literal.word(LONGEST);
        match before {
            _ if !is_value => {}
            KnownName::ServiceTier => self.wishes.asks_for(&value()),
            KnownName::Effort => self.wishes.quick |= matches!(&*value(), b"none" | b"minimal"),
            KnownName::Ttl => self.wishes.for_an_hour |= *value() == *b"1h",
            KnownName::Type => self.is_of(&value()),
            _ => {}
        }
        match name {
            KnownName::CacheControl => self.wishes.caches = true,
            KnownName::WebSearchOptions => self.offered.add(Tool::WebSearch, 1),
            KnownName::MaxToolCalls => self.most = number_behind(self.body, literal).or(self.most),
            KnownName::MaxUses => {
                let bound = number_behind(self.body, literal);
                self.bounds = self.bounds.saturating_add(bound.unwrap_or_default());
                self.bounded = self.bounded.saturating_add(u64::from(bound.is_some()));
            }
            _ => {}
        }
    }

    /// Records the type of an object.
    fn is_of(&mut self, kind: &[u8]) {
        self.wishes.quick |= kind == b"disabled";
        let tool = Tool::offered(kind);
        self.tools = self.tools.saturating_add(u64::from(tool.is_some() || kind.starts_with(b"web_fetch_2")));
        if let Some(tool) = tool {
            self.offered.add(tool, 1);
        }
    }

    /// Finishes after the last literal.
    pub(crate) fn wished(self) -> Surcharges {
        let Self { mut wishes, offered, most, tools, bounds, bounded, .. } = self;
        // The tools' own bounds apply if every tool has one. Their sum bounds the calls of each.
        let own = (bounded >= tools && bounded > 0).then_some(bounds);
        let each = [most, own].into_iter().flatten().min().unwrap_or(CALLS);
        for (tool, _) in offered.each().filter(|(_, tools)| *tools > 0) {
            wishes.calls.add(tool, each);
        }
        wishes
    }
}

/// The integer value of a key.
fn number_behind(body: &[u8], key: &Literal<'_>) -> Option<u64> {
    let end = key.start.saturating_add(key.text.len()).saturating_add(1);
    let value = body.get(end..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::body_scan::walk;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    impl Surcharges {
        fn of(body: &[u8]) -> Self {
            let mut wishing = SurchargeScan::of(body);
            walk(body, |passed| wishing.record(passed));
            wishing.wished()
        }
    }

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
            let wishes = Surcharges::of(body.as_bytes());
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
            let wishes = Surcharges::of(body.as_bytes());
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
            assert_eq!(Surcharges::of(body.as_bytes()).calls, calls(expected), "{body}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;
        use crate::peek::body_scan::tests::properties::body;
        use crate::peek::literals::Literals;

        /// Reference implementation that reads each word letter by letter.
        fn read(body: &[u8]) -> Surcharges {
            let mut wishes = Surcharges::default();
            let (mut offered, mut most) = (Calls::default(), None);
            let (mut tools, mut bounds, mut bounded) = (0_u64, 0_u64, 0_u64);
            let mut before: Option<Literal<'_>> = None;
            for literal in Literals::of(body) {
                let word = literal.word(18);
                let key = before.filter(|_| literal.is_value()).map(|key| key.word(18));
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
            let own = (bounded >= tools && bounded > 0).then_some(bounds);
            let each = [most, own].into_iter().flatten().min().unwrap_or(CALLS);
            for (tool, _) in offered.each().filter(|(_, tools)| *tools > 0) {
                wishes.calls.add(tool, each);
            }
            wishes
        }

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn wishes_are_read_as_by_the_letters_of_each_word(body in body()) {
                prop_assert_eq!(Surcharges::of(body.as_bytes()), read(body.as_bytes()), "{}", body);
            }
        }
    }
}
