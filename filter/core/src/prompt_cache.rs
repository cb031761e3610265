//! Remembers the prompts of the last minutes, to mark those that repeat for the provider's prompt cache.
//!
//! A provider writes a marked prompt to its cache for more than the price of plain input, and reads it for far less. So a prompt is not marked
//! at its first sight, but once its beginning repeats: while the provider's cache would still hold it. Envoy's shared data has a few thousand
//! slots; if two prompts share one, the later replaces the earlier, which is then not marked.

use std::time::Duration;

use sluice_wire::dialect::cache_marks::Repeated;
use sluice_wire::time::Time;

use crate::mix::number;
use crate::peek::conversation::Conversation;
use crate::store::SharedData;
use crate::store::value::{Value, age, bytes, parse, read, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"prompts\x01";

/// The maximum number of remembered prompts.
const SLOTS: u64 = 4096;

/// How long a prompt is remembered. Anthropic and AWS cache prompts for five minutes after the last use.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The minimum time between two writes of the same.
const FRESH: Duration = Duration::from_secs(1);

/// A prompt's beginning as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    value: u64,
    /// Hash of the messages before the last response.
    before: u64,
    /// Number of messages.
    messages: u64,
    at: Time,
}

impl Value for Seen {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [value, before, messages, at] = parse(&FORMAT, bytes)?;
        Some(Self { value, before, messages, at: Time(at) })
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&FORMAT, &[self.value, self.before, self.messages, self.at.0])
    }
}

/// The parts of a prompt for `model` that this Envoy has seen lately. Remembers the prompt.
pub fn repeated(model: &str, conversation: &Conversation, now: Time, shared: &dyn SharedData) -> Repeated {
    let Conversation { common, opening, before, messages, .. } = *conversation;
    let see = |hash: u64, seen: Seen| {
        see(Seen { value: number(model.as_bytes(), &hash.to_le_bytes()), at: now, ..seen }, shared)
    };
    let common = common.is_some_and(|common| see(common, Seen::default()).is_some());
    let before = before.unwrap_or_default();
    let last = see(opening, Seen { before, messages, ..Seen::default() });
    // Only a conversation that has grown is likely to grow again. Another Envoy may have seen its last request.
    let grows = last.is_some_and(|last| messages > last.messages);
    Repeated { common, before: grows || last.is_some_and(|last| before != 0 && last.before == before), grows }
}

/// Stores `seen`, and returns the value that it replaces, if that is recent.
fn see(seen: Seen, shared: &dyn SharedData) -> Option<Seen> {
    let slot = format!("sluice.prompts.1.{:03x}", seen.value % SLOTS);
    let is_within =
        |last: &Seen, span: Duration| last.value == seen.value && age(seen.at, last.at).is_some_and(|age| age < span);
    let last: Seen = read(shared, &slot);
    let same = Seen { at: last.at, ..seen } == last && is_within(&last, FRESH);
    if !same {
        update(shared, &slot, |_: Seen| Some(seen));
    }
    is_within(&last, REMEMBERED).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fake::Shared;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn at(seconds: u64) -> Time {
        Time((1_800_000_000 + seconds) * 1_000_000_000)
    }

    /// The request with this many turns of a conversation that starts with `first`.
    fn request(first: &str, turns: usize) -> Conversation {
        let turn = |index: usize| match index {
            0 => format!(r#"{{"role":"user","content":"{first}"}}"#),
            index if index % 2 == 0 => format!(r#"{{"role":"user","content":"{first} {index}"}}"#),
            index => format!(r#"{{"role":"assistant","content":"{index}"}}"#),
        };
        let turns: Vec<String> = (0..turns * 2 - 1).map(turn).collect();
        let body = format!(r#"{{"system":"s","messages":[{}]}}"#, turns.join(","));
        Conversation::of(body.as_bytes(), "t").unwrap()
    }

    fn parts(Repeated { common, before, grows }: Repeated) -> [bool; 3] {
        [common, before, grows]
    }

    #[test]
    fn a_prompt_is_marked_from_the_second_time_within_five_minutes() {
        let shared = Shared::default();
        let see = |first: &str, turns: usize, seconds: u64| {
            parts(repeated("m", &request(first, turns), at(seconds), &shared))
        };
        assert_eq!(see("a", 1, 0), [false, false, false], "the first time");
        assert_eq!(see("a", 2, 10), [true, true, true]);
        assert_eq!(see("a", 3, 309), [true, true, true], "each time counts anew");
        assert_eq!(see("b", 1, 310), [true, false, false], "another conversation with the same system prompt");
        assert_eq!(see("a", 4, 700), [false, false, false], "the provider has forgotten it");
    }

    #[test]
    fn only_a_conversation_that_grows_is_expected_to_continue() {
        let shared = Shared::default();
        let see = |first: &str, turns: usize| parts(repeated("m", &request(first, turns), at(0), &shared));
        see("examples", 3);
        assert_eq!(see("examples", 3), [true, true, false], "examples before a question that differs");
        assert_eq!(see("examples", 2), [true, false, false], "a turn is asked again");
        assert_eq!(see("examples", 5), [true, true, true], "another Envoy has seen a turn in between");
        assert_eq!(
            parts(repeated("n", &request("examples", 6), at(0), &shared)),
            [false, false, false],
            "another model"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let shared = Shared::default();
        (0..20_000_u64).for_each(|opening| {
            repeated("m", &Conversation { opening, common: Some(opening), ..Conversation::default() }, at(0), &shared);
        });
        assert!(shared.names().len() <= 4096);
    }
}
