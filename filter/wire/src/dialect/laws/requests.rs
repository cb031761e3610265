//! Whole requests.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::conversation::{Message, OutputFormat, Part, Reasoning, Request, Role, Tool, ToolChoice};

use super::can::{Can, Output, Turns};
use super::parts::{Drawn, ID, mark, result, schema, shown, speech, text};

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn asks(can: &Can) -> Drawn<Vec<Message>> {
    (vec(result(can), 0..3), vec(shown(can), 1..4))
        .prop_map(|(mut turn, parts)| {
            turn.push(message(Role::User, parts));
            turn
        })
        .boxed()
}

fn rounds(can: &'static Can, end_with_user: bool) -> Drawn<Vec<Message>> {
    let system = of(vec(text(can), 1..3).prop_map(|parts| message(Role::System, parts)));
    let said = speech(can, false).prop_map(|parts| message(Role::Assistant, parts));
    let last = if end_with_user { asks(can).prop_map(Some).boxed() } else { of(asks(can)).boxed() };
    (system, vec((asks(can), said), 0..3), last)
        .prop_filter_map("no turns", |(system, rounds, last)| {
            let turns = rounds.len() + usize::from(last.is_some());
            let mut messages: Vec<Message> = system.into_iter().collect();
            for (asked, said) in rounds {
                messages.extend(asked);
                messages.push(said);
            }
            messages.extend(last.into_iter().flatten());
            (turns > 0).then_some(messages)
        })
        .boxed()
}

fn free(can: &'static Can, instructors: &'static [Role]) -> Drawn<Vec<Message>> {
    let turn = prop_oneof![
        (select(instructors), vec(text(can), 1..3)).prop_map(|(role, parts)| message(role, parts)),
        vec(shown(can), 1..4).prop_map(|parts| message(Role::User, parts)),
        speech(can, false).prop_map(|parts| message(Role::Assistant, parts)),
        result(can),
    ];
    vec(turn, 1..6).boxed()
}

fn messages(can: &'static Can) -> Drawn<Vec<Message>> {
    match can.turns {
        Turns::Rounds { end_with_user } => rounds(can, end_with_user),
        Turns::Free(instructors) => free(can, instructors),
        Turns::Own(messages) => messages(),
    }
}

fn tools(can: &'static Can) -> Drawn<Vec<Tool>> {
    if can.schemas.is_empty() {
        return Just(vec![]).boxed();
    }
    let parameters = if can.bare_tools { of(schema(can)).boxed() } else { schema(can).prop_map(Some).boxed() };
    let tool = (ID, of(can.text), parameters, select(can.strict), mark(can)).prop_map(
        |(name, description, parameters, strict, cache)| Tool { name, description, parameters, strict, cache },
    );
    vec(tool, can.tools.clone()).boxed()
}

/// One of `choices`, or none.
fn one<T: Clone + std::fmt::Debug>(choices: &'static [T]) -> Drawn<Option<T>> {
    if choices.is_empty() { Just(None).boxed() } else { of(select(choices)).boxed() }
}

fn choice(can: &Can) -> Drawn<Option<ToolChoice>> {
    (one(can.choices), ID)
        .prop_map(|(choice, name)| match choice {
            Some(ToolChoice::Named(_)) => Some(ToolChoice::Named(name)),
            other => other,
        })
        .boxed()
}

fn output(can: &'static Can) -> Drawn<Option<OutputFormat>> {
    let Output::Schemas { objects, name: fixed, strict } = can.output else { return Just(None).boxed() };
    let shaped = (ID, of(can.text), schema(can), select(strict)).prop_map(
        move |(name, description, schema, strict)| match fixed {
            Some(name) => OutputFormat::JsonSchema { name: name.to_owned(), description: None, schema, strict },
            None => OutputFormat::JsonSchema { name, description, schema, strict },
        },
    );
    let any = objects.then(|| Just(OutputFormat::JsonObject).boxed());
    of(Union::new([shaped.boxed()].into_iter().chain(any))).boxed()
}

fn reasoning(can: &Can) -> Drawn<Option<Reasoning>> {
    (one(can.reasoning), can.budget.0..=can.budget.1, ID)
        .prop_map(|(reasoning, budget, word)| match reasoning {
            Some(Reasoning::Budget(_)) => Some(Reasoning::Budget(budget)),
            Some(Reasoning::Effort(_)) => Some(Reasoning::Effort(word)),
            other => other,
        })
        .boxed()
}

fn decimal(range: Option<(i32, i32)>) -> Drawn<Option<f64>> {
    number(range).prop_map(|number| number.map(|hundredths| f64::from(hundredths) / 100.0)).boxed()
}

fn number<T: Copy + std::fmt::Debug + 'static>(range: Option<(T, T)>) -> Drawn<Option<T>>
where
    RangeInclusive<T>: Strategy<Value = T>,
{
    range.map_or(Just(None).boxed(), |(least, most)| of(least..=most).boxed())
}

/// A request in the format's normal form.
pub fn request(can: &'static Can) -> Drawn<Request> {
    let limit = can.max_tokens.0..=can.max_tokens.1;
    let limit = if can.must_limit { limit.prop_map(Some).boxed() } else { of(limit).boxed() };
    let stream = if can.streams { any::<bool>().boxed() } else { Just(false).boxed() };
    let said = (can.model, messages(can), tools(can), choice(can), select(can.parallel));
    let shaped = (output(can), reasoning(can), stream);
    let decimals =
        (decimal(can.temperature), decimal(can.top_p), decimal(can.frequency_penalty), decimal(can.presence_penalty));
    let numbers = (number(can.top_k), number(can.seed), number(can.n), limit);
    let words = (vec(can.text, 0..=can.stops), can.user.drawn(), can.tier.drawn());
    (said, shaped, decimals, numbers, words)
        .prop_map(|(said, shaped, decimals, numbers, words)| {
            let (model, messages, tools, tool_choice, parallel_tool_calls) = said;
            // Without tools there is nothing to choose.
            let has_tools = !tools.is_empty();
            (can.normal)(Request {
                model,
                messages,
                tools,
                tool_choice: tool_choice.filter(|_| has_tools),
                parallel_tool_calls: parallel_tool_calls.filter(|_| has_tools),
                output: shaped.0,
                reasoning: shaped.1,
                stream: shaped.2,
                include_usage: true,
                temperature: decimals.0,
                top_p: decimals.1,
                frequency_penalty: decimals.2,
                presence_penalty: decimals.3,
                top_k: numbers.0,
                seed: numbers.1,
                n: numbers.2,
                max_tokens: numbers.3,
                stop: words.0,
                user: words.1,
                service_tier: words.2,
                ..Request::default()
            })
        })
        .boxed()
}

/// The normal form for Claude: a tool choice requires tools, and thinking excludes other parameters.
pub fn normal_for_claude(mut request: Request) -> Request {
    if request.tool_choice.as_ref().is_none_or(|choice| *choice == ToolChoice::None) {
        request.parallel_tool_calls = None;
    }
    if request.reasoning.is_none() {
        return request;
    }
    // Only the first user turn: an assistant turn would have to begin with thinking.
    let turn = request.messages.into_iter().skip_while(|message| message.role == Role::System);
    Request {
        messages: turn.take_while(|message| message.role != Role::Assistant).collect(),
        max_tokens: Some(50_001),
        tool_choice: None,
        parallel_tool_calls: None,
        temperature: None,
        top_p: None,
        top_k: None,
        ..request
    }
}
