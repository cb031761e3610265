//! Call ids and function names, as each provider accepts them.

use serde_json::{Value, json as value};

use crate::envoy::SECRET;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LONG: &str = "mcp__claude_ai_company_wiki_connector__search_pages_and_attachments_by_label";

fn chat(body: &Value, answers: &[Script]) -> Seen {
    Envoy::new().chat(&body.to_string(), answers)
}

fn messages(body: &Value, answers: &[Script]) -> Seen {
    let headers = [("x-api-key", SECRET.as_bytes())];
    Envoy::new().send("POST", "/v1/messages", &headers, body.to_string().as_bytes(), answers)
}

fn received(seen: &Seen) -> Value {
    serde_json::from_str(&seen.received.last().unwrap_or_else(|| panic!("{}", seen.body)).body).unwrap()
}

fn call(id: &str, name: &str) -> Value {
    value!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}})
}

fn result(id: &str, said: &str) -> Value {
    value!({"role": "tool", "tool_call_id": id, "content": said})
}

fn says(calls: &[Value]) -> Value {
    value!({"role": "assistant", "content": null, "tool_calls": calls})
}

fn asks(model: &str, history: &[Value]) -> Value {
    let user = value!({"role": "user", "content": "hi"});
    let history: Vec<&Value> = std::iter::once(&user).chain(history).collect();
    value!({"model": model, "messages": history})
}

fn is_mistrals(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[test]
fn mistral_gets_nine_letters_and_digits_and_every_other_byte_as_it_was() {
    let body = r#"{"model":"mistral", "messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{ "id":"call_9aXbQ7Lm2RtY5uPz","type":"function","function":{"name":"lookup","arguments":"{}"}},{"type":"function","id" : "abcDEF123","function":{"name":"lookup","arguments":"{\"id\":1}"}}]},{"tool_call_id":"call_9aXbQ7Lm2RtY5uPz","role":"tool","content":"rain"},{"role":"tool","tool_call_id":"abcDEF123","content":"sun"}]}"#;
    let seen = Envoy::new().chat(body, &[json(200, OPENAI)]);
    let sent = &seen.received[0].body;
    let parsed = received(&seen);
    let alias = parsed["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
    assert!(is_mistrals(&alias), "{alias}");
    let expected = body.replace("call_9aXbQ7Lm2RtY5uPz", &alias).replace(r#""mistral""#, r#""large""#);
    assert_eq!(*sent, expected);
    // The next turn has the same ids.
    let longer =
        body.replace("}]}", r#"},{"role":"assistant","content":"rain"},{"role":"user","content":"and then?"}]}"#);
    assert!(Envoy::new().chat(&longer, &[json(200, OPENAI)]).received[0].body.contains(&alias));
    // OpenAI's own API receives them unchanged.
    let seen = Envoy::new().chat(&body.replace("mistral", "gpt"), &[json(200, OPENAI)]);
    assert_eq!(seen.received[0].body, body.replace("mistral", "gpt"));
}

#[test]
fn mistral_gets_them_of_anthropics_clients_too() {
    let body = value!({"model": "mistral", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01A09q90qw90lq917835lq9", "content": "x"}]}]});
    let sent = received(&messages(&body, &[json(200, OPENAI)]));
    let id = sent["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(is_mistrals(id), "{id}");
    assert_eq!(sent["messages"][2]["tool_call_id"], id);
}

#[test]
fn ids_that_would_become_equal_stay_apart_and_results_with_their_calls() {
    let history =
        [says(&[call("get:1", "rome"), call("get.1", "oslo")]), result("get:1", "sun"), result("get.1", "rain")];
    let sent = received(&chat(&asks("claude", &history), &[json(200, ANTHROPIC)]));
    let (calls, results) = (&sent["messages"][1]["content"], &sent["messages"][2]["content"]);
    assert_ne!(calls[0]["id"], calls[1]["id"], "{sent}");
    for (at, said) in ["sun", "rain"].into_iter().enumerate() {
        assert_eq!(calls[at]["id"], results[at]["tool_use_id"], "{sent}");
        assert!(results[at].to_string().contains(said), "{sent}");
        let id = calls[at]["id"].as_str().unwrap();
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')), "{id}");
    }
}

#[test]
fn an_id_that_comes_again_is_another_one() {
    let turn = |said: &str| [says(&[call("lookup:0", "f")]), result("lookup:0", said)];
    let parallel = [says(&[call("same", "f"), call("same", "g")]), result("same", "third"), result("same", "fourth")];
    let history = [&turn("first")[..], &turn("second"), &parallel].concat();
    for (model, answer) in [("claude", json(200, ANTHROPIC)), ("mistral", json(200, OPENAI))] {
        let sent = received(&chat(&asks(model, &history), &[answer])).to_string();
        let tree: Value = serde_json::from_str(&sent).unwrap();
        let (mut calls, mut results) = (Vec::new(), Vec::new());
        for message in tree["messages"].as_array().unwrap() {
            for part in message["content"].as_array().into_iter().chain(message["tool_calls"].as_array()).flatten() {
                match part["type"].as_str().unwrap() {
                    "tool_use" | "function" => calls.push(part["id"].as_str().unwrap().to_owned()),
                    "tool_result" => results.push(part["tool_use_id"].as_str().unwrap().to_owned()),
                    _ => {}
                }
            }
            results.extend(message["tool_call_id"].as_str().map(str::to_owned));
        }
        assert_eq!(calls.len(), 4, "{sent}");
        assert_eq!(calls, results, "{sent}");
        let distinct: std::collections::BTreeSet<&String> = calls.iter().collect();
        assert_eq!(distinct.len(), 4, "{sent}");
    }
}

#[test]
fn results_of_calls_of_one_name_reach_gemini_in_their_order() {
    let history = [says(&[call("same", "f"), call("same", "g")]), result("same", "third"), result("same", "fourth")];
    let sent = received(&chat(&asks("gemini", &history), &[json(200, "{}")]));
    let parts = &sent["contents"][2]["parts"];
    assert_eq!(
        (&parts[0]["functionResponse"]["name"], &parts[1]["functionResponse"]["name"]),
        (&value!("f"), &value!("g")),
        "{sent}"
    );
    assert!(parts[0].to_string().contains("third"), "{sent}");
}

#[test]
fn ids_that_a_client_gets_are_such_as_its_own_format_takes() {
    let answer = |first: &str, second: &str| {
        let calls = [call(first, "f"), call(second, "g")];
        value!({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "tool_calls": calls}}]})
        .to_string()
    };
    let body = value!({"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let ids = |answer: &str| {
        let read: Value = serde_json::from_str(&messages(&body, &[json(200, answer)]).body).unwrap();
        [0, 1].map(|at| read["content"][at]["id"].as_str().unwrap().to_owned())
    };
    let [first, second] = ids(&answer("get:1", "get.1"));
    assert_ne!(first, second);
    for id in [&first, &second] {
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')), "{id}");
    }
    // Models that number calls per response repeat an id. In another response it must become a different one.
    assert_ne!(ids(&answer("get:1", "x").replace(r#""id":"c""#, r#""id":"d""#))[0], first);
    assert_eq!(ids(&answer("call_1", "call-2")), ["call_1", "call-2"]);
    // OpenAI's own API rejects ids of more than 40 characters, also in its clients' history.
    let long = "search_the_whole_archive_of_the_company_7f3k2m9x0q";
    let use_it = format!(r#"{{"type":"tool_use","id":"{long}","name":"n","input":{{}}}}"#);
    let answer = ANTHROPIC.replace(r#"{"type":"text","text":"from anthropic"}"#, &use_it);
    let read: Value = serde_json::from_str(&whole("claude", &[json(200, &answer)]).body).unwrap();
    let id = read["choices"][0]["message"]["tool_calls"][0]["id"].as_str().unwrap();
    assert!((1..=40).contains(&id.len()), "{id}");
}

/// An Anthropic request with the long tool name in every place that names a tool.
fn with_long_tool(model: &str, stream: bool) -> Value {
    value!({"model": model, "max_tokens": 9, "stream": stream,
        "tools": [{"name": LONG, "input_schema": {"type": "object", "properties": {}}}, {"name": "short", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": LONG},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": LONG, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]}]})
}

#[test]
fn a_long_name_is_shortened_everywhere_and_restored() {
    let sent = received(&messages(&with_long_tool("gpt", false), &[json(200, OPENAI)]));
    let alias = sent["tools"][0]["function"]["name"].as_str().unwrap().to_owned();
    assert!(alias.len() <= 64 && alias.starts_with("mcp__claude_ai_company"), "{alias}");
    assert_eq!(sent["tools"][1]["function"]["name"], "short");
    assert_eq!(sent["tool_choice"]["function"]["name"], alias.as_str());
    assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["name"], alias.as_str());

    let answer = value!({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": null, "tool_calls": [call("c1", &alias), call("c2", "short")]}}]});
    let seen = messages(&with_long_tool("gpt", false), &[json(200, &answer.to_string())]);
    let read: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((read["content"][0]["name"].as_str(), read["content"][1]["name"].as_str()), (Some(LONG), Some("short")));

    let stream = format!(
        "data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"c1\",\"function\":{{\"name\":\"{alias}\",\"arguments\":\"{{}}\"}}}}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n"
    );
    let seen = messages(&with_long_tool("gpt", true), &[sse(&[&stream])]);
    assert!(seen.body.contains(&format!("\"name\":\"{LONG}\"")) && !seen.body.contains(&alias), "{}", seen.body);
}

#[test]
fn a_fallback_has_names_of_its_own() {
    // The first target accepts 128 characters, the second 64.
    let answer = |name: &str| {
        value!({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "tool_calls": [call("c1", name)]}}]})
        .to_string()
    };
    let seen = messages(&with_long_tool("back", false), &[json(503, "{}"), json(200, &answer("x"))]);
    assert!(seen.received[0].body.contains(LONG));
    let alias = received(&seen)["tools"][0]["function"]["name"].as_str().unwrap().to_owned();
    assert!(alias.len() <= 64);
    let seen = messages(&with_long_tool("back", false), &[json(503, "{}"), json(200, &answer(&alias))]);
    assert!(seen.body.contains(LONG), "{}", seen.body);
}

#[test]
fn gemini_and_cohere_get_names_that_begin_as_theirs_do() {
    let tool = |name: &str| value!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}});
    let body = |model: &str| value!({"model": model, "messages": [{"role": "user", "content": "hi"}], "tools": [tool("3d-print"), tool("get_weather"), tool("ns:get.it")]});
    let sent = received(&chat(&body("gemini"), &[json(200, "{}")]));
    let names: Vec<&str> = sent["tools"][0]["functionDeclarations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(names[0].starts_with('_') && names[0].contains("3d-print"), "{names:?}");
    assert_eq!(names[1..], ["get_weather", "ns:get.it"]);
    let sent = received(&chat(&body("cohere"), &[json(200, "{}")]));
    for tool in sent["tools"].as_array().unwrap() {
        let name = tool["function"]["name"].as_str().unwrap();
        assert!(!name.starts_with(|c: char| c.is_ascii_digit()), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
    }
}
