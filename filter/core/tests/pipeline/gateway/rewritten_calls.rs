//! Tool calls in responses that guardrails rewrite, in forms that only OpenAI's formats have: the client gets each call in its form.

use serde_json::{Value, json};

use crate::envoy::{Script, Seen, json as answers, sse};

use super::CHAT;
use super::guarded_streams::{body, event, events, guard, restoring, send, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const RESPONSES: &str = "/v1/responses";

fn mask() -> Value {
    guard(json!({"action": "mask"}))
}

/// A provider's response with one item.
fn response(item: &Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt", "output": [item],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}})
}

/// The same as a stream. `pieces` are those of the item's text in `field`; without any, only its last event has it.
fn stream(item: &Value, field: &str, pieces: &[&str]) -> Script {
    let mut all = vec![json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}})];
    if !pieces.is_empty() {
        let mut begun = item.clone();
        begun[field] = "".into();
        all.push(json!({"type": "response.output_item.added", "output_index": 0, "item": begun}));
    }
    let name = if field == "input" { "custom_tool_call_input" } else { "function_call_arguments" };
    for piece in pieces {
        all.push(
            json!({"type": format!("response.{name}.delta"), "item_id": "c_1", "output_index": 0, "delta": piece}),
        );
    }
    all.push(json!({"type": format!("response.{name}.done"), "item_id": "c_1", "output_index": 0, field: item[field]}));
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    all.push(json!({"type": "response.completed", "response": response(item)}));
    let all: Vec<String> = all.iter().map(event).collect();
    sse(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The item in a whole response, without its id and status.
fn whole_item(seen: &Seen) -> Value {
    let mut said: Value = serde_json::from_str(&seen.body).unwrap();
    bare(&mut said["output"][0])
}

fn bare(item: &mut Value) -> Value {
    let fields = item.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("status");
    item.take()
}

/// The item as the stream's last events have it, and the text of its pieces.
fn streamed_item(seen: &Seen) -> (Value, String) {
    let (mut items, mut pieces) = (Vec::new(), String::new());
    for mut event in events(seen) {
        match event["type"].as_str().unwrap() {
            "response.output_item.done" => items.push(bare(&mut event["item"])),
            "response.completed" => items.push(bare(&mut event["response"]["output"][0])),
            name if name.ends_with(".delta") => pieces += event["delta"].as_str().unwrap(),
            _ => {}
        }
    }
    let [done, ended] = <[Value; 2]>::try_from(items).unwrap_or_else(|items| panic!("{items:?}: {}", seen.body));
    assert_eq!(done, ended, "{}", seen.body);
    (done, pieces)
}

#[test]
fn a_call_in_any_form_comes_back_in_its_form() {
    let custom = |input: &str| json!({"type": "custom_tool_call", "call_id": "call_1", "name": "exec", "input": input});
    let within = |mut item: Value| {
        item["namespace"] = "shell".into();
        item
    };
    let function =
        |arguments: &str| json!({"type": "function_call", "call_id": "call_1", "name": "exec", "arguments": arguments});
    let arguments = [r#"{"to": "a@b.io"}"#, r#"{"to": "[email]"}"#];
    for (guards, prompt, field, item, pieces, expected) in [
        (mask(), "hi", "input", custom("ls \"a@b.io\"\n"), &["ls \"a", "@b.io\"\n"][..], custom("ls \"[email]\"\n")),
        (mask(), "hi", "input", within(custom("ls a@b.io")), &["ls a@b", ".io"], within(custom("ls [email]"))),
        (mask(), "hi", "input", custom(""), &[], custom("")),
        (restoring(), "to a@b.io", "input", custom("ls [EMAIL_1]"), &["ls [EMA", "IL_1]"], custom("ls a@b.io")),
        (
            mask(),
            "hi",
            "arguments",
            within(function(arguments[0])),
            &[r#"{"to": "a"#, r#"@b.io"}"#],
            within(function(arguments[1])),
        ),
    ] {
        let worker = worker(&guards);
        let send = |stream: bool, script: Script| send(&worker, &body(RESPONSES, "gpt", stream, prompt), script);
        let seen = send(false, answers(200, &response(&item).to_string()));
        assert_eq!((seen.status, whole_item(&seen)), (200, expected.clone()), "{}", seen.body);
        // Some servers answer in the other form.
        let others = [send(true, answers(200, &response(&item).to_string())), send(true, stream(&item, field, &[]))];
        for seen in [send(true, stream(&item, field, pieces))].into_iter().chain(others) {
            let (said, pieces) = streamed_item(&seen);
            assert_eq!((&said, pieces.as_str()), (&expected, expected[field].as_str().unwrap()), "{}", seen.body);
        }
        let seen = send(false, stream(&item, field, pieces));
        assert_eq!((seen.status, whole_item(&seen)), (200, expected), "{}", seen.body);
    }
}

#[test]
fn a_tool_search_by_the_client_comes_back_and_one_by_the_provider_does_not() {
    let search = |execution: &str, query: &str| json!({"type": "tool_search_call", "call_id": "call_1", "execution": execution, "arguments": {"query": query}});
    let worker = worker(&mask());
    let item = search("client", "a@b.io");
    let seen = send(&worker, &body(RESPONSES, "gpt", false, "hi"), answers(200, &response(&item).to_string()));
    assert_eq!(whole_item(&seen), search("client", "[email]"), "{}", seen.body);
    let seen = send(&worker, &body(RESPONSES, "gpt", true, "hi"), stream(&item, "", &[]));
    assert_eq!(streamed_item(&seen).0, search("client", "[email]"), "{}", seen.body);
    let mut hosted = response(&search("server", "x"));
    let message = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]});
    hosted["output"].as_array_mut().unwrap().push(message);
    let seen = send(&worker, &body(RESPONSES, "gpt", false, "hi"), answers(200, &hosted.to_string()));
    assert!(seen.status == 200 && !seen.body.contains("tool_search_call"), "{}", seen.body);
}

#[test]
fn encrypted_reasoning_comes_back_to_openai_as_openai_has_written_it() {
    let worker = worker(&mask());
    for summary in [json!([]), json!([{"type": "summary_text", "text": "To a@b.io."}])] {
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAAA"});
        for streams in [false, true] {
            let script = if streams { stream(&item, "", &[]) } else { answers(200, &response(&item).to_string()) };
            let seen = send(&worker, &body(RESPONSES, "gpt", streams, "hi"), script);
            let said = if streams {
                let mut events = events(&seen).into_iter();
                events.find(|event| event["type"] == "response.output_item.done").unwrap()["item"].take()
            } else {
                serde_json::from_str::<Value>(&seen.body).unwrap()["output"][0].take()
            };
            assert!(said["type"] == "reasoning" && !seen.body.contains("a@b.io"), "{}", seen.body);
            let next = json!({"model": "gpt", "input": [{"role": "user", "content": "hi"}, said, {"role": "user", "content": "go on"}]});
            let asked = (RESPONSES.to_owned(), next.to_string());
            let seen = send(&worker, &asked, answers(200, &response(&item).to_string()));
            let sent: Value = serde_json::from_str(&seen.received[0].body).unwrap();
            let expected =
                json!({"type": "reasoning", "id": "rs_1", "summary": said["summary"], "encrypted_content": "gAAAA"});
            assert_eq!(sent["input"][1], expected, "{sent}");
            assert_eq!(seen.headers.get("x-sluice-dropped"), None);
        }
    }
}

/// A call of a custom tool in chat completions.
fn chat_call(input: &str) -> Value {
    json!({"id": "call_1", "type": "custom", "custom": {"name": "exec", "input": input}})
}

fn chat_stream(pieces: &[&str]) -> Script {
    let chunk = |call: Value| json!({"id": "c1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
    let mut first = chat_call("");
    first["index"] = 0.into();
    let mut all = vec![chunk(first)];
    all.extend(pieces.iter().map(|piece| chunk(json!({"index": 0, "custom": {"input": piece}}))));
    all.push(json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    let mut all: Vec<String> = all.iter().map(event).collect();
    all.push("data: [DONE]\n\n".to_owned());
    sse(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_custom_call_in_chat_completions_comes_back_too() {
    let worker = worker(&mask());
    let message = json!({"role": "assistant", "content": null, "tool_calls": [chat_call("ls a@b.io")]});
    let whole = json!({"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    let send = |stream: bool, script: Script| send(&worker, &body(CHAT, "gpt", stream, "hi"), script);
    let pieces = ["ls ", "a@", "b.io"];
    for seen in [send(false, answers(200, &whole.to_string())), send(false, chat_stream(&pieces))] {
        let choice = &serde_json::from_str::<Value>(&seen.body).unwrap()["choices"][0];
        assert_eq!(choice["message"]["tool_calls"], json!([chat_call("ls [email]")]), "{}", seen.body);
        assert_eq!(choice["finish_reason"], "tool_calls");
    }
    for seen in [send(true, chat_stream(&pieces)), send(true, answers(200, &whole.to_string()))] {
        let mut call = Value::Null;
        for event in events(&seen) {
            let delta = &event["choices"][0]["delta"]["tool_calls"][0];
            assert!(delta["function"].is_null(), "{}", seen.body);
            if call.is_null() {
                call = delta.clone();
            } else if let Some(piece) = delta["custom"]["input"].as_str() {
                assert_eq!(delta["index"], 0);
                call["custom"]["input"] = (call["custom"]["input"].as_str().unwrap().to_owned() + piece).into();
            }
        }
        let mut expected = chat_call("ls [email]");
        expected["index"] = 0.into();
        assert_eq!(call, expected, "{}", seen.body);
        assert!(seen.body.contains(r#""finish_reason":"tool_calls""#), "{}", seen.body);
    }
}

#[test]
fn a_call_that_cannot_be_rewritten_is_the_requests_fault_and_passes_where_nothing_is_rewritten() {
    let worker_of = |guards: Value| worker(&guards);
    let (masks, blocks) = (worker_of(mask()), worker_of(guard(json!({}))));
    for kind in ["computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request"] {
        // The client's own shell, whatever its command says.
        let action = json!({"type": "exec", "command": ["grep", "container_reference"]});
        let item =
            json!({"type": kind, "id": "i_1", "call_id": "call_1", "action": action, "environment": {"type": "local"}});
        for streams in [false, true] {
            let script = || if streams { stream(&item, "", &[]) } else { answers(200, &response(&item).to_string()) };
            let asked = body(RESPONSES, "gpt", streams, "hi");
            let seen = send(&masks, &asked, script());
            let error = &serde_json::from_str::<Value>(&seen.body).unwrap()["error"];
            assert_eq!((seen.status, seen.received.len()), (400, 1), "{kind}: {}", seen.body);
            assert_eq!((&error["code"], &error["param"]), (&"unsupported_parameter".into(), &"tools".into()));
            assert!(error["message"].as_str().unwrap().contains(kind), "{error}");
            assert!(seen.counted.iter().all(|name| !name.contains("circuit")), "{:?}", seen.counted);
            let seen = send(&blocks, &asked, script());
            assert!(seen.status == 200 && seen.body.contains(kind), "{kind}: {}", seen.body);
        }
    }
    // A shell at the provider is not the client's.
    let hosted = json!({"type": "shell_call", "call_id": "c", "environment": {"type": "container_reference", "container_id": "x"}});
    let mut hosted = response(&hosted);
    let message = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]});
    hosted["output"].as_array_mut().unwrap().push(message);
    let seen = send(&masks, &body(RESPONSES, "gpt", false, "hi"), answers(200, &hosted.to_string()));
    assert!(seen.status == 200 && seen.body.contains("done"), "{}", seen.body);
}
