//! Tests of all embeddings formats, and of translation between each two.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::aliases::Names;
use crate::dialect::halves::{COHERE_EMBED, EMBEDDINGS, GEMINI_EMBED, OPENAI_CHAT, OPENAI_EMBEDDINGS, Vectors};
use crate::dialect::translate::{self, ResponseContext};
use crate::embedding::Encoding;

#[cfg(not(target_arch = "wasm32"))]
mod properties;

const REQUEST: &str = r#"{"model":"alias","input":["a","b"],"dimensions":2,"encoding_format":"base64","user":"u","input_type":"search_query"}"#;

fn context(encoding: Encoding) -> ResponseContext<'static> {
    static NAMES: Names = Names::none();
    ResponseContext { model: "target", id: "i", now: 0, encoding, estimate: 3, names: &NAMES }
}

/// The provider's request for an OpenAI client, and the dropped fields.
fn request(provider: Vectors) -> (String, Vec<String>) {
    let written =
        translate::request(OPENAI_EMBEDDINGS.client, provider.provider, REQUEST.as_bytes(), "target").unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

/// OpenAI's response, translated from the provider's.
fn answer(provider: Vectors, body: &str, encoding: Encoding) -> String {
    let answer =
        translate::answer(OPENAI_EMBEDDINGS.client, provider.provider, body.as_bytes(), &context(encoding)).unwrap();
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn golden_openai_to_cohere() {
    let (body, dropped) = request(COHERE_EMBED);
    let expected = r#"{"model":"target","texts":["a","b"],"input_type":"search_query","embedding_types":["base64"],"output_dimension":2}"#;
    assert_eq!((body.as_str(), dropped), (expected, vec!["user".to_owned()]));

    let said = r#"{"id":"x","embeddings":{"float":[[0.10, -1],[3,4]]},"texts":["a","b"],"meta":{"billed_units":{"input_tokens":8.0}},"response_type":"embeddings_by_type"}"#;
    let expected = concat!(
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10, -1]},"#,
        r#"{"object":"embedding","index":1,"embedding":[3,4]}],"model":"target","usage":{"prompt_tokens":8,"total_tokens":8}}"#
    );
    assert_eq!(answer(COHERE_EMBED, said, Encoding::Float), expected);
}

#[test]
fn golden_openai_to_gemini() {
    let (body, dropped) = request(GEMINI_EMBED);
    let one = |text: &str| {
        format!(
            r#"{{"model":"models/target","content":{{"parts":[{{"text":"{text}"}}]}},"taskType":"RETRIEVAL_QUERY","outputDimensionality":2}}"#
        )
    };
    assert_eq!(body, format!(r#"{{"requests":[{},{}]}}"#, one("a"), one("b")));
    assert_eq!(dropped, ["user"]);

    let said = r#"{"embeddings":[{"values":[1,-2]}]}"#;
    let expected = concat!(
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-2]}],"model":"target","#,
        r#""usage":{"prompt_tokens":3,"total_tokens":3}}"#
    );
    assert_eq!(answer(GEMINI_EMBED, said, Encoding::Float), expected);
}

#[test]
fn an_estimate_stands_in_for_a_count_that_the_client_is_owed_and_is_not_the_providers() {
    let said = br#"{"embeddings":[{"values":[1]}]}"#;
    let answer =
        translate::answer(OPENAI_EMBEDDINGS.client, GEMINI_EMBED.provider, said, &context(Encoding::Float)).unwrap();
    assert_eq!(answer.usage, None);
    assert!(String::from_utf8(answer.body).unwrap().contains(r#""usage":{"prompt_tokens":3"#));
}

#[test]
fn a_client_that_asked_for_base64_gets_it_of_a_provider_that_gives_numbers() {
    let said = r#"{"embeddings":[{"values":[1,-2]}]}"#;
    assert!(answer(GEMINI_EMBED, said, Encoding::Base64).contains(r#""embedding":"AACAPwAAAMA=""#));
    let said = r#"{"embeddings":{"base64":["AACAPwAAAMA="]}}"#;
    assert!(answer(COHERE_EMBED, said, Encoding::Float).contains(r#""embedding":[1.0,-2.0]"#));
}

#[test]
fn tokens_are_for_openai_only() {
    for (input, at) in [("[1,2]", "input"), ("[[1],[2]]", "input[0]"), (r#"["a",[2]]"#, "input[1]")] {
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        for provider in [COHERE_EMBED, GEMINI_EMBED] {
            let error =
                translate::request(OPENAI_EMBEDDINGS.client, provider.provider, body.as_bytes(), "m").unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(at)));
            assert_eq!(error.code.as_deref(), Some("unsupported_parameter"));
        }
        assert!(translate::request(OPENAI_EMBEDDINGS.client, OPENAI_EMBEDDINGS.provider, body.as_bytes(), "m").is_ok());
    }
}

#[test]
fn conversations_and_embeddings_do_not_translate_into_each_other() {
    let (chat, vectors) = (OPENAI_CHAT, OPENAI_EMBEDDINGS);
    for (client, provider) in [(chat.client, vectors.provider), (vectors.client, chat.provider)] {
        assert!(!client.asks.translates(&provider.serves));
        let error = translate::request(client, provider, b"{}", "m").unwrap_err();
        assert_eq!((error.status, error.code.as_deref()), (400, Some("endpoint_not_available")));
        assert!(translate::answer(client, provider, b"{}", &context(Encoding::Float)).is_err());
    }
    assert!(EMBEDDINGS.iter().all(|format| !format.client.asks.streams()));
}

#[test]
fn more_texts_than_a_provider_takes_at_once_are_refused_before_anything_is_written() {
    let ask = |count: usize| format!(r#"{{"model":"m","input":[{}"x"]}}"#, r#""","#.repeat(count - 1));
    let written = |provider: Vectors, count: usize| {
        translate::request(OPENAI_EMBEDDINGS.client, provider.provider, ask(count).as_bytes(), "t")
            .map_err(|error| error.param)
    };
    for (provider, most) in [(COHERE_EMBED, 96), (GEMINI_EMBED, 100), (OPENAI_EMBEDDINGS, 2048)] {
        assert!(written(provider, most).is_ok(), "{most}");
        for count in [most + 1, 2049, 100_000] {
            assert_eq!(written(provider, count), Err(Some("input".to_owned())), "{most}");
        }
    }
}
