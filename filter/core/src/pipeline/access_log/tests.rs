use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_fragment_completes_a_json_object_whatever_a_client_sends_as_its_request_id() {
    let record = Record { request_id: Some("a\"},\n{\"x\":\u{1}"), ..Record::default() };
    let line = format!("{{\"status\":200{}}}", record.fragment());
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["request_id"], "a\"},\n{\"x\":\u{1}");
    assert!(!line.contains('\n'));
}

#[test]
fn what_stands_in_a_names_place_is_cut_as_a_message_is() {
    let request = RetainedBody::Whole(br#"{"the launch code is swordfish":1,"max_completion_tokens":0}"#.to_vec());
    for (word, expected) in [
        ("max_completion_tokens", "max_completion_tokens"),
        ("messages[0].content", "messages[0].content"),
        ("com.amazonaws#ThrottlingException", "com.amazonaws#ThrottlingException"),
        ("invalid type", "invalid type"),
        ("the launch code is swordfish", "[…]"),
    ] {
        assert_eq!(name_or_cut(word, &request), expected);
    }
    let long = "x".repeat(10_000);
    assert_eq!(name_or_cut(&long, &RetainedBody::Whole(long.clone().into_bytes())), "[…]");
    assert_eq!(name_or_cut(&long, &RetainedBody::Whole(Vec::new())).len(), LONGEST_NAME);
}

#[test]
fn a_network_is_no_address() {
    assert_eq!(network("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
    assert_eq!(network("2001:db8:1:2::7".parse().unwrap()), "2001:db8:1::/48");
}

#[test]
fn the_trace_id_is_the_parents_or_the_request_ids() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = "e06f3269-b32a-44f0-8a9d-87e76113f1c3";
    assert_eq!(trace_id(Some(parent), Some(request)).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(trace_id(Some("junk"), Some(request)).as_deref(), Some("e06f3269b32a44f08a9d87e76113f1c3"));
    assert_eq!(trace_id(None, Some("mine")), None);
}

/// The `Display` form of [`MicroUsd`].
pub(super) fn dollars<S: Serializer>(cost: &Option<MicroUsd>, serializer: S) -> Result<S::Ok, S::Error> {
    cost.map(|cost| cost.to_string()).serialize(serializer)
}

/// The variant's name in lower case.
pub(super) fn counted<S: Serializer>(usage: &Option<Counted>, serializer: S) -> Result<S::Ok, S::Error> {
    usage.map(|usage| format!("{usage:?}").to_lowercase()).serialize(serializer)
}

/// The line as serde writes it, without the fields that have no value.
#[cfg(not(target_arch = "wasm32"))]
fn derived(record: &Record<'_>) -> Value {
    let mut line = serde_json::to_value(record).unwrap();
    for (name, absent) in
        [("estimated", json!(false)), ("abandoned", json!(false)), ("method", json!("")), ("path", json!(""))]
    {
        line.as_object_mut().unwrap().retain(|field, value| field != name || *value != absent);
    }
    for attempt in line["tried"].as_array_mut().unwrap() {
        attempt
            .as_object_mut()
            .unwrap()
            .retain(|field, value| !["provider", "model"].contains(&&**field) || *value != "");
    }
    omit(&mut line);
    line
}

/// Removes `null` and empty lists.
#[cfg(not(target_arch = "wasm32"))]
fn omit(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(omit);
            fields.retain(|_, value| !value.is_null() && *value != json!([]));
        }
        Value::Array(values) => values.iter_mut().for_each(omit),
        _ => {}
    }
}

#[test]
fn a_field_without_a_value_is_omitted() {
    assert_eq!(Record::default().fragment(), r#","attempts":0"#);
    let record = Record {
        stream: Some(false),
        tried: vec![AttemptRecord { provider: "p", model: "m", ..AttemptRecord::default() }],
        input_tokens: Some(0),
        ..Record::default()
    };
    // An explicit `false` and a zero are values.
    let expected = r#","stream":false,"attempts":0,"tried":[{"provider":"p","model":"m"}],"input_tokens":0"#;
    assert_eq!(record.fragment(), expected);
}

/// A record with every field, in the order of the log.
fn full(dropped: &[String]) -> Record<'_> {
    let error =
        ProviderErrorRecord { kind: Some("server_error"), code: Some("c"), param: Some("p"), message: Some("m") };
    let attempt = AttemptRecord {
        provider: "openai",
        model: "gpt-5-mini",
        key: Some(2),
        ms: Some(31),
        failure: Some("status_503"),
        input_tokens: Some(10),
        output_tokens: Some(3),
        cached_tokens: Some(4),
        reasoning_tokens: Some(1),
        cost_usd: Some(MicroUsd(12)),
        error: Some(error),
    };
    Record {
        request_id: Some("id"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        method: "POST",
        path: "/v1/chat/completions",
        client: Some("192.0.2.0/24".to_owned()),
        user_agent: Some("agent/1"),
        key: Some("k"),
        team: Some("t"),
        app: Some("a"),
        asked_model: Some("chat"),
        model: Some("chat"),
        instead: Some("small"),
        stream: Some(true),
        served_provider: Some("openai"),
        served_model: Some("gpt-5-mini"),
        attempts: 1,
        tried: vec![attempt],
        strategy: Some(crate::routing::spec::Strategy::Fallback),
        sticky: Some("kept"),
        lower_tier: Some(2),
        cache: Some("miss"),
        semantic: Some("shadow"),
        similarity: Some("0.9312".to_owned()),
        semantic_age_s: Some(7),
        embedding_tokens: Some(5),
        embedding_usd: Some(MicroUsd(1)),
        cache_wait_ms: Some(40),
        dropped,
        guards: vec!["pii: email (prompts, mask)".to_owned()],
        judges: vec![JudgeRecord {
            guard: "unsafe",
            judge: "moderation",
            side: "prompts",
            result: "pass",
            calls: 1,
            ms: 120,
            usd: Some(MicroUsd(3)),
            error: Some("responded with status 503"),
        }],
        content_filter: vec!["answer:hate:blocked".to_owned()],
        input_tokens: Some(10),
        output_tokens: Some(3),
        cached_tokens: Some(4),
        cache_write_tokens: Some(2),
        reasoning_tokens: Some(1),
        prompt_cache_marks: Some(3),
        prompt_cache_saved_usd: Some(MicroUsd(7)),
        prompt_cache_surcharge_usd: Some(MicroUsd(2)),
        usage: Some(Counted::Complete),
        estimated: true,
        abandoned: true,
        cost_usd: Some(MicroUsd(12)),
        budgets: vec!["team=t/month 83%".to_owned()],
        first_token_ms: Some(20),
        provider_status: Some(503),
        transport: Some("refused"),
        error: Some("status_503"),
        message: Some("m"),
        param: Some("p"),
    }
}

/// The published schema of a line.
const SCHEMA: &str = include_str!("../../../../../examples/access-log.schema.json");

/// Envoy's fields of every line.
const ENVOYS: &str = include_str!("../../../../../envoy/src/render/access_log.txt");

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

#[test]
fn the_schema_has_the_fields_of_the_code_and_no_others() {
    let dropped = ["seed".to_owned()];
    let line: Value = serde_json::from_str(&format!("{{\"status\":200{}}}", full(&dropped).fragment())).unwrap();
    let schema = schema();
    let mut known = names(&line);
    let quoted = ENVOYS.split('"').skip(1).step_by(2).filter(|text| !text.starts_with('%'));
    known.extend(quoted.map(str::to_owned));
    // Of the administration interface.
    known.extend(["source", "admin"].map(str::to_owned));
    assert_eq!(names(&schema["properties"]), known);
    let attempt = &schema["$defs"]["attempt"]["properties"];
    assert_eq!(names(attempt), names(&line["tried"][0]));
    assert_eq!(names(&attempt["error"]["properties"]), names(&line["tried"][0]["error"]));
}

#[test]
fn the_schema_describes_each_field_and_allows_no_others() {
    fn objects(schema: &Value, found: &mut Vec<Value>) {
        if schema["properties"].is_object() {
            found.push(schema.clone());
        }
        match schema {
            Value::Object(fields) => fields.values().for_each(|inner| objects(inner, found)),
            Value::Array(values) => values.iter().for_each(|inner| objects(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    objects(&schema(), &mut found);
    assert_eq!(found.len(), 4, "the line, an attempt, a provider's error, and a judge");
    for object in found {
        assert_eq!(object["additionalProperties"], false);
        for (name, field) in object["properties"].as_object().unwrap() {
            assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
            assert_ne!(field["type"], json!(["string", "null"]), "{name}");
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;
    use proptest::strategy::Strategy;

    use super::{AttemptRecord, Counted, MicroUsd, ProviderErrorRecord, Record, derived, full, schema};

    type Text = Option<String>;

    fn text() -> impl Strategy<Value = Text> {
        prop::option::of(prop_oneof!["[ -~]{0,20}", ".{0,20}", "[\"\\\\\u{0}-\u{1f}é]{0,9}"])
    }

    fn texts<const N: usize>() -> impl Strategy<Value = [Text; N]> {
        prop::collection::vec(text(), N).prop_map(|texts| texts.try_into().unwrap())
    }

    fn attempt(texts: &[Text; 7], number: Option<u64>) -> AttemptRecord<'_> {
        let [provider, model, failure, kind, code, param, message] = texts.each_ref().map(Text::as_deref);
        AttemptRecord {
            provider: provider.unwrap_or_default(),
            model: model.unwrap_or_default(),
            key: number.map(|number| number as usize),
            ms: number,
            failure,
            input_tokens: number,
            output_tokens: number,
            cached_tokens: number.filter(|number| number % 2 == 0),
            reasoning_tokens: number.filter(|number| number % 3 == 0),
            cost_usd: number.map(MicroUsd),
            error: kind.map(|_| ProviderErrorRecord { kind, code, param, message }),
        }
    }

    #[test]
    fn a_full_line_is_valid_and_so_is_one_that_the_filter_did_not_complete() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let envoy = r#"{"time":"2026-11-29T10:00:00.000Z","status":200,"duration_ms":12,"flags":"-","instance":"a""#;
        let dropped = ["seed".to_owned()];
        for fragment in [full(&dropped).fragment(), String::new(), Record::default().fragment()] {
            let line = serde_json::from_str(&format!("{envoy}{fragment}}}")).unwrap();
            validator.validate(&line).unwrap();
        }
        let more = serde_json::from_str(&format!("{envoy},\"prompt\":\"hi\"}}")).unwrap();
        assert!(!validator.is_valid(&more));
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_writes(
            [request_id, method, path, client, user_agent, key, team, app] in texts::<8>(),
            [asked_model, model, instead, provider, served, transport, error, message] in texts::<8>(),
            tried in prop::collection::vec(texts::<7>(), 0..4),
            dropped in prop::collection::vec(".{0,9}", 0..3),
            numbers in prop::collection::vec(prop::option::of(any::<u64>()), 9),
            flags: [bool; 4],
            counted in prop::option::of(prop::sample::select(&[Counted::Complete, Counted::Partial, Counted::Missing])),
        ) {
            let record = Record {
                request_id: request_id.as_deref(),
                trace_id: request_id.as_deref().filter(|_| flags[0]),
                method: method.as_deref().unwrap_or_default(),
                path: path.as_deref().unwrap_or_default(),
                client: client.filter(|_| flags[1]),
                user_agent: user_agent.as_deref(),
                key: key.as_deref(),
                team: team.as_deref(),
                app: app.as_deref(),
                asked_model: asked_model.as_deref(),
                model: model.as_deref(),
                instead: instead.as_deref(),
                stream: numbers[0].map(|_| flags[2]),
                served_provider: provider.as_deref(),
                served_model: served.as_deref(),
                attempts: tried.len(),
                semantic: served.as_deref(),
                similarity: error.clone(),
                semantic_age_s: numbers[4],
                embedding_tokens: numbers[5],
                embedding_usd: numbers[6].map(MicroUsd),
                cache_wait_ms: numbers[3],
                tried: tried.iter().map(|texts| attempt(texts, numbers[1])).collect(),
                strategy: numbers[2].map(|_| crate::routing::spec::Strategy::LeastBusy),
                sticky: served.as_deref(),
                lower_tier: numbers[3].map(|number| number as u32),
                cache: message.as_deref(),
                dropped: &dropped,
                guards: dropped.clone(),
                judges: Vec::new(),
                content_filter: dropped.clone(),
                input_tokens: numbers[4],
                output_tokens: numbers[5],
                cached_tokens: numbers[6],
                cache_write_tokens: numbers[1],
                reasoning_tokens: numbers[7],
                prompt_cache_marks: numbers[2].map(|number| number as usize),
                prompt_cache_saved_usd: numbers[3].map(MicroUsd),
                prompt_cache_surcharge_usd: numbers[4].map(MicroUsd),
                usage: counted,
                estimated: flags[2],
                abandoned: flags[3],
                cost_usd: numbers[8].map(MicroUsd),
                budgets: dropped.clone(),
                first_token_ms: numbers[5],
                provider_status: numbers[6].map(|number| number as u16),
                transport: transport.as_deref(),
                error: error.as_deref(),
                message: message.as_deref(),
                param: served.as_deref(),
            };
            let line = format!("{{\"status\":0{}}}", record.fragment());
            let mut expected = derived(&record);
            expected["status"] = 0.into();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), expected);
        }
    }
}
