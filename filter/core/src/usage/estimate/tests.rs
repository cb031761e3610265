use sluice_wire::dialect::{Client, anthropic, openai_chat};

use super::super::price::{MicroUsd, Price, Rate, Rates};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CEILING: u64 = 4_096;

fn peek(fields: &str) -> BodyPeek {
    BodyPeek::read(format!(r#"{{"model":"m",{fields}"messages":[1]}}"#).as_bytes(), openai_chat::CLIENT.shape).unwrap()
}

fn estimate(body: &str, client: &Client) -> Estimate {
    let peek = BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).unwrap();
    Estimate::of(&peek, &Prompt::measure(body.as_bytes()), client.provider.bytes_per_100_tokens, None, CEILING)
}

/// `length` characters of base64 that begin with `start`.
fn base64(start: &str, length: usize) -> String {
    let noise = "iVBORw0KGgoAAAANSUhEUgAAB+gAAAP/CAIAAABnUzfWAAAACXBIWXMA";
    let mut text = start.to_owned() + &noise.repeat(length / noise.len() + 1);
    text.truncate(length);
    text
}

const MIB: usize = 1 << 20;

#[test]
fn text_is_counted_by_its_bytes() {
    let prompt = "Why is the sky blue, and since when? ".repeat(100);
    let body = format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
    let (openai, anthropic) = (estimate(&body, &openai_chat::CLIENT), estimate(&body, &anthropic::CLIENT));
    assert_eq!(openai.input, (body.len() as u64).div_ceil(4));
    assert_eq!(anthropic.input, (body.len() as u64 * 2).div_ceil(7));
    assert_eq!((openai.output, openai.images), (CEILING, 0));
}

#[test]
fn a_megabyte_of_base64_is_an_image_and_not_a_quarter_of_a_million_tokens() {
    let picture = base64("", MIB);
    for (part, dialect) in [
        (
            format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{picture}"}}}}"#),
            &openai_chat::CLIENT,
        ),
        (format!(r#"{{"type":"input_image","image_url":"data:image/png;base64,{picture}"}}"#), &openai_chat::CLIENT),
        (
            format!(
                r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{}"}}}}"#,
                // Some encoders escape slashes.
                picture.replace('/', r"\/")
            ),
            &anthropic::CLIENT,
        ),
    ] {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"What is \"this\"?"}},{part}]}}]}}"#
        );
        let estimate = estimate(&body, dialect);
        assert_eq!(estimate.images, 1);
        assert!((2_600..2_800).contains(&estimate.input), "{estimate:?}");
    }
}

#[test]
fn an_image_behind_a_url_costs_as_much_as_any_other() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[
        { "type" : "image_url", "image_url" : {"url":"https://example.com/1.png"} },
        {"image_url":{"url":"https://example.com/2.png"},"type":"image_url"}]}]}"#;
    let estimate = estimate(body, &openai_chat::CLIENT);
    assert_eq!((estimate.images, estimate.input), (2, 2 * 1_600 + body.len().div_ceil(4) as u64));
}

#[test]
fn sounds_and_documents_are_counted_by_their_size() {
    let wav = base64("UklGR", MIB);
    let sound = format!(r#"{{"type":"input_audio","input_audio":{{"data":"{wav}","format":"wav"}}}}"#);
    let pdf = base64("JVBERi0", MIB);
    let bare = format!(r#"{{"type":"document","source":{{"type":"base64","data":"{pdf}"}}}}"#);
    let file =
        format!(r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{pdf}"}}}}"#);
    for (part, least, most) in [(sound, 1_024, 1_100), (bare, 20_000, 23_000), (file, 20_000, 23_000)] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#);
        let estimate = estimate(&body, &openai_chat::CLIENT);
        assert_eq!(estimate.images, 0);
        assert!((least..most).contains(&estimate.input), "{estimate:?}");
    }
}

#[test]
fn text_that_only_speaks_of_images_is_text() {
    let quoted = r#"{\"type\":\"image_url\",\"url\":\"data:image/png;base64,AAAA\"}"#.repeat(20);
    let long = "x".repeat(4_000);
    let document = "All of it is text. ".repeat(200);
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"{quoted}"}},
            {{"type":"text","text":"{long}"}},
            {{"type":"document","source":{{"type":"text","media_type":"text/plain","data":"{document}"}}}}]}}]}}"#
    );
    let estimate = estimate(&body, &openai_chat::CLIENT);
    assert_eq!((estimate.images, estimate.input), (0, body.len().div_ceil(4) as u64));
}

#[test]
fn rare_letters_and_short_numbers_count_alike_however_they_are_written() {
    let text = |content: String| format!(r#"{{"model":"m","messages":[{{"content":"{content}"}}]}}"#);
    let list = |number: &str| format!(r#"{{"model":"m","messages":[{}]}}"#, vec![number; 1_000].join(","));
    let input = |body: String| estimate(&body, &openai_chat::CLIENT).input;
    let none = input(text(String::new()));
    for letter in ["🙂", "𐎀", r"\ud83d\ude42", r"\uD83D\uDE42"] {
        assert!((4_000..4_010).contains(&(input(text(letter.repeat(1_000))) - none)), "{letter}");
    }
    // Characters of fewer bytes count by their encoded length.
    assert_eq!(input(text(r"\u00e9".repeat(1_000))) - none, 1_500);
    for number in ["1", "1 ", " 1", "1\n", "12 "] {
        assert!(input(list(number)) >= 1_000, "{number:?}");
    }
}

#[test]
fn an_answer_has_no_more_than_anybody_allows() {
    for (fields, max_output, expected) in [
        ("", None, 4_096),
        ("", Some(1_000), 1_000),
        ("", Some(128_000), 4_096),
        (r#""max_tokens":500,"#, Some(1_000), 500),
        (r#""max_completion_tokens":2000,"#, Some(1_000), 1_000),
        (r#""max_tokens":100000,"#, None, 4_096),
        (r#""max_tokens":500,"n":3,"#, None, 1_500),
        (r#""n":3,"#, Some(128_000), 3 * 4_096),
        (r#""max_tokens":500,"n":0,"#, None, 500),
        (r#""n":18446744073709551615,"#, None, u64::MAX),
    ] {
        let estimate = Estimate::of(&peek(fields), &Prompt::default(), 400, max_output, CEILING);
        assert_eq!(estimate.output, expected, "{fields} {max_output:?}");
    }
}

#[test]
fn the_estimate_of_a_cost_is_the_price_of_what_is_reserved() {
    let body = format!(
        r#"{{"model":"m","max_tokens":1000,"n":2,"messages":[{{"role":"user","content":[{{"type":"text","text":"{}"}},
        {{"type":"image_url","image_url":{{"url":"https://example.com/a.png"}}}}]}}]}}"#,
        "word ".repeat(2_000)
    );
    let estimate = estimate(&body, &openai_chat::CLIENT);
    assert_eq!(estimate, Estimate { input: 4_146, output: 2_000, images: 1, ..Estimate::default() });
    let (input, output) = (Rate(250_000), Rate(2_000_000));
    let plain =
        Rates { input, cached_input: input, cache_write: input, cache_write_1h: input, output, reasoning: output };
    let price = Price { plain, per_image: MicroUsd(1_000), ..Price::default() };
    // 4,146 x 0.25 rounded up, 2,000 x 2, and the image.
    assert_eq!(price.expected(&estimate), MicroUsd(1_037 + 4_000 + 1_000));
}

#[test]
fn an_interrupted_answer_produced_a_token_an_event_at_least() {
    for (events, bytes, expected) in [(0, 0, 0), (10, 12, 10), (3, 400, 100), (1, 1, 1), (0, 5, 2)] {
        assert_eq!(produced(events, bytes, 400), expected, "{events} events, {bytes} bytes");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::peek::body_scan::tests::properties::body;
    use crate::peek::literals::Literals;

    /// Reference implementation that reads each word letter by letter.
    fn measured(body: &[u8]) -> Prompt {
        let mut prompt = Prompt::default();
        let (mut images, mut documents, mut urls) = (0, 0, 0);
        let (mut media, mut padding, mut end) = (0, 0, 0);
        let mut before: Cow<'_, [u8]> = Cow::default();
        for literal in Literals::of(body) {
            let text = literal.text;
            let word = literal.word(18);
            padding += short_numbers(&body[end..literal.start]);
            end = literal.start + text.len();
            match &*before {
                b"type" if literal.is_value() => match &*word {
                    b"image_url" | b"input_image" | b"image" => prompt.images += 1,
                    b"input_audio" => prompt.audio = true,
                    b"file" | b"input_file" => prompt.documents = true,
                    b"document" => documents += 1,
                    b"url" => urls += 1,
                    kind if reads(kind) => prompt.elsewhere += 1,
                    _ => {}
                },
                b"file_id" | b"file_url" if literal.is_value() => prompt.elsewhere += 1,
                b"url" | b"image_url" | b"data" | b"file_data" if is_base64(text) => {
                    media += text.len();
                    prompt.media += wide(text.len()).div_ceil(if is_pdf(text) { PDF } else { SOUND });
                }
                _ => {
                    padding += text.iter().filter(|byte| **byte >= 0xf0).count() * 12;
                    let high = |half: &&[u8]| {
                        matches!(half, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B'])
                    };
                    padding += text.windows(4).filter(high).count() * 4;
                }
            }
            images += u64::from(&*before == b"image_url" && literal.follows_key());
            let searches = matches!(&*word, b"vector_store_ids" | b"web_search_options");
            prompt.elsewhere += u64::from(searches && body[end + 1..].trim_ascii_start().starts_with(b":"));
            before = word;
        }
        prompt.images = prompt.images.max(images);
        prompt.documents |= documents > 0;
        prompt.elsewhere += documents.min(urls);
        padding += short_numbers(&body[end..]);
        prompt.text = wide(body.len().saturating_sub(media).saturating_add(padding));
        prompt
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_prompt_is_measured_as_by_the_letters_of_each_word(body in body()) {
            prop_assert_eq!(Prompt::measure(body.as_bytes()), measured(body.as_bytes()), "{}", body);
        }

        #[test]
        fn any_bytes_can_be_measured(body in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>()], 0..200)) {
            // A four-byte character counts as sixteen bytes.
            prop_assert!(Prompt::measure(&body).text <= 13 * body.len() as u64);
        }

        #[test]
        fn more_text_is_never_fewer_tokens(text in "[a-z \\\\\"]{0,200}", more in "[a-z]{1,50}") {
            let body = |text: &str| format!(r#"{{"model":"m","messages":[{}]}}"#, serde_json::to_string(text).unwrap());
            let input = |text: &str| estimate(&body(text), &openai_chat::CLIENT).input;
            let longer = input(&format!("{text}{more}"));
            prop_assert!(longer >= input(&text));
        }
    }
}

#[test]
fn an_image_is_one_however_its_type_is_written() {
    for (name, kind) in [
        ("type", "image_url"),
        (r"typ\u0065", "image_url"),
        ("type", r"image\u005furl"),
        (r"\u0074\u0079\u0070\u0065", r"\u0069\u006e\u0070\u0075\u0074\u005f\u0069\u006d\u0061\u0067\u0065"),
    ] {
        let body = format!(r#"[{{"{name}":"{kind}","image_url":{{"url":"https://a.test/b.png"}}}}]"#);
        assert_eq!(Prompt::measure(body.as_bytes()).images, 1, "{body}");
    }
}

#[test]
fn images_sound_and_documents_are_told_apart_by_their_type() {
    for (kind, expected) in [
        ("text", (0, false, false)),
        ("image_url", (1, false, false)),
        ("input_image", (1, false, false)),
        ("image", (1, false, false)),
        ("input_audio", (0, true, false)),
        (r"input\u005faudio", (0, true, false)),
        ("file", (0, false, true)),
        ("input_file", (0, false, true)),
        ("document", (0, false, true)),
    ] {
        let prompt = Prompt::measure(format!(r#"[{{"type" : "{kind}"}}]"#).as_bytes());
        assert_eq!((prompt.images, prompt.audio, prompt.documents), expected, "{kind}");
        let listed = Prompt::measure(format!(r#"[{{"required":["type","{kind}"],"type":["{kind}"]}}]"#).as_bytes());
        assert_eq!((listed.images, listed.audio, listed.documents), (0, false, false), "a list is not a part: {kind}");
    }
}

#[test]
fn every_prompt_of_a_list_has_as_many_answers_as_are_worked_out_for_it() {
    let ask = |fields: &str| {
        let body = format!(r#"{{"model":"m","messages":[1],"max_tokens":100,{fields}"user":"u"}}"#);
        estimate(&body, &openai_chat::CLIENT).output
    };
    assert_eq!(ask(""), 100);
    assert_eq!(ask(r#""n":3,"#), 300);
    assert_eq!(ask(r#""n":3,"best_of":20,"#), 2_000);
    assert_eq!(ask(r#""prompt":["a","b"],"best_of":2,"#), 400);
    assert_eq!(ask(r#""prompt":[[1],[2],[3]],"#), 300);
}

#[test]
fn each_token_of_a_list_and_each_rare_letter_is_counted() {
    let tokens = format!(r#"{{"model":"m","messages":[1],"input":[{}1]}}"#, "1,".repeat(999));
    assert!((1_000..1_050).contains(&estimate(&tokens, &openai_chat::CLIENT).input));
    let long = format!(r#"{{"model":"m","messages":[1],"input":[{}1]}}"#, "123456,".repeat(999));
    assert!(estimate(&long, &openai_chat::CLIENT).input >= 1_000);
    let faces = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "\u{1f600}".repeat(100));
    assert!((400..450).contains(&estimate(&faces, &openai_chat::CLIENT).input));
}

#[test]
fn what_stands_elsewhere_is_counted_wherever_a_request_refers_to_it() {
    for (body, elsewhere) in [
        (r#"{"input":[{"type":"input_file","file_id":"file-1"},{"type":"input_image","file_id":"file-2"}]}"#, 2),
        (r#"{"input":[{"type":"input_file","file_url":"https://a.test/b.pdf"}]}"#, 1),
        (r#"{"a":{"type":"document","source":{"type":"url","url":"https://a.test/b.pdf"}}}"#, 1),
        (r#"{"a":{"source":{"url":"https://a.test/b.pdf","type":"url"},"type":"document"}}"#, 1),
        (r#"{"a":{"type":"image","source":{"type":"url","url":"https://a.test/b.png"}}}"#, 0),
        (r#"{"a":{"type":"document","source":{"type":"base64","data":"x"}}}"#, 0),
        (r#"{"a":{"source":{"type":"file","file\u005fid":"file-1"}}}"#, 1),
        (r#"{"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}"#, 1),
        (r#"{"tools":[{"type":"web_search_20250305"},{"type":"mcp","server_label":"x"},{"type":"function"}]}"#, 2),
        (r#"{"web_search_options":{}}"#, 1),
        // Names that a client chose.
        (r#"{"tools":[{"type":"function","parameters":{"properties":{"file_id":{"type":"string"}}}}]}"#, 0),
        (r#"{"input":"file_id, vector_store_ids, web_search_options"}"#, 0),
        (r#"["file_id","x","vector_store_ids","y"]"#, 0),
    ] {
        assert_eq!(Prompt::measure(body.as_bytes()).elsewhere, elsewhere, "{body}");
    }
}

#[test]
fn an_image_is_one_with_a_type_or_without() {
    for (body, images) in [
        (r#"[{"type":"image_url","image_url":{"url":"https://a.test/b"}}]"#, 1),
        (r#"[{"image_url":{"url":"https://a.test/b"}},{"image_url":"https://a.test/c"}]"#, 2),
        (r#"[{"type":"input_image","image_url":"https://a.test/b"},{"type":"image","source":{}}]"#, 2),
        (r#"["image_url",{"text":"image_url"},{"image_url":null}]"#, 0),
    ] {
        assert_eq!(Prompt::measure(body.as_bytes()).images, images, "{body}");
    }
}
