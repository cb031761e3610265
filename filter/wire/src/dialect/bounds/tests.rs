//! Each provider's numbers at and beyond its bounds.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::halves::{
    ANTHROPIC, ANTHROPIC_ON_VERTEX, BEDROCK, Both, COHERE, COMPLETIONS, GEMINI, OPENAI_CHAT, RESPONSES,
};
use crate::dialect::openai_chat::{servers, variations};
use crate::dialect::quirk::{adapt, edited};
use crate::dialect::translate;

/// The expected handling of a number.
enum Becomes {
    /// Sent unchanged.
    Same,
    /// Replaced by this, and reported.
    Moved(Value),
    /// Dropped, and reported.
    LeftOut,
    /// Rejected with 400 by name.
    Refused,
}

use Becomes::{LeftOut, Moved, Refused, Same};

const MISTRAL: Both = Both { provider: &servers::MISTRAL, ..OPENAI_CHAT };
const GROQ: Both = Both { provider: &servers::GROQ, ..OPENAI_CHAT };
const XAI: Both = Both { provider: &servers::XAI, ..OPENAI_CHAT };

/// The path of each field in a provider's request.
fn place(provider: Both, field: &str) -> String {
    let (inside, names): (&str, &[(&str, &str)]) = match provider.name() {
        "gemini" => (
            "/generationConfig/",
            &[
                ("top_p", "topP"),
                ("top_k", "topK"),
                ("n", "candidateCount"),
                ("stop", "stopSequences"),
                ("frequency_penalty", "frequencyPenalty"),
                ("presence_penalty", "presencePenalty"),
            ],
        ),
        "bedrock" if field == "top_k" => ("/additionalModelRequestFields/", &[]),
        "bedrock" => ("/inferenceConfig/", &[("top_p", "topP"), ("stop", "stopSequences")]),
        "cohere" => ("/", &[("top_p", "p"), ("top_k", "k"), ("stop", "stop_sequences")]),
        _ => ("/", &[("stop", "stop")]),
    };
    let name = names.iter().find(|(known, _)| *known == field).map_or(field, |(_, name)| name);
    format!("{inside}{name}")
}

fn stops(count: usize) -> Value {
    (0..count).map(|index| format!("s{index}")).collect::<Vec<_>>().into()
}

type Row = (Both, &'static str, &'static str, Value, Becomes);

fn rows() -> Vec<Row> {
    vec![
        (OPENAI_CHAT, "gpt-4o", "n", json!(128), Same),
        (OPENAI_CHAT, "gpt-4o", "n", json!(129), Refused),
        (OPENAI_CHAT, "gpt-4o", "n", json!(0), Refused),
        (OPENAI_CHAT, "gpt-4o", "temperature", json!(2.0), Same),
        (OPENAI_CHAT, "gpt-4o", "temperature", json!(2.1), Refused),
        (OPENAI_CHAT, "gpt-4o", "top_p", json!(1.1), Refused),
        (OPENAI_CHAT, "gpt-4o", "presence_penalty", json!(-2.0), Same),
        (OPENAI_CHAT, "gpt-4o", "presence_penalty", json!(2.5), Refused),
        (OPENAI_CHAT, "gpt-4o", "seed", json!(i64::MIN), Same),
        (RESPONSES, "gpt-4o", "n", json!(2), Refused),
        (RESPONSES, "gpt-4o", "frequency_penalty", json!(0.5), Refused),
        (RESPONSES, "gpt-4o", "temperature", json!(-0.1), Refused),
        (COMPLETIONS, "m", "n", json!(129), Refused),
        (Both { provider: &servers::TEMPLATED, ..OPENAI_CHAT }, "m", "n", json!(129), Same),
        (GROQ, "m", "n", json!(2), Refused),
        (GROQ, "m", "stop", stops(4), Same),
        (GROQ, "m", "stop", stops(5), Refused),
        (MISTRAL, "m", "temperature", json!(1.5), Same),
        (MISTRAL, "m", "temperature", json!(1.8), Moved(json!(1.5))),
        (MISTRAL, "m", "seed", json!(i64::MAX), Same),
        (MISTRAL, "m", "seed", json!(-1), LeftOut),
        (MISTRAL, "m", "n", json!(0), Refused),
        (MISTRAL, "m", "stop", stops(9), Same),
        (XAI, "grok-4", "n", json!(129), Refused),
        (XAI, "grok-4", "stop", stops(9), Refused),
        (XAI, "grok-4", "seed", json!(i32::MAX), Same),
        (XAI, "grok-4", "seed", json!(3_000_000_000_i64), LeftOut),
        (ANTHROPIC, "claude-x", "temperature", json!(1.0), Same),
        (ANTHROPIC, "claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (ANTHROPIC, "claude-x", "temperature", json!(-0.5), Refused),
        (ANTHROPIC, "claude-x", "top_p", json!(1.5), Refused),
        (ANTHROPIC, "claude-x", "n", json!(2), Refused),
        (ANTHROPIC, "claude-x", "presence_penalty", json!(0.1), Refused),
        (ANTHROPIC_ON_VERTEX, "claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (BEDROCK, "anthropic.claude-x", "top_k", json!(500), Same),
        (BEDROCK, "anthropic.claude-x", "top_k", json!(501), Moved(json!(500))),
        (BEDROCK, "anthropic.claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (BEDROCK, "meta.llama", "temperature", json!(1.7), Moved(json!(1.0))),
        (BEDROCK, "meta.llama", "top_p", json!(1.1), Refused),
        (BEDROCK, "meta.llama", "n", json!(2), Refused),
        (BEDROCK, "meta.llama", "stop", stops(2501), Refused),
        (COHERE, "command-a", "temperature", json!(1.2), Moved(json!(1.0))),
        (COHERE, "command-a", "top_p", json!(1.0), Moved(json!(0.99))),
        (COHERE, "command-a", "top_p", json!(0.0), Moved(json!(0.01))),
        (COHERE, "command-a", "top_k", json!(501), Moved(json!(500))),
        (COHERE, "command-a", "frequency_penalty", json!(1.5), Moved(json!(1.0))),
        (COHERE, "command-a", "frequency_penalty", json!(-0.5), Refused),
        (COHERE, "command-a", "seed", json!(-1), LeftOut),
        (COHERE, "command-a", "seed", json!(i64::MAX), Same),
        (COHERE, "command-a", "n", json!(2), Refused),
        (COHERE, "command-a", "stop", stops(6), Refused),
        (GEMINI, "gemini-1.5-flash", "top_k", json!(41), Moved(json!(40))),
        (GEMINI, "gemini-1.5-flash", "frequency_penalty", json!(2.0), Moved(json!(1.99))),
        (GEMINI, "gemini-2.0-flash", "presence_penalty", json!(-2.0), Same),
        (GEMINI, "gemini-2.0-flash", "top_k", json!(0), LeftOut),
        (GEMINI, "gemini-2.5-flash", "presence_penalty", json!(0.5), Refused),
        (GEMINI, "gemini-2.5-flash", "presence_penalty", json!(0.0), Same),
        (GEMINI, "gemini-2.5-flash", "n", json!(8), Same),
        (GEMINI, "gemini-2.5-flash", "n", json!(9), Refused),
        (GEMINI, "gemini-3-pro-preview", "n", json!(2), Refused),
        (GEMINI, "gemini-3.8-flash", "n", json!(2), Same),
        (GEMINI, "gemini-flash-latest", "frequency_penalty", json!(0.5), Refused),
        (GEMINI, "gemini-x", "frequency_penalty", json!(0.5), Same),
        (GEMINI, "gemini-2.5-flash", "temperature", json!(2.5), Refused),
        (GEMINI, "gemini-2.5-flash", "stop", stops(6), Refused),
    ]
}

/// A client's request as the provider receives it, translated if the formats differ.
fn sent(provider: Both, model: &str, field: &str, value: &Value) -> Result<(Value, Vec<String>), String> {
    let client = match provider.name() {
        "openai_chat" => COMPLETIONS,
        _ => OPENAI_CHAT,
    };
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    if client.name() == "completions" {
        body = json!({"model": "m", "prompt": "Hi"});
    }
    body[field] = value.clone();
    let blamed = |error: crate::error::ApiError| {
        assert_eq!(error.status, 400, "{error:?}");
        assert!(error.message.contains(&format!("'{field}'")), "{error:?}");
        error.param.unwrap_or_default()
    };
    let written =
        translate::request(client.client, provider.provider, body.to_string().as_bytes(), model).map_err(blamed)?;
    Ok((serde_json::from_slice(&written.body).unwrap(), written.dropped))
}

#[test]
fn each_provider_gets_the_numbers_that_it_takes() {
    for (provider, model, field, value, becomes) in rows() {
        let asked = format!("{} {model}: {field} {value}", provider.name());
        let place = place(provider, field);
        match (becomes, sent(provider, model, field, &value)) {
            (Refused, result) => assert_eq!(result.unwrap_err(), field, "{asked}"),
            (_, Err(param)) => panic!("{asked}: refused, by {param}"),
            (Same, Ok((body, dropped))) => {
                assert_eq!((body.pointer(&place), dropped), (Some(&value), vec![]), "{asked}");
            }
            (Moved(bound), Ok((body, dropped))) => {
                let sent = body.pointer(&place).and_then(Value::as_f64);
                assert_eq!((sent, dropped), (bound.as_f64(), vec![field.to_owned()]), "{asked}");
            }
            (LeftOut, Ok((body, dropped))) => {
                assert_eq!((body.pointer(&place), dropped), (None, vec![field.to_owned()]), "{asked}");
            }
        }
    }
}

#[test]
fn a_request_that_is_passed_on_to_a_server_with_quirks_keeps_to_the_same_bounds() {
    let passed = |variation: super::super::openai_chat::Variation, fields: &str| {
        let body = format!("{{\"model\":\"m\",{fields}}}");
        let adapted = adapt(body.as_bytes(), variation.quirks.iter(), variation.bounds)?;
        Ok::<_, crate::error::ApiError>((
            String::from_utf8(edited(body.as_bytes(), &adapted.edits)).unwrap(),
            adapted.dropped,
        ))
    };
    for (fields, expected, dropped) in [
        (r#""temperature":1.5,"seed":7"#, r#""temperature":1.5,"random_seed":7"#, &[][..]),
        (r#""temperature": 2 ,"top_p":1"#, r#""temperature": 1.5 ,"top_p":1"#, &["temperature"]),
        (r#""seed":-7,"top_p":null"#, r#""top_p":null"#, &["seed"]),
        (r#""temperature":"hot""#, r#""temperature":"hot""#, &[]),
        (r#""stop":["a","b","c","d","e"]"#, r#""stop":["a","b","c","d","e"]"#, &[]),
    ] {
        let (body, named) = passed(variations::MISTRAL, fields).unwrap();
        assert_eq!(
            (body, named),
            (format!("{{\"model\":\"m\",{expected}}}"), dropped.iter().map(|name| (*name).to_owned()).collect())
        );
    }
    assert!(passed(variations::GROQ, r#""stop":"a""#).is_ok());
    for (fields, field) in [(r#""stop":["a","b","c","d","e"]"#, "stop"), (r#""temperature":3"#, "temperature")] {
        assert_eq!(passed(variations::GROQ, fields).unwrap_err().param.as_deref(), Some(field));
    }
}
