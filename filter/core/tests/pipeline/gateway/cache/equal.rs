//! Which requests are equal, and who shares responses.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn another_format_or_value_or_a_header_that_changes_answers_is_another_request() {
    let gateway = cached();
    let body = r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (path, beta, body, expected) in [
        (CHAT, "", body, "miss"),
        (MESSAGES, "a", body, "miss"),
        (MESSAGES, "b", body, "miss"),
        (MESSAGES, "b", &body.replace("hi", "ho"), "miss"),
        (MESSAGES, "b", &format!("{body} "), "hit"),
        (MESSAGES, "a", body, "hit"),
        (CHAT, "", body, "hit"),
    ] {
        let headers = [("anthropic-beta", beta)];
        let headers = if path == MESSAGES { &headers[..] } else { &[] };
        let seen = post(&gateway, path, headers, body, &[good()]);
        assert_eq!(word(&seen), Some(expected), "{path} {beta} {body}: {}", seen.body);
    }
}

#[test]
fn a_request_that_is_spelled_in_another_way_is_the_same_request() {
    let gateway = cached();
    let bodies = [
        r#"{"model":"chat","temperature":1,"messages":[{"role":"user","content":"A"}]}"#,
        r#"{ "messages": [ {"content":"\u0041", "role":"user"} ], "temperature":1.0, "model":"chat" }"#,
        r#"{"user":"somebody","metadata":{"a":"b"},"model":"chat","temperature":1e0,"messages":[{"role":"user","content":"A"}]}"#,
    ];
    let first = post(&gateway, CHAT, &[], bodies[0], &[good()]);
    is_kept(&first, true);
    for body in bodies {
        let seen = post(&gateway, CHAT, &[], body, &[]);
        is_hit(&seen);
        assert_eq!(seen.body, first.body, "{body}");
    }
}

#[cfg(debug_assertions)]
#[test]
fn the_same_bytes_are_found_without_their_canonical_form() {
    use sluice_core::cache::canonical::counted;
    let gateway = cached();
    let spelled = |space: &str| format!(r#"{{"model":{space}"chat","messages":[{{"role":"user","content":"hi"}}]}}"#);
    counted::taken();
    for (space, scripts, forms) in [("", &[good()][..], 1), ("", &[], 0), (" ", &[], 1), (" ", &[], 0), ("", &[], 0)] {
        let seen = post(&gateway, CHAT, &[], &spelled(space), scripts);
        assert_eq!(seen.status, 200);
        assert_eq!(counted::taken(), forms, "{space:?}");
    }
}

#[test]
fn a_route_to_other_targets_has_answers_of_its_own() {
    let routes = r#","routes":[{"match":{"headers":{"x-env":"eu"}},"targets":["two"]}],"cache":{"ttl":"1m"}"#;
    let gateway = TestGateway::new(routes, "", "");
    gateway.ask(&[], &[good()]);
    let eu = gateway.ask(&[("x-env", "eu")], &[good()]);
    assert_eq!((word(&eu), eu.headers.text("x-sluice-provider")), (Some("miss"), Some("two")));
    let eu = gateway.ask(&[("x-env", "eu")], &[]);
    assert_eq!((word(&eu), eu.headers.text("x-sluice-provider")), (Some("hit"), Some("two")));
}

/// A worker of a gateway with two teams, an app, and one model with this cache scope.
fn shared_by(scope: &str, target: &str) -> Rc<Worker> {
    let key = |id: &str, more: &str| format!(r#"{{"id":"{id}","sha256":"{}"{more}}}"#, sha256(id));
    let keys = [
        key("a", r#","team":"red""#),
        key("b", r#","team":"red""#),
        key("c", r#","team":"blue""#),
        key("d", r#","team":"red","app":"bot""#),
        key("e", r#","team":"blue","app":"bot""#),
    ];
    let text = format!(
        r#"{{"providers":{{"one":{{"kind":"openai"}}}},"models":{{"chat":{{"targets":[{{"provider":"one","model":"{target}"}}],
            "cache":{{"ttl":"1m","scope":"{scope}"}}}}}},"teams":{{"red":{{}},"blue":{{}}}},"apps":{{"bot":{{}}}},"keys":[{}]}}"#,
        keys.join(",")
    );
    Rc::new(Worker::new(Rc::new(sluice_config::from_json(text.as_bytes()).unwrap()), [7; 16]))
}

fn as_key(worker: &Rc<Worker>, shared: &Rc<Shared>, key: &str) -> Seen {
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    let headers: [(&str, &[u8]); 1] = [("api-key", key.as_bytes())];
    Envoy::with(worker.clone(), shared.clone()).send("POST", CHAT, &headers, body.as_bytes(), &[good()])
}

#[test]
fn answers_are_shared_within_their_scope_and_no_further() {
    for (scope, hits) in [
        ("key", [false; 4]),
        ("team", [true, false, true, true]),
        ("app", [false, false, false, true]),
        ("all", [true; 4]),
    ] {
        let (worker, shared) = (shared_by(scope, "x"), Rc::default());
        as_key(&worker, &shared, "a");
        let found = ["b", "c", "d", "e"].map(|key| word(&as_key(&worker, &shared, key)) == Some("hit"));
        assert_eq!(found, hits, "{scope}");
    }
}

#[test]
fn a_gateway_whose_model_has_another_target_gives_no_answer_of_the_one_before() {
    let shared = Rc::default();
    as_key(&shared_by("all", "x"), &shared, "a");
    assert_eq!(word(&as_key(&shared_by("all", "y"), &shared, "a")), Some("miss"));
    assert_eq!(word(&as_key(&shared_by("all", "x"), &shared, "a")), Some("hit"));
}

#[test]
fn a_model_that_serves_instead_gives_its_own_answers() {
    let models = r#""targets":[{"provider":"one","model":"x"}],"cache":{"ttl":"1m"}},
        "cheap":{"targets":[{"provider":"two","model":"x"}],"cache":{"ttl":"1m"}"#;
    let budget = r#","budget":{"total":0.0001,"then_model":"cheap"}"#;
    let gateway = TestGateway::with(models, budget, r#","prices":{"unpriced":{"input":1,"output":1}}"#);
    for (scripts, expected) in [(&[good()][..], "miss"), (&[], "hit")] {
        let seen = gateway.ask(&[], scripts);
        assert_eq!((seen.status, word(&seen)), (200, Some(expected)));
        let told = ["x-sluice-provider", "x-sluice-instead-of"].map(|name| seen.headers.text(name));
        assert_eq!((told, &seen.log["instead"]), ([Some("two"), Some("chat")], &"cheap".into()), "{expected}");
    }
}

/// An answer with this text.
fn says(text: &str) -> Script {
    json(200, &WHOLE.replace("one two", text))
}

#[test]
fn requests_that_differ_in_what_their_provider_reads_share_nothing() {
    let gateway = cached();
    let with = |messages: &str, more: &str| format!(r#"{{"model":"chat","messages":[{messages}]{more}}}"#);
    let hi = r#"{"role":"user","content":"hi"}"#;
    let tool = |parameters: &str| {
        format!(r#","tools":[{{"type":"function","function":{{"name":"f","parameters":{parameters}}}}}]"#)
    };
    let schema = |schema: &str| {
        format!(r#","response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#)
    };
    let bodies = [
        with(hi, ""),
        with(&format!(r#"{{"role":"system","content":"Be brief."}},{hi}"#), ""),
        with(&format!(r#"{{"role":"system","content":"Be long."}},{hi}"#), ""),
        with(&format!(r#"{hi},{{"role":"system","content":"Be brief."}}"#), ""),
        with(&format!(r#"{{"role":"developer","content":"Be brief."}},{hi}"#), ""),
        with(r#"{"role":"user","content":[{"type":"text","text":"hi"}]}"#, ""),
        with(r#"{"role":"user","content":"hi","name":"ann"}"#, ""),
        with(hi, &tool(r#"{"a":1,"b":2}"#)),
        with(hi, &tool(r#"{"b":2,"a":1}"#)),
        with(hi, &(tool(r#"{"a":1,"b":2}"#) + r#","tool_choice":"required""#)),
        with(hi, &schema(r#"{"a":1,"b":2}"#)),
        with(hi, &schema(r#"{"b":2,"a":1}"#)),
        with(hi, r#","temperature":0"#),
        with(hi, r#","temperature":0.1"#),
        with(hi, r#","seed":1"#),
        with(hi, r#","n":2"#),
        with(hi, r#","logit_bias":{"50256":-100}"#),
        with(hi, r#","store":true"#),
        with(hi, r#","service_tier":"flex""#),
        with(hi, r#","of_the_providers_own":{"user":"u"}"#),
    ];
    let answers: Vec<String> = (0..bodies.len()).map(|number| format!("answer {number}.")).collect();
    for (body, answer) in bodies.iter().zip(&answers) {
        let seen = post(&gateway, CHAT, &[], body, &[says(answer)]);
        assert_eq!((seen.status, word(&seen)), (200, Some("miss")), "{body}: {}", seen.body);
        is_kept(&seen, true);
    }
    for (body, answer) in bodies.iter().zip(&answers) {
        let seen = post(&gateway, CHAT, &[], body, &[]);
        is_hit(&seen);
        assert!(seen.body.contains(answer), "{body}: {}", seen.body);
    }
}

#[test]
fn two_users_with_the_same_masked_prompt_share_an_answer_and_see_nothing_of_each_other() {
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["prompts"],"action":"mask"}}"#;
    let gateway = TestGateway::new(CACHE, "", guard);
    let body = |text: &str| format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"Mail {text}"}}]}}"#);
    let ann = post(&gateway, CHAT, &[], &body("ann@example.com"), &[says("done")]);
    is_kept(&ann, true);
    assert!(!ann.received[0].body.contains("ann@"), "{}", ann.received[0].body);
    let bob = post(&gateway, CHAT, &[], &body("bob@example.com"), &[]);
    assert_eq!((word(&bob), bob.received.len()), (Some("hit"), 0));
    assert_eq!(bob.headers.text("x-sluice-masked"), Some("email"));
    assert!(!bob.body.contains("ann@"), "{}", bob.body);
    // Nothing in the shared memory has a value that was masked.
    for name in gateway.shared.names() {
        let (value, _) = sluice_core::store::SharedData::read(&*gateway.shared, &name).unwrap();
        assert!(!value.windows(4).any(|bytes| bytes == b"ann@"), "{name}");
    }
}

#[test]
fn another_guardrail_for_answers_has_answers_of_its_own() {
    let shared: Rc<Shared> = Rc::default();
    let under = |guards: &str| {
        let worker = TestGateway::new(CACHE, "", guards).worker;
        word(&send(Envoy::with(worker, shared.clone()), "chat", false, &[], &[good()])).map(str::to_owned)
    };
    let words = |word: &str| format!(r#","guards":{{"w":{{"words":["{word}"],"on":["answers"]}}}}"#);
    for guards in [String::new(), words("sea"), words("land")] {
        assert_eq!([under(&guards), under(&guards)].map(Option::unwrap), ["miss", "hit"], "{guards}");
    }
}
