use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The positions and paths of all references in a body.
fn all(body: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    // Each round allows one more reference.
    for allowed in 0..64 {
        let mut seen = Vec::new();
        let denied = first_denied(body.as_bytes(), |feature| {
            let RequestFeature::Reference(kept, path) = feature else { return None };
            assert!(path.starts_with(kept.path()));
            seen.push((*path).to_owned());
            (seen.len() > allowed).then_some(())
        });
        match denied {
            Some((place, ())) => found.push((place, seen.pop().unwrap())),
            None => return found,
        }
    }
    panic!("too many references");
}

fn one(body: &str) -> (String, String) {
    let found = all(body);
    let [one] = &found[..] else { panic!("{body}: {found:?}") };
    one.clone()
}

#[test]
fn each_documented_field_refers_to_what_is_kept_at_its_own_path() {
    for (body, field, path) in [
        (r#"{"previous_response_id":"resp_1"}"#, "previous_response_id", "/v1/responses/resp_1"),
        (r#"{"conversation":"conv_1"}"#, "conversation", "/v1/conversations/conv_1"),
        (r#"{"conversation":{"x":1,"id":"conv_1"}}"#, "conversation.id", "/v1/conversations/conv_1"),
        (
            r#"{"thread":{"type":"continue","previous_message_id":"msg_1"}}"#,
            "thread.previous_message_id",
            "/v1/messages/msg_1",
        ),
        (r#"{"prompt":{"version":"2","id":"pmpt_1"}}"#, "prompt.id", "/v1/prompts/pmpt_1"),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_file","file_id":"file-1"}]}]}"#,
            "input[0].content[1].file_id",
            "/v1/files/file-1",
        ),
        (
            r#"{"input":[{"type":"function_call_output","output":[{"type":"input_image","file_id":"file-1"}]}]}"#,
            "input[0].output[0].file_id",
            "/v1/files/file-1",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
            "messages[0].content[0].file.file_id",
            "/v1/files/file-1",
        ),
        (
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            "messages[0].content[0].source.file_id",
            "/v1/files/file_1",
        ),
        (
            r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"container_upload","file_id":"f"}]}]}]}"#,
            "messages[0].content[0].content[0].file_id",
            "/v1/files/f",
        ),
        (
            r#"{"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}"#,
            "tools[0].vector_store_ids[0]",
            "/v1/vector_stores/vs_1",
        ),
        (
            r#"{"tools":[{"type":"code_interpreter","container":"cntr_1"}]}"#,
            "tools[0].container",
            "/v1/containers/cntr_1",
        ),
        (
            r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1"]}}]}"#,
            "tools[0].container.file_ids[0]",
            "/v1/files/file-1",
        ),
        (
            r#"{"tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_1"}}]}"#,
            "tools[0].environment.container_id",
            "/v1/containers/cntr_1",
        ),
        (
            r#"{"tools":[{"type":"image_generation","input_image_mask":{"file_id":"file-1"}}]}"#,
            "tools[0].input_image_mask.file_id",
            "/v1/files/file-1",
        ),
        (r#"{"container":"container_1"}"#, "container", "/v1/containers/container_1"),
        (r#"{"container":{"id":"container_1","skills":[]}}"#, "container.id", "/v1/containers/container_1"),
        (
            r#"{"container":{"skills":[{"type":"anthropic","skill_id":"pptx"},{"skill_id":"skill_1","type":"custom"}]}}"#,
            "container.skills[1].skill_id",
            "/v1/skills/skill_1",
        ),
        (r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#, "input[0].id", "/v1/responses/msg_1"),
        (r#"{"input":[1,{"id":"msg_1","type":null}]}"#, "input[1].id", "/v1/responses/msg_1"),
        (
            r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#,
            "messages[0].audio.id",
            "/v1/chat/completions/audio_1",
        ),
        (r#"{"audio":{"voice":{"id":"voice_1"},"format":"mp3"}}"#, "audio.voice.id", "/v1/audio/voices/voice_1"),
        (
            r#"{"prompt":{"variables":{"container":"blue","photo":{"type":"input_image","file_id":"file-1"}}}}"#,
            "prompt.variables.photo.file_id",
            "/v1/files/file-1",
        ),
    ] {
        assert_eq!(one(body), (field.to_owned(), path.to_owned()), "{body}");
    }
}

#[test]
fn a_reference_is_found_however_it_is_written() {
    for body in [
        r#"{"file\u005fid":"file-1"}"#,
        r#"{"\u0066\u0069\u006c\u0065\u005f\u0069\u0064" : "file-1"}"#,
        r#"{"FILE_ID":"file-1"}"#,
        r#"{"file_id":null,"file_id":"file-1"}"#,
        r#"{"file_id":"file-1","file_id":null}"#,
        r#"{"file_id":"\u0066ile-1"}"#,
        "{\"file_id\"\n:\r\t \"file-1\"}",
        r#"{"a":{"parameters":{"file_id":"no"}},"file_id":"file-1"}"#,
        r#"{"text":"a \"file_id\": \"b\" c","file_id":"file-1"}"#,
        r#"{"parameters":{"a":[{"b":"}]"}]},"file_id":"file-1"}"#,
    ] {
        assert_eq!(one(body).1, "/v1/files/file-1", "{body}");
    }
    let deep = format!(r#"{{"x":{}{{"file_id":"file-1"}}{}}}"#, "[{\"y\":".repeat(60), "}]".repeat(60));
    assert_eq!(one(&deep).1, "/v1/files/file-1");
    let escaped = r#"{"input":[{"\u0069d":"msg_1","typ\u0065":"item\u005freference"}]}"#;
    assert_eq!(one(escaped).1, "/v1/responses/msg_1");
}

/// The top-level fields, and the tools with their types and positions.
fn fields_and_tools(body: &str) -> (Vec<String>, Vec<String>) {
    let (mut fields, mut tools) = (Vec::new(), Vec::new());
    let denied = first_denied(body.as_bytes(), |feature| {
        match feature {
            RequestFeature::Field(name) => fields.push((*name).to_owned()),
            RequestFeature::Tool(kind) => tools.push(kind.unwrap_or("-").to_owned()),
            RequestFeature::Reference(..) => {}
        }
        None::<()>
    });
    assert_eq!(denied, None);
    (fields, tools)
}

#[test]
fn fields_of_the_top_level_are_told_unless_they_are_null() {
    let body = r#"{"model":"m", "service_tier" : null ,"backgr\u006fund":true,"n":1e0,"a":[null,{"b":1}],"c":{"d":2},"e":"","f":-1,
        "model":null,"g":false}"#;
    assert_eq!(fields_and_tools(body).0, ["model", "background", "n", "a", "c", "e", "f", "g"]);
    assert_eq!(fields_and_tools("[{\"a\":1}]").0, [""; 0]);
}

#[test]
fn tools_are_told_by_their_types_wherever_they_are_offered() {
    for (body, kinds) in [
        (
            r#"{"tools":[{"type":"web_search"},{"name":"f","input_schema":{"type":"object"}}]}"#,
            &["web_search", "-"][..],
        ),
        (r#"{"tools":[{"function":{"parameters":{"type":"object"}},"typ\u0065":"func\u0074ion"}]}"#, &["function"]),
        (r#"{"TOOLS":[{"type":"a","type":"b"}]}"#, &["a", "b"]),
        (r#"{"tools":[{"type":"namespace","tools":[{"type":"custom"}]}]}"#, &["custom", "namespace"]),
        (r#"{"input":[{"type":"additional_tools","tools":[{"type":"mcp"}]}]}"#, &["mcp"]),
        (
            r#"{"messages":[{"content":[{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"web_search_20250305"}}}]}]}"#,
            &["web_search_20250305"],
        ),
        (r#"{"tools":null,"metadata":{"tools":[{"type":"x"}]}}"#, &[]),
    ] {
        assert_eq!(fields_and_tools(body).1, kinds, "{body}");
    }
    let body = br#"{"tools":[{"type":"function"},{"type":"web_search"}]}"#;
    let place = first_denied(body, |feature| (*feature == RequestFeature::Tool(Some("web_search"))).then_some(()));
    assert_eq!(place, Some(("tools[1]".to_owned(), ())));
}

#[test]
fn names_are_known_as_a_server_in_go_knows_them() {
    for key in ["service_tier", "Service_Tier", "\u{17f}ervice_tier"] {
        assert!(same(key.as_bytes(), "service_tier"), "{key}");
    }
    assert!(same("s\u{212a}ill_id".as_bytes(), "skill_id"));
    assert!(!same("\u{fb}ervice_tier".as_bytes(), "service_tier") && !same(b"service", "service_tier"));
}

#[test]
fn each_of_several_is_judged() {
    let several = r#"{"tools":[{"vector_store_ids":["vs_1","vs_2",["vs_3"]]},{"vector_store_ids":"vs_4"}],
        "input":[{"type":"item_reference","id":"a","id":"b","id":"c"}]}"#;
    let paths: Vec<String> = all(several).into_iter().map(|(_, path)| path).collect();
    let stores = (1..5).map(|n| format!("/v1/vector_stores/vs_{n}"));
    // If a key occurs more than twice, parsers take the first or the last value.
    assert_eq!(paths, stores.chain(["/v1/responses/a".to_owned(), "/v1/responses/c".to_owned()]).collect::<Vec<_>>());
}

#[test]
fn what_a_client_may_fill_as_it_likes_refers_to_nothing() {
    for body in [
        r#"{"tools":[{"type":"function","name":"f","parameters":{"properties":{"file_id":{"type":"string","default":"x"}},"required":["file_id"],"examples":[{"file_id":"file-1"}]}}]}"#,
        r#"{"tools":[{"type":"function","function":{"parameters":{"default":{"conversation":"x","container":"y"}}}}]}"#,
        r#"{"tools":[{"name":"f","input_schema":{"default":{"file_id":"x"}},"input_examples":[{"file_id":"x"}]}]}"#,
        r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"const":{"file_id":"x"}}}}}"#,
        r#"{"text":{"format":{"schema":{"enum":[{"file_id":"x"}]}}}}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{"file_id":"x"}}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"id":"call_1","function":{"arguments":"{\"file_id\":\"x\"}"}}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"id":"call_1","function":{"arguments":{"file_id":"x"}}}]}]}"#,
        r#"{"input":[{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"file_citation","file_id":"file-1"}]}]}]}"#,
        r#"{"input":[{"role":"user","id":"msg_1","content":"hi"},{"type":"function_call","id":"fc_1","call_id":"c"}]}"#,
        r#"{"messages":[{"content":[{"type":"text","text":"x","citations":[{"file_id":"f"}]}]}]}"#,
        r#"{"metadata":{"file_id":"x","conversation":"y"},"prompt":"tell me","input":"file_id"}"#,
        r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}],"audio":{"voice":"alloy"}}"#,
        r#"{"tools":[{"type":"file_search","filters":{"type":"eq","key":"file_id","value":"x"}}]}"#,
        r#"{"tools":[{"type":"mcp","headers":{"container":"x"}}]}"#,
        r#"{"container":{"skills":[{"skill_id":"pptx","type":"anthropic"}]}}"#,
        r#"{"previous_response_id":null,"conversation":null,"file_id":"","file_ids":[],"container":{}}"#,
        r#"{"messages":[{"content":"{\"file_id\":\"x\"}"},{"content":"\\\"file_id\":"}]}"#,
        r#"{"x":{"previous_response_id":"a","conversation":"b","prompt":{"id":"c"}}}"#,
        r#"{"diagnostics":{"previous_message_id":"msg_1"}}"#,
        r#"["file_id","x"]"#,
        r#""file_id""#,
        "",
    ] {
        assert_eq!(all(body), [], "{body}");
    }
}

#[test]
fn a_skill_is_anthropics_own_only_where_nothing_else_is_said() {
    for kind in [r#""type":"custom","#, r#""type":"anthropic","type":"custom","#, ""] {
        let body = format!(r#"{{"container":{{"skills":[{{{kind}"skill_id":"s"}}]}}}}"#);
        assert_eq!(one(&body).1, "/v1/skills/s", "{body}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_without_harm(pieces in proptest::collection::vec(
            proptest::sample::select(vec!["{", "}", "[", "]", "\"", ":", ",", "\\", "file_id", "input", "id", "\u{e9}"]), 0..64)) {
            let _ = first_denied(pieces.concat().as_bytes(), |_| Some(()));
        }

        /// At any depth, with any text around it.
        #[test]
        fn a_reference_is_found_in_any_json(before in "[a-z\\\\\"{}:,\\[\\]]{0,12}", lists in 0_usize..40) {
            let text = serde_json::to_string(&before).unwrap();
            let (open, close) = ("[".repeat(lists), "]".repeat(lists));
            let body = format!(r#"{{"x":[{text},{{{text}:1.5}}],"y":{open}{{"z":{text},"file_id":"file-1"}}{close},"u":{text}}}"#);
            prop_assert_eq!(one(&body).1, "/v1/files/file-1");
        }
    }
}
