//! Guarantees of every format's alias rules, for any history.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Role, Tool};

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() }
}

fn result(call: &str) -> Part {
    Part::ToolResult { call: call.to_owned(), content: Vec::new(), is_error: false, cache: None }
}

fn request(messages: Vec<Vec<Part>>, tools: &[&str]) -> Request {
    let message = |parts: Vec<Part>| Message { role: Role::Assistant, parts, name: None };
    let tool =
        |name: &&str| Tool { name: (*name).to_owned(), description: None, parameters: None, strict: None, cache: None };
    Request {
        messages: messages.into_iter().map(message).collect(),
        tools: tools.iter().map(tool).collect(),
        ..Request::default()
    }
}

/// The identifiers of a request's calls and of its results, in order.
fn ids(request: &Request) -> (Vec<String>, Vec<String>) {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        match part {
            Part::ToolCall { id, .. } => calls.push(id.clone()),
            Part::ToolResult { call, .. } => results.push(call.clone()),
            _ => {}
        }
    }
    (calls, results)
}

#[test]
fn what_fits_stays() {
    let history =
        vec![vec![call("toolu_01", "get_weather"), call("b-2", "x")], vec![result("b-2"), result("toolu_01")]];
    let mut changed = request(history.clone(), &["get_weather", "x"]);
    let aliases = apply(&mut changed, &ANTHROPIC);
    assert_eq!((aliases.names, aliases.any), (Names::none(), false));
    assert_eq!(changed, request(history, &["get_weather", "x"]));
}

#[test]
fn a_head_tells_what_it_was() {
    let mut changed = request(vec![vec![call("functions.lookup:0", "a")]], &["mcp__wiki__search for a page"]);
    let names = apply(&mut changed, &ANTHROPIC).names;
    assert!(ids(&changed).0[0].starts_with("functions_lookup_0_"), "{changed:?}");
    assert!(changed.tools[0].name.starts_with("mcp__wiki__search_for_a_page_"), "{changed:?}");
    let mut name = changed.tools[0].name.clone();
    names.restore(&mut name);
    assert_eq!(name, "mcp__wiki__search for a page");
}

#[test]
fn an_alias_that_is_taken_is_made_another_way() {
    let alias = |history: Vec<Part>| {
        let mut changed = request(vec![history], &[]);
        apply(&mut changed, &MISTRAL);
        ids(&changed).0
    };
    let taken = alias(vec![call("long enough", "f")]).remove(0);
    // The first call keeps its name, so later turns do not change earlier ones.
    let both = alias(vec![call("long enough", "f"), call(&taken, "f")]);
    assert_eq!(both[0], taken);
    assert_ne!(both[1], taken);
    let both = alias(vec![call(&taken, "f"), call("long enough", "f")]);
    assert_eq!(both[0], taken);
    assert_ne!(both[1], taken);
}

#[test]
fn a_result_without_a_call_is_the_providers_to_refuse() {
    let mut changed =
        request(vec![vec![result("nobody's")], vec![call("nobody's", "f")], vec![result("nobody's")]], &[]);
    apply(&mut changed, &BEDROCK);
    let (calls, results) = ids(&changed);
    assert_ne!(results[0], calls[0]);
    assert_eq!(results[1], calls[0]);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::dialect::FORMATS;
    use crate::dialect::openai_chat::variations;

    /// The rules of every provider.
    fn all() -> Vec<Rules> {
        let formats = FORMATS.iter().filter_map(|format| Some(format.provider.chat()?.rules));
        formats.chain([variations::MISTRAL.rules]).collect()
    }

    /// Similar texts, and arbitrary ones.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab]{1,2}",
            "[ab:._-]{1,3}",
            "call_[a-zA-Z0-9]{16}",
            "[a-z_]{60,70}",
            "[a-zA-Z0-9]{9}",
            ".{0,12}",
            "\\PC{30,140}"
        ]
    }

    #[derive(Debug, Clone)]
    enum Step {
        Call(String, String),
        Result(usize),
    }

    /// A history: each result names an earlier call, and each inner list is a message.
    fn history() -> impl Strategy<Value = Vec<Vec<Part>>> {
        (vec(text(), 1..5), vec(text(), 1..5))
            .prop_flat_map(|(ids, names)| {
                let step = prop_oneof![
                    (select(ids), select(names)).prop_map(|(id, name)| Step::Call(id, name)),
                    any::<usize>().prop_map(Step::Result),
                ];
                vec(vec(step, 0..4), 0..8)
            })
            .prop_map(|messages| {
                let mut open: Vec<String> = Vec::new();
                let messages = messages.into_iter().map(|steps| {
                    let parts = steps.into_iter().filter_map(|step| match step {
                        Step::Call(id, name) => {
                            open.push(id.clone());
                            Some(call(&id, &name))
                        }
                        Step::Result(place) if !open.is_empty() => Some(result(&open.remove(place % open.len()))),
                        Step::Result(_) => None,
                    });
                    parts.collect()
                });
                messages.collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn identifiers_are_taken_apart_and_the_same_in_the_next_turn(before in history(), after in history(), rules in select(all())) {
            let messages = before.len();
            let own = request([before.clone(), after].concat(), &[]);
            let (mut turn, mut next) = (request(before, &[]), own.clone());
            apply(&mut turn, &rules);
            apply(&mut next, &rules);
            prop_assert_eq!(&next.messages[..messages], &turn.messages[..]);

            let ((calls, results), (own_calls, own_results)) = (ids(&next), ids(&own));
            let distinct: BTreeSet<&String> = calls.iter().collect();
            prop_assert_eq!(distinct.len(), calls.len(), "two calls have one identifier: {:?}", calls);
            for id in calls.iter().chain(&results) {
                prop_assert!(rules.ids.takes(id), "{id:?}");
            }
            // A result keeps its call; each call has at most one result, unless a result came twice.
            for (result, own) in results.iter().zip(&own_results) {
                let call = calls.iter().position(|call| call == result);
                prop_assert!(call.is_none_or(|call| own_calls[call] == *own), "{result} is tied to another call");
                prop_assert_eq!(call.is_none(), !own_calls.contains(own));
            }
            let first = |place: usize| !own_calls[..place].contains(&own_calls[place]);
            for (place, own) in own_calls.iter().enumerate().filter(|(place, own)| first(*place) && rules.ids.takes(own)) {
                prop_assert_eq!(&calls[place], own, "an identifier that fits was changed");
            }
        }

        #[test]
        fn names_are_taken_apart_and_come_back(names in vec(text(), 0..6), history in history(), rules in select(all())) {
            let tools: Vec<&str> = names.iter().map(String::as_str).collect();
            let own = Request { tool_choice: names.first().cloned().map(ToolChoice::Named), ..request(history, &tools) };
            let all = |request: &Request| {
                let choice = match &request.tool_choice {
                    Some(ToolChoice::Named(name)) => Some(name.clone()),
                    _ => None,
                };
                let calls = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
                    Part::ToolCall { name, .. } => Some(name.clone()),
                    _ => None,
                });
                let tools = request.tools.iter().map(|tool| tool.name.clone());
                tools.chain(choice).chain(calls).collect::<Vec<_>>()
            };
            let mut changed = own.clone();
            let aliases = apply(&mut changed, &rules);
            prop_assert_eq!(aliases.any, changed != own);
            let aliases = aliases.names;
            let mut pairs = BTreeSet::new();
            for (alias, own) in all(&changed).into_iter().zip(all(&own)) {
                prop_assert!(rules.names.takes(&alias), "{alias:?}");
                prop_assert!(alias == own || !rules.names.takes(&own), "a name that fits was changed");
                let mut restored = alias.clone();
                aliases.restore(&mut restored);
                prop_assert_eq!(&restored, &own);
                pairs.insert((alias, own));
            }
            let distinct: BTreeSet<&String> = pairs.iter().map(|(alias, _)| alias).collect();
            prop_assert_eq!(distinct.len(), pairs.len(), "two functions have one name");
            let mut again = own;
            prop_assert_eq!(apply(&mut again, &rules).names, aliases);
            prop_assert_eq!(again, changed);
        }
    }
}
