//! Whole and streamed responses.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::conversation::{Choice, Finish, Part, Response, StreamEvent, Usage};

use super::can::{Can, Pings, Thinks};
use super::parts::{Drawn, ID, speech};

/// Stands for the call that began last.
pub const LAST: u32 = u32::MAX;

pub fn usage(can: &'static Can) -> Drawn<Usage> {
    let tokens = || 0..1_u64 << 24;
    (tokens(), tokens(), tokens(), tokens(), tokens())
        .prop_map(|(fresh, cached, cache_write, output, reasoning)| {
            let cache_write = if can.cache_writes { cache_write } else { 0 };
            let reasoning = if can.reasoning_tokens { reasoning } else { 0 };
            let input = fresh + cached + cache_write;
            Usage { input, cached, cache_write, output: output + reasoning, reasoning }
        })
        .boxed()
}

fn usage_or_none(can: &'static Can, always: bool) -> Drawn<Option<Usage>> {
    if always { usage(can).prop_map(Some).boxed() } else { of(usage(can)).boxed() }
}

fn finish() -> Drawn<Finish> {
    select(vec![Finish::Stop, Finish::Length, Finish::ToolCalls, Finish::ContentFilter]).boxed()
}

/// A response with a call finishes with [`Finish::ToolCalls`], unless it was cut short.
fn settled(can: &Can, finish: Finish, called: bool) -> Finish {
    match finish {
        Finish::Stop | Finish::ToolCalls if can.settled && called => Finish::ToolCalls,
        Finish::ToolCalls if can.settled => Finish::Stop,
        other => other,
    }
}

/// A whole response in the format's normal form.
pub fn response(can: &'static Can) -> Drawn<Response> {
    let choice = (speech(can, true), finish()).prop_map(|(parts, finish)| {
        let parts = (can.answered)(parts);
        let called = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        Choice { parts, finish: settled(can, finish, called) }
    });
    let created = if can.dated { any::<u64>().prop_map(Some).boxed() } else { Just(None).boxed() };
    let tier = match can.answer_tiers.is_empty() {
        true => Just(None).boxed(),
        false => of(select(can.answer_tiers).prop_map(str::to_owned)).boxed(),
    };
    (can.names.0, can.names.1, created, vec(choice, 1..=can.most_choices), usage_or_none(can, can.counted), tier)
        .prop_map(|(id, model, created, choices, usage, service_tier)| Response {
            id,
            model,
            created,
            choices,
            usage,
            service_tier,
            ..Response::default()
        })
        .boxed()
}

fn thoughts(can: &Can) -> Vec<Drawn<Vec<StreamEvent>>> {
    let thought = |text| StreamEvent::Thinking { choice: 0, text };
    match can.thinks {
        Thinks::Never => vec![],
        Thinks::Plainly => vec![vec(can.text.prop_map(thought), 1..4).boxed()],
        Thinks::Signed { answered: signature, .. } => {
            let signature_or_none =
                if can.interleaved { of(signature).boxed() } else { signature.prop_map(Some).boxed() };
            let signed =
                (vec(can.text.prop_map(thought), 0..3), signature_or_none).prop_map(|(mut events, signature)| {
                    events.extend(signature.map(|signature| StreamEvent::Signature { choice: 0, signature }));
                    events
                });
            let hidden = signature.prop_map(|data| vec![StreamEvent::RedactedThinking { choice: 0, data }]);
            vec![signed.boxed(), hidden.boxed()]
        }
    }
}

/// A run of pieces of one kind.
fn stretch(can: &Can) -> Drawn<Vec<StreamEvent>> {
    if let Some(stretch) = can.stretch {
        return stretch();
    }
    let choice = 0;
    let mut kinds = thoughts(can);
    kinds.push(vec(can.text.prop_map(move |text| StreamEvent::Text { choice, text }), 1..4).boxed());
    if can.refusals {
        kinds.push(vec(can.text.prop_map(move |text| StreamEvent::Refusal { choice, text }), 1..4).boxed());
    }
    if !can.schemas.is_empty() {
        let call = (ID, ID, vec(can.text, 1..4)).prop_map(move |(id, name, pieces)| {
            let piece = |json| StreamEvent::Arguments { choice, call: LAST, json };
            let start = StreamEvent::ToolCall { choice, call: 0, id, name };
            [start].into_iter().chain(pieces.into_iter().map(piece)).collect()
        });
        kinds.push(call.boxed());
    }
    if can.interleaved {
        let piece =
            (0..LAST, can.text).prop_map(move |(call, json)| vec![StreamEvent::Arguments { choice, call, json }]);
        kinds.push(piece.boxed());
    }
    if can.pings != Pings::Never {
        kinds.push(Just(vec![StreamEvent::Ping]).boxed());
    }
    Union::new(kinds).boxed()
}

/// Numbers the calls, and assigns pieces of arguments to calls that have begun. Returns the number of calls.
fn number(events: Vec<StreamEvent>) -> (Vec<StreamEvent>, u32) {
    let mut begun = 0;
    let numbered = events.into_iter().filter_map(|mut event| {
        match &mut event {
            StreamEvent::ToolCall { call, .. } => {
                *call = begun;
                begun += 1;
            }
            StreamEvent::Arguments { .. } if begun == 0 => return None,
            StreamEvent::Arguments { call, .. } if *call == LAST => *call = begun - 1,
            StreamEvent::Arguments { call, .. } => *call %= begun,
            _ => {}
        }
        Some(event)
    });
    let numbered = numbered.collect();
    (numbered, begun)
}

/// A whole stream in the format's normal form.
pub fn stream(can: &'static Can) -> Drawn<Vec<StreamEvent>> {
    let first = if can.counted_first { usage(can).prop_map(Some).boxed() } else { Just(None).boxed() };
    (can.names.0, can.names.1, first, vec(stretch(can), 0..8), finish(), usage_or_none(can, can.counted_last))
        .prop_map(|(id, model, first, stretches, finish, last)| {
            let mut events = vec![StreamEvent::Start { id, model }];
            events.extend(first.map(|usage| StreamEvent::Usage(Usage { reasoning: 0, ..usage })));
            let (said, calls) = number(stretches.into_iter().flatten().collect());
            events.extend((can.told)(said));
            events.push(StreamEvent::Finish { choice: 0, finish: settled(can, finish, calls > 0) });
            events.extend(last.map(StreamEvent::Usage));
            events.extend(can.ends.then_some(StreamEvent::End));
            events
        })
        .boxed()
}

/// Removes events that must not directly follow a signature.
pub fn not_after_signatures(events: Vec<StreamEvent>, may_not: fn(&StreamEvent) -> bool) -> Vec<StreamEvent> {
    let mut kept: Vec<StreamEvent> = Vec::new();
    for event in events {
        if !(matches!(kept.last(), Some(StreamEvent::Signature { .. })) && may_not(&event)) {
            kept.push(event);
        }
    }
    kept
}
