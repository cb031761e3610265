//! Tests of the body peek: findings, replacements, and rejected bodies.

use sluice_wire::dialect::{Client, anthropic, completions, openai_chat, responses};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn spliced(body: &str, model: &str) -> String {
    let peek = BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).unwrap();
    match peek.splice(model, true, None) {
        None => body.to_owned(),
        Some(splice) => {
            let mut out = splice.apply(&body.as_bytes()[..splice.drain]);
            out.extend_from_slice(&body.as_bytes()[splice.drain..]);
            assert_eq!(out.len(), body.len().saturating_add_signed(splice.growth()));
            String::from_utf8(out).unwrap()
        }
    }
}

#[test]
fn the_model_is_spliced_and_every_other_byte_stays() {
    let body = r#" { "x":{"model":"no"}, "model" : "a\"b" , "messages":[ {"model":"no"} ],"unknown":1e3 }"#;
    assert_eq!(spliced(body, "new"), body.replace(r#""a\"b""#, r#""new""#));
    assert_eq!(spliced(body, "a\"b"), body);
}

#[test]
fn usage_is_asked_for_in_streams_that_do_not() {
    for (body, expected) in [
        (
            r#"{"model":"m","stream":true,"messages":[1]}"#,
            r#"{"stream_options":{"include_usage":true},"model":"n","stream":true,"messages":[1]}"#,
        ),
        (
            r#"{"stream_options":null,"model":"m","stream":true,"messages":[1]}"#,
            r#"{"stream_options":{"include_usage":true},"model":"n","stream":true,"messages":[1]}"#,
        ),
        (
            r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":false,"k":[2]}}"#,
            r#"{"model":"n","messages":[1],"stream":true,"stream_options":{"include_usage":true,"k":[2]}}"#,
        ),
        (
            r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"n","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (r#"{"model":"m","messages":[1]}"#, r#"{"model":"n","messages":[1]}"#),
    ] {
        assert_eq!(spliced(body, "n"), expected);
    }
}

#[test]
fn what_is_not_a_chat_request_is_a_400_that_says_so() {
    let deep = format!(r#"{{"model":"m","messages":[{}{}]}}"#, "[".repeat(300), "]".repeat(300));
    for (body, needle) in [
        (&b""[..], "empty"),
        (b"  \n", "empty"),
        (b"{", "not a valid"),
        (b"[]", "not a valid"),
        (br#"["m",[1],true,null]"#, "expected an object"),
        (b"{\"model\":\"\xff\",\"messages\":[1]}", "UTF-8"),
        (br#"{"messages":[1]}"#, "'model'"),
        (br#"{"model":7,"messages":[1]}"#, "'model'"),
        (br#"{"model":null,"messages":[1]}"#, "'model'"),
        (br#"{"model":"m"}"#, "'messages'"),
        (br#"{"model":"m","messages":[]}"#, "at least one"),
        (br#"{"model":"m","messages":"hi"}"#, "array of messages"),
        (br#"{"model":"m","messages":{}}"#, "array of messages"),
        (br#"{"model":"m","model":"n","messages":[1]}"#, "duplicate"),
        (br#"{"model":"m","Model":"n","messages":[1]}"#, "lower case"),
        (br#"{"model":"m","mode\u004c":"n","messages":[1]}"#, "lower case"),
        ("{\"model\":\"m\",\"\u{17f}tream\":true,\"messages\":[1]}".as_bytes(), "lower case"),
        (br#"{"model":"m","max_to\u212aens":9,"messages":[1]}"#, "lower case"),
        (br#"{"model":"m","mode\u006c":"n","messages":[1]}"#, "duplicate"),
        (br#"{"model":"m","messages":[1],"stream_options":3}"#, "stream_options"),
        (br#"{"model":"m","messages":[1],"stream":"yes"}"#, "not a valid"),
        (br#"{"model":"m","messages":[1],"models":["dear"]}"#, "the gateway chooses"),
        (br#"{"fallbacks":[ {"model":"dear"}],"model":"m","messages":[1]}"#, "the gateway chooses"),
        (deep.as_bytes(), "nested"),
    ] {
        let error = BodyPeek::read(body, openai_chat::CLIENT.shape).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.message.contains(needle), "{} for {:?}", error.message, String::from_utf8_lossy(body));
    }
}

fn read(body: &str, client: &Client) -> Result<BodyPeek, ApiError> {
    BodyPeek::read(body.as_bytes(), client.shape)
}

#[test]
fn what_is_asked_for_is_counted() {
    for (fields, max_tokens, n) in [
        ("", None, 1),
        (r#""max_tokens":100,"#, Some(100), 1),
        (r#""max_completion_tokens":7,"n":3,"#, Some(7), 3),
        (r#""max_tokens":100,"max_completion_tokens":200,"#, Some(200), 1),
        (r#""max_tokens":200,"n":2,"n":1,"max_tokens":null,"#, Some(200), 2),
        (r#""max_tokens":1e3,"n":1.5,"#, Some(1000), 2),
        (r#""max_tokens":1e999,"n":99999999999999999999,"#, Some(u64::MAX), u64::MAX),
        (r#""best_of":20,"n":3,"#, None, 20),
        // Some servers treat these values as unlimited.
        (r#""max_tokens":0,"n":0,"#, None, 1),
        (r#""max_tokens":-1,"n":null,"#, None, 1),
        (r#""max_tokens":-1e999,"n":-0.5,"#, None, 1),
    ] {
        let body = format!(r#"{{{fields}"model":"m","messages":[{{"n":9,"max_tokens":9}}]}}"#);
        let peek = read(&body, &openai_chat::CLIENT).unwrap();
        assert_eq!((peek.amount.max_tokens, peek.amount.n), (max_tokens, n), "{fields}");
    }
}

#[test]
fn a_count_that_is_no_number_is_refused_by_its_name() {
    for (field, value) in [
        ("n", r#""128""#),
        ("n", "[[5]]"),
        ("best_of", "true"),
        ("max_tokens", r#"{"n":1}"#),
        ("max_completion_tokens", r#""10""#),
    ] {
        let body = format!(r#"{{"{field}":{value},"model":"m","messages":[1]}}"#);
        assert_eq!(read(&body, &openai_chat::CLIENT).unwrap_err().param.as_deref(), Some(field), "{value}");
    }
}

#[test]
fn a_limit_counts_at_its_own_endpoint_only() {
    let all = r#""max_tokens":5,"max_completion_tokens":6,"max_output_tokens":7,"#;
    let body = format!(r#"{{{all}"model":"m","messages":[1],"input":"x","prompt":"x"}}"#);
    for (client, expected) in
        [(&openai_chat::CLIENT, 6), (&responses::CLIENT, 7), (&anthropic::CLIENT, 5), (&completions::CLIENT, 5)]
    {
        assert_eq!(read(&body, client).unwrap().amount.max_tokens, Some(expected), "{}", client.id().name());
    }
    let other = r#"{"max_output_tokens":"1","model":"m","messages":[1]}"#;
    assert_eq!(read(other, &openai_chat::CLIENT).unwrap().amount.max_tokens, None);
}

#[test]
fn each_prompt_of_a_list_is_one() {
    for (prompt, count) in [
        (r#""hi""#, 1),
        ("[1,2,3]", 1),
        ("[]", 1),
        (r#"["hi","ho"]"#, 2),
        (r#" [ "hi" , "ho" , "[,]" ] "#, 3),
        ("[[1,2],[3],[ ]]", 3),
    ] {
        let body = format!(r#"{{"model":"m","prompt":{prompt},"messages":[1]}}"#);
        assert_eq!(read(&body, &openai_chat::CLIENT).unwrap().amount.prompts, count, "{prompt}");
    }
}

#[test]
fn what_is_needed_is_seen_and_never_refused() {
    for (fields, tools, structured_output) in [
        ("", false, false),
        (r#""tools":[{"type":"function"}],"#, true, false),
        (r#""tools" : [ {} ],"response_format" : { "strict" : [1e999], "type" : "json_schema" },"#, true, true),
        (r#""functions":[1],"tools":[],"#, true, false),
        (r#""tools":[],"functions":[ ],"response_format":{"type":"text"},"#, false, false),
        (r#""tools":{"0":1},"functions":null,"response_format":{"type":"json_object"},"#, false, false),
        (r#""tools":"[1]","response_format":"json_schema","#, false, false),
        (r#""tools":1e999,"response_format":1e999,"#, false, false),
        (r#""response_format":["json_schema"],"functions":true,"#, false, false),
        (r#""response_format":{"type":["json_schema"]},"#, false, false),
        (r#""response_format":{"type":null,"json_schema":{"type":"json_schema"}},"#, false, false),
        (r#""response_format":{"json_schema":{"type":"object"},"type":"json\u005fschema"},"#, false, true),
        (r#""response_format":null,"response_format":{"type":"json_schema"},"tools":[],"tools":[1],"#, true, true),
    ] {
        let body = format!(r#"{{{fields}"model":"m","messages":[{{"tools":[1]}}]}}"#);
        let peek = BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).unwrap();
        assert_eq!((peek.wants.tools, peek.wants.structured_output), (tools, structured_output), "{fields}");
    }
}

#[test]
fn how_vectors_are_to_be_written_is_seen_and_never_refused() {
    for (value, encoding) in [
        (r#""base64""#, Encoding::Base64),
        (r#""float""#, Encoding::Float),
        ("null", Encoding::Float),
        ("[1]", Encoding::Float),
    ] {
        let body = format!(r#"{{"encoding_format":{value},"model":"m","messages":[1]}}"#);
        assert_eq!(BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).unwrap().encoding, encoding, "{value}");
    }
}

#[test]
fn each_format_has_what_is_asked_in_its_own_field() {
    let asked = |asked| PeekSpec { asked, ..PeekSpec::CHAT };
    for (shape, good, bad) in [
        (asked("input"), &[r#""hi""#, r#""""#, "[1]"][..], &["[]", "{}", "7", "null"][..]),
        (asked("prompt"), &[r#""hi""#, r#"["hi"]"#], &["[ ]", "true"]),
        (asked("messages"), &["[{}]"], &[r#""hi""#, "[]"]),
    ] {
        let read =
            |value: &str| BodyPeek::read(format!(r#"{{"model":"m","{}":{value}}}"#, shape.asked).as_bytes(), shape);
        for value in good {
            assert!(read(value).is_ok(), "{} {value}", shape.asked);
        }
        for value in bad {
            assert_eq!(read(value).unwrap_err().param.as_deref(), Some(shape.asked), "{value}");
        }
    }
}

#[test]
fn what_other_formats_ask_for_is_seen_under_their_names() {
    let body = br#"{"model":"m","input":"x","max_tokens":9,"messages":[1],"stream":true,
        "metadata":{"user_id":"u"},"text":{"format":{"type":"json_schema"}}}"#;
    let peek = BodyPeek::read(body, anthropic::CLIENT.shape).unwrap();
    assert_eq!((peek.amount.max_tokens, peek.wants.structured_output), (Some(9), true));
    assert_eq!(peek.user.as_deref(), Some("u"));
    assert_eq!(peek.splice("m", true, None), None, "only OpenAI's chat has to ask for usage");
    let config = br#"{"model":"m","messages":[1],"output_config":{"format":{"type":"json_schema"}},"metadata":[7]}"#;
    assert!(BodyPeek::read(config, anthropic::CLIENT.shape).unwrap().wants.structured_output);
}

#[test]
fn brackets_inside_strings_are_not_depth() {
    let body = format!(r#"{{"model":"m","messages":["{}\"{}"]}}"#, "[".repeat(300), "{".repeat(300));
    assert!(BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).is_ok());
}
