//! Requests of coding agents with every provider: tools other than plain functions, and their calls in responses.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{input, read};
use crate::conversation::{Finish, Guises, Part, Response, StreamEvent as E, Usage};
use crate::dialect::Opening;
use crate::dialect::aliases::Names;
use crate::dialect::halves::{ANTHROPIC, BEDROCK, Both, COHERE, GEMINI, OPENAI_CHAT, RESPONSES};
use crate::dialect::translate::{self, ResponseContext};
use crate::embedding::Encoding;

/// Every provider format, with a model that supports tools there.
const PROVIDERS: [(Both, &str); 5] = [
    (OPENAI_CHAT, "gpt-5"),
    (ANTHROPIC, "claude-sonnet-4-5"),
    (GEMINI, "gemini-2.5-pro"),
    (BEDROCK, "amazon.nova-pro-v1:0"),
    (COHERE, "command-a-03-2025"),
];

/// The second turn of a Codex 0.171 conversation, with long texts shortened.
const CODEX: &str = include_str!("../../../../tests/goldens/agent.responses.json");

const PATCH: &str = "*** Begin Patch\n*** Add File: b.txt\n+say \"é😀\"\t\\n\n*** End Patch\n";

/// The model's calls as functions, and the items that the client gets for them.
fn calls() -> Vec<(&'static str, String, Value)> {
    let wrapped = json!({"input": PATCH}).to_string();
    vec![
        ("apply_patch", wrapped, json!({"type": "custom_tool_call", "name": "apply_patch", "input": PATCH})),
        (
            "multi_agent_v1__close_agent",
            r#"{"target":"a"}"#.to_owned(),
            json!({"type": "function_call", "name": "close_agent", "namespace": "multi_agent_v1", "arguments": "{\"target\":\"a\"}"}),
        ),
        (
            "exec",
            r#"{"input":"text(1)"}"#.to_owned(),
            json!({"type": "custom_tool_call", "name": "exec", "namespace": "functions", "input": "text(1)"}),
        ),
        (
            "tool_search",
            r#"{"query":"calendar"}"#.to_owned(),
            json!({"type": "tool_search_call", "execution": "client", "arguments": {"query": "calendar"}}),
        ),
        (
            "mcp__calendar__today",
            "{}".to_owned(),
            json!({"type": "function_call", "name": "_today", "namespace": "mcp__calendar__", "arguments": "{}"}),
        ),
        (
            "exec_command",
            r#"{"cmd":"ls"}"#.to_owned(),
            json!({"type": "function_call", "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}"}),
        ),
    ]
}

/// The items without generated fields.
fn bare(items: &[Value]) -> Vec<Value> {
    let mut items = items.to_vec();
    for item in &mut items {
        let fields = item.as_object_mut().unwrap();
        assert_eq!(fields.remove("status"), Some(json!("completed")));
        assert!(fields.remove("call_id").is_some());
        let (id, kind) = (fields.remove("id").unwrap(), fields["type"].as_str().unwrap());
        let head = match kind {
            "custom_tool_call" => "ctc_",
            "tool_search_call" => "tsc_",
            _ => "fc_",
        };
        assert!(id.as_str().unwrap().starts_with(head), "{id} of {kind}");
    }
    items
}

fn names_of(provider: Both, model: &str) -> Names {
    translate::request(RESPONSES.client, provider.provider, CODEX.as_bytes(), model).unwrap().names
}

#[test]
fn history_is_calls_of_functions_and_their_results() {
    let request = read(CODEX).unwrap();
    let call = |id: &str, name: &str, arguments: &str| super::call(id, name, arguments);
    assert_eq!(
        request.messages[1].parts,
        [
            call("c1", "apply_patch", r#"{"input":"*** \"Patch\"\n"}"#),
            call("c2", "multi_agent_v1__close_agent", r#"{"target":"a"}"#),
            call("c3", "tool_search", r#"{"query":"calendar"}"#),
        ]
    );
    let results: Vec<&Part> = request.messages[2..].iter().map(|message| &message.parts[0]).collect();
    assert_eq!(results.len(), 3);
    assert_eq!(*results[0], super::result("c1", vec![super::text("Success.")]));
    assert_eq!(*results[2], super::result("c3", vec![super::text("Tools found: mcp__calendar__today")]));
    let agent = request.tools.iter().find(|tool| tool.name == "multi_agent_v1__close_agent").unwrap();
    assert_eq!(agent.description.as_deref(), Some("Sub-agents.\n\nCloses."));
}

#[test]
fn calls_come_back_in_the_form_of_their_tools() {
    for (provider, model) in PROVIDERS {
        let names = names_of(provider, model);
        let parts = calls().into_iter().enumerate();
        let parts = parts.map(|(place, (name, arguments, _))| super::call(&format!("call_{place}"), name, &arguments));
        let choice = crate::conversation::Choice { parts: parts.collect(), finish: Finish::ToolCalls };
        let answer = Response { id: "a".to_owned(), choices: vec![choice], ..Response::default() };
        let body = provider.write_response(&answer, 7);
        let context =
            ResponseContext { model, id: "r", now: 7, encoding: Encoding::default(), estimate: 1, names: &names };
        let answer = translate::answer(RESPONSES.client, provider.provider, &body, &context).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let expected: Vec<Value> = calls().into_iter().map(|(.., item)| item).collect();
        assert_eq!(bare(answer["output"].as_array().unwrap()), expected, "{provider:?}");
    }
}

/// The client's events for a provider's stream.
fn streamed(provider: Both, model: &str, events: &[E], size: usize) -> Vec<Value> {
    let names = names_of(provider, model);
    let opening = |guises| Opening { model: model.to_owned(), now: 7, include_usage: true, estimate: 1, guises };
    let (mut writer, mut bytes) = (provider.stream_writer(opening(Guises::none())), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut bytes));
    let (mut reader, mut read) = (translate::stream(RESPONSES.asks(), provider.serves(), &names), Vec::new());
    bytes.chunks(size).for_each(|portion| reader.read(portion, &mut read).unwrap());
    // Google's streams have no terminator.
    if read.last() != Some(&E::End) {
        read.push(E::End);
    }
    let (mut writer, mut out) = (RESPONSES.stream_writer(opening(names.guises)), Vec::new());
    read.iter().for_each(|event| writer.write(event, &mut out));
    let out = String::from_utf8(out).unwrap();
    let data = out.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn stream_of_calls() -> Vec<E> {
    let mut events = vec![E::Start { id: "a".to_owned(), model: "m".to_owned() }];
    for (call, (name, arguments, _)) in (0..).zip(calls()) {
        events.push(E::ToolCall { choice: 0, call, id: format!("call_{call}"), name: name.to_owned() });
        let letters: Vec<char> = arguments.chars().collect();
        for piece in letters.chunks(7) {
            events.push(E::Arguments { choice: 0, call, json: piece.iter().collect() });
        }
    }
    let usage = Usage { input: 9, output: 9, ..Usage::default() };
    events.extend([E::Finish { choice: 0, finish: Finish::ToolCalls }, E::Usage(usage), E::End]);
    events
}

#[test]
fn streamed_calls_do_too_and_texts_come_in_pieces() {
    for (provider, model) in PROVIDERS {
        let events = streamed(provider, model, &stream_of_calls(), 11);
        let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
        let done: Vec<Value> = of("response.output_item.done").map(|event| event["item"].clone()).collect();
        let expected: Vec<Value> = calls().into_iter().map(|(.., item)| item).collect();
        assert_eq!(bare(&done), expected, "{provider:?}");
        let last = of("response.completed").next().unwrap_or_else(|| panic!("{provider:?}: {:?}", events.last()));
        assert_eq!(last["response"]["output"], json!(done), "{provider:?}");
        let patch = done.iter().position(|item| item["name"] == "apply_patch").unwrap();
        let pieces: Vec<&str> = of("response.custom_tool_call_input.delta")
            .filter(|event| event["item_id"] == done[patch]["id"] && event["output_index"] == patch)
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        assert_eq!(pieces.concat(), PATCH, "{provider:?}");
        // Google sends arguments whole.
        assert!(pieces.len() > 5 || model.starts_with("gemini"), "{provider:?}: {pieces:?}");
        let ended = of("response.custom_tool_call_input.done").find(|event| event["item_id"] == done[patch]["id"]);
        assert_eq!(ended.unwrap()["input"], PATCH);
        let added = of("response.output_item.added").find(|event| event["item"]["name"] == "apply_patch").unwrap();
        assert_eq!((&added["item"]["input"], &added["item"]["status"]), (&json!(""), &json!("in_progress")));
        assert_eq!(of("response.function_call_arguments.done").count(), 3);
    }
}

#[test]
fn a_client_that_takes_one_call_gets_the_first() {
    let one = CODEX.replace(r#""parallel_tool_calls":true"#, r#""parallel_tool_calls":false"#);
    for (provider, model) in PROVIDERS {
        let written = translate::request(RESPONSES.client, provider.provider, one.as_bytes(), model).unwrap();
        let told = String::from_utf8_lossy(&written.body).contains("parallel_tool");
        let dropped = written.dropped.iter().any(|dropped| dropped == "parallel_tool_calls");
        assert_ne!(told, dropped, "{provider:?}: {:?}", written.dropped);
        let mut bytes = Vec::new();
        let opening =
            Opening { model: model.to_owned(), now: 7, include_usage: true, estimate: 1, guises: Guises::none() };
        let mut writer = provider.stream_writer(opening);
        stream_of_calls().iter().for_each(|event| writer.write(event, &mut bytes));
        let (mut reader, mut read) =
            (translate::stream(RESPONSES.asks(), provider.serves(), &written.names), Vec::new());
        reader.read(&bytes, &mut read).unwrap();
        let called = read.iter().filter(|event| matches!(event, E::ToolCall { .. })).count();
        let arguments = read.iter().filter_map(|event| match event {
            E::Arguments { json, .. } => Some(json.as_str()),
            _ => None,
        });
        let arguments: String = arguments.collect();
        assert_eq!((called, serde_json::from_str(&arguments).ok()), (1, Some(json!({"input": PATCH}))), "{provider:?}");
        assert!(read.contains(&E::Finish { choice: 0, finish: Finish::ToolCalls }), "{provider:?}");
    }
}

#[test]
fn names_that_meet_stay_apart() {
    let tools = r#"{"model":"m","input":"hi","tools":[{"type":"function","name":"a__b"},
        {"type":"namespace","name":"a","tools":[{"type":"function","name":"b"}]},{"type":"custom","name":"c"},
        {"type":"function","name":"c"}],"tool_choice":{"type":"function","namespace":"a","name":"b"}}"#;
    let request = read(tools).unwrap();
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names[..3], ["a__b", "a__b_2", "c"]);
    assert_eq!(request.tool_choice, Some(crate::conversation::ToolChoice::Named("a__b_2".to_owned())));
    let guise = request.guises.of("a__b_2").unwrap();
    assert_eq!((guise.name.as_str(), guise.namespace.as_deref()), ("b", Some("a")));
    assert_eq!(request.guises.of("a__b"), None);
}

/// With this many tools, a linear search for each would take minutes.
#[test]
fn many_tools_and_calls_cost_no_more_than_they_are() {
    let many = 100_000;
    let tools: Vec<Value> = (0..many).map(|place| json!({"type": "custom", "name": format!("t{place}")})).collect();
    let same = (0..2_000).map(|place| {
        json!({"type": "namespace", "name": format!("n{}", "_".repeat(place % 50)), "tools": [
        {"type": "function", "name": format!("{}f", "_".repeat(place / 50))}]})
    });
    let kinds = (0..many).map(|place| json!({"type": format!("hosted_{place}")}));
    let tools: Vec<Value> = tools.into_iter().chain(same).chain(kinds).collect();
    let calls = (0..many)
        .map(|place| json!({"type": "custom_tool_call", "call_id": "c", "name": format!("t{place}"), "input": ""}));
    let body = json!({"model": "m", "input": calls.collect::<Vec<_>>(), "tools": tools}).to_string();
    let request = read(&body).unwrap();
    assert_eq!((request.tools.len(), request.messages[0].parts.len()), (many + 2_000, many));
    assert_eq!(request.dropped.len(), 16);
    let names: std::collections::BTreeSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names.len(), request.tools.len());
}

#[test]
fn an_item_that_is_here_may_be_referred_to_too() {
    let whole = r#"{"type":"message","id":"msg_1","role":"user","content":"hi"}"#;
    let request = read(&input(&format!(r#"{whole},{{"type":"item_reference","id":"msg_1"}}"#))).unwrap();
    assert_eq!(request.messages.len(), 1);
    let error = read(&input(&format!(r#"{whole},{{"type":"item_reference","id":"msg_2"}}"#))).unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("input[1].type")));
    assert!(error.message.contains("store: false"), "{}", error.message);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::conversation::{Form, Guise};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_a_client_sends_back_of_its_tools_is_what_it_got(text in ".*", target in ".*") {
            let request = read(CODEX).unwrap();
            let arguments = json!({"target": target}).to_string();
            let parts = vec![
                super::super::call("c1", "apply_patch", &json!({"input": text}).to_string()),
                super::super::call("c2", "multi_agent_v1__close_agent", &arguments),
                super::super::call("c3", "exec", &json!({"input": target}).to_string()),
                super::super::call("c4", "tool_search", r#"{"query":"q"}"#),
            ];
            let choice = crate::conversation::Choice { parts: parts.clone(), finish: Finish::ToolCalls };
            let response =
                Response { choices: vec![choice], guises: request.guises.clone(), ..Response::default() };
            let answer: Value = serde_json::from_slice(&RESPONSES.write_response(&response, 7)).unwrap();
            let mut body: Value = serde_json::from_str(CODEX).unwrap();
            body["input"] = answer["output"].clone();
            let again = read(&body.to_string()).unwrap();
            prop_assert_eq!(&again.messages[0].parts, &parts);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_comes_back_whole_and_in_pieces(text in ".*", size in 1_usize..9) {
            let mut guises = Guises::none();
            let (function, name) = ("n__t".to_owned(), "t".to_owned());
            guises.add(Guise { function, name, namespace: Some("n".to_owned()), form: Form::Text });
            let arguments: Vec<char> = json!({"input": text}).to_string().chars().collect();
            let opening = Opening { model: "m".to_owned(), now: 0, include_usage: true, estimate: 0, guises };
            let (mut writer, mut out) = (RESPONSES.stream_writer(opening), Vec::new());
            writer.write(&E::ToolCall { choice: 0, call: 0, id: "c".to_owned(), name: "n__t".to_owned() }, &mut out);
            for piece in arguments.chunks(size) {
                writer.write(&E::Arguments { choice: 0, call: 0, json: piece.iter().collect() }, &mut out);
            }
            writer.write(&E::End, &mut out);
            let out = String::from_utf8(out).unwrap();
            let (mut pieces, mut ends) = (String::new(), Vec::new());
            for data in out.lines().filter_map(|line| line.strip_prefix("data: ")) {
                let event: Value = serde_json::from_str(data).unwrap();
                pieces.push_str(event["delta"].as_str().unwrap_or_default());
                ends.extend(event["input"].as_str().map(str::to_owned));
                ends.extend(event["response"]["output"][0]["input"].as_str().map(str::to_owned));
            }
            prop_assert_eq!(&pieces, &text);
            prop_assert_eq!(ends, vec![text.clone(), text]);
        }
    }
}

/// Codex sends this to compact a conversation.
#[test]
fn a_choice_among_no_tools_is_not_sent() {
    let body = |choice: &str| {
        format!(
            r#"{{"model":"m","stream":true,"store":false,"parallel_tool_calls":false,"tool_choice":{choice},"tools":[],"input":"Sum up."}}"#
        )
    };
    let chat = OPENAI_CHAT.client;
    let same =
        r#"{"model":"m","parallel_tool_calls":false,"tool_choice":"auto","messages":[{"role":"user","content":"a"}]}"#;
    let responses = translate::request(chat, RESPONSES.provider, same.as_bytes(), "gpt-5").unwrap();
    let mut all = vec![responses];
    for (provider, model) in PROVIDERS {
        all.push(translate::request(RESPONSES.client, provider.provider, body("\"auto\"").as_bytes(), model).unwrap());
        let required = translate::request(RESPONSES.client, provider.provider, body("\"required\"").as_bytes(), model);
        assert_eq!(required.err().and_then(|error| error.param).as_deref(), Some("tool_choice"), "{provider:?}");
    }
    for written in all {
        let written: Value = serde_json::from_slice(&written.body).unwrap();
        assert!(written.get("tool_choice").is_none() && written.get("parallel_tool_calls").is_none(), "{written}");
    }
}
