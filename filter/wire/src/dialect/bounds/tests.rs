//! Each provider's numbers, at its bounds and beyond.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::anthropic::{Anthropic, AnthropicOnVertex};
use crate::dialect::bedrock::Bedrock;
use crate::dialect::cohere::Cohere;
use crate::dialect::completions::Completions;
use crate::dialect::gemini::Gemini;
use crate::dialect::openai_chat::{OpenAiChat, OpenAiCompatible, variations};
use crate::dialect::quirk::{adapt, edited};
use crate::dialect::responses::Responses;
use crate::dialect::{Chat, Dialect, translate};

/// What becomes of a number.
enum Becomes {
    /// It goes as it is.
    Same,
    /// This goes in its place, and it is named.
    Moved(Value),
    /// Nothing goes, and it is named.
    LeftOut,
    /// 400 by its name.
    Refused,
}

use Becomes::{LeftOut, Moved, Refused, Same};

const MISTRAL: OpenAiCompatible = OpenAiCompatible(variations::MISTRAL);
const GROQ: OpenAiCompatible = OpenAiCompatible(variations::GROQ);
const XAI: OpenAiCompatible = OpenAiCompatible(variations::XAI);

/// Where each field stands in a provider's request.
fn place(provider: &dyn Dialect, field: &str) -> String {
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

type Row = (&'static dyn Chat, &'static str, &'static str, Value, Becomes);

fn rows() -> Vec<Row> {
    vec![
        (&OpenAiChat, "gpt-4o", "n", json!(128), Same),
        (&OpenAiChat, "gpt-4o", "n", json!(129), Refused),
        (&OpenAiChat, "gpt-4o", "n", json!(0), Refused),
        (&OpenAiChat, "gpt-4o", "temperature", json!(2.0), Same),
        (&OpenAiChat, "gpt-4o", "temperature", json!(2.1), Refused),
        (&OpenAiChat, "gpt-4o", "top_p", json!(1.1), Refused),
        (&OpenAiChat, "gpt-4o", "presence_penalty", json!(-2.0), Same),
        (&OpenAiChat, "gpt-4o", "presence_penalty", json!(2.5), Refused),
        (&OpenAiChat, "gpt-4o", "seed", json!(i64::MIN), Same),
        (&Responses, "gpt-4o", "n", json!(2), Refused),
        (&Responses, "gpt-4o", "frequency_penalty", json!(0.5), Refused),
        (&Responses, "gpt-4o", "temperature", json!(-0.1), Refused),
        (&Completions, "m", "n", json!(129), Refused),
        (&OpenAiCompatible(variations::TEMPLATED), "m", "n", json!(129), Same),
        (&GROQ, "m", "n", json!(2), Refused),
        (&GROQ, "m", "stop", stops(4), Same),
        (&GROQ, "m", "stop", stops(5), Refused),
        (&MISTRAL, "m", "temperature", json!(1.5), Same),
        (&MISTRAL, "m", "temperature", json!(1.8), Moved(json!(1.5))),
        (&MISTRAL, "m", "seed", json!(i64::MAX), Same),
        (&MISTRAL, "m", "seed", json!(-1), LeftOut),
        (&MISTRAL, "m", "n", json!(0), Refused),
        (&MISTRAL, "m", "stop", stops(9), Same),
        (&XAI, "grok-4", "n", json!(129), Refused),
        (&XAI, "grok-4", "stop", stops(9), Refused),
        (&XAI, "grok-4", "seed", json!(i32::MAX), Same),
        (&XAI, "grok-4", "seed", json!(3_000_000_000_i64), LeftOut),
        (&Anthropic, "claude-x", "temperature", json!(1.0), Same),
        (&Anthropic, "claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (&Anthropic, "claude-x", "temperature", json!(-0.5), Refused),
        (&Anthropic, "claude-x", "top_p", json!(1.5), Refused),
        (&Anthropic, "claude-x", "n", json!(2), Refused),
        (&Anthropic, "claude-x", "presence_penalty", json!(0.1), Refused),
        (&AnthropicOnVertex, "claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (&Bedrock, "anthropic.claude-x", "top_k", json!(500), Same),
        (&Bedrock, "anthropic.claude-x", "top_k", json!(501), Moved(json!(500))),
        (&Bedrock, "anthropic.claude-x", "temperature", json!(1.7), Moved(json!(1.0))),
        (&Bedrock, "meta.llama", "temperature", json!(1.7), Moved(json!(1.0))),
        (&Bedrock, "meta.llama", "top_p", json!(1.1), Refused),
        (&Bedrock, "meta.llama", "n", json!(2), Refused),
        (&Bedrock, "meta.llama", "stop", stops(2501), Refused),
        (&Cohere, "command-a", "temperature", json!(1.2), Moved(json!(1.0))),
        (&Cohere, "command-a", "top_p", json!(1.0), Moved(json!(0.99))),
        (&Cohere, "command-a", "top_p", json!(0.0), Moved(json!(0.01))),
        (&Cohere, "command-a", "top_k", json!(501), Moved(json!(500))),
        (&Cohere, "command-a", "frequency_penalty", json!(1.5), Moved(json!(1.0))),
        (&Cohere, "command-a", "frequency_penalty", json!(-0.5), Refused),
        (&Cohere, "command-a", "seed", json!(-1), LeftOut),
        (&Cohere, "command-a", "seed", json!(i64::MAX), Same),
        (&Cohere, "command-a", "n", json!(2), Refused),
        (&Cohere, "command-a", "stop", stops(6), Refused),
        (&Gemini, "gemini-1.5-flash", "top_k", json!(41), Moved(json!(40))),
        (&Gemini, "gemini-1.5-flash", "frequency_penalty", json!(2.0), Moved(json!(1.99))),
        (&Gemini, "gemini-2.0-flash", "presence_penalty", json!(-2.0), Same),
        (&Gemini, "gemini-2.0-flash", "top_k", json!(0), LeftOut),
        (&Gemini, "gemini-2.5-flash", "presence_penalty", json!(0.5), Refused),
        (&Gemini, "gemini-2.5-flash", "presence_penalty", json!(0.0), Same),
        (&Gemini, "gemini-2.5-flash", "n", json!(8), Same),
        (&Gemini, "gemini-2.5-flash", "n", json!(9), Refused),
        (&Gemini, "gemini-3-pro-preview", "n", json!(2), Refused),
        (&Gemini, "gemini-3.8-flash", "n", json!(2), Same),
        (&Gemini, "gemini-flash-latest", "frequency_penalty", json!(0.5), Refused),
        (&Gemini, "gemini-x", "frequency_penalty", json!(0.5), Same),
        (&Gemini, "gemini-2.5-flash", "temperature", json!(2.5), Refused),
        (&Gemini, "gemini-2.5-flash", "stop", stops(6), Refused),
    ]
}

/// A client's request as its provider gets it, translated where that knows another format.
fn sent(provider: &'static dyn Chat, model: &str, field: &str, value: &Value) -> Result<(Value, Vec<String>), String> {
    let client = match provider.name() {
        "openai_chat" => &Completions as &dyn Dialect,
        _ => &OpenAiChat,
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
    let written = translate::request(client, provider, body.to_string().as_bytes(), model).map_err(blamed)?;
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
