//! Tests of the checks on request bodies.

use crate::guard::each_string::each_string;
use crate::guard::matcher::Wanted;
use crate::guard::spec::{Detector, GuardDelivery};
use crate::matching::Match;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn guard(name: &str, action: Action, words: &[&str]) -> Rc<Guard> {
    let mut wanted = Wanted::default();
    wanted.detector(Detector::Email);
    wanted.words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let (matches, sides) = (Match::default(), vec![Side::Prompts]);
    Rc::new(Guard {
        name: name.to_owned(),
        matches,
        sides,
        action,
        matcher: wanted.matcher().unwrap(),
        delivery: GuardDelivery::default(),
        style: MaskStyle::default(),
        restore: false,
        digest: [0; 32],
    })
}

const MOST: usize = 1 << 20;

fn screen_all(guards: &[Rc<Guard>], body: &str) -> Result<Screened, Unfit> {
    screen(guards, body.as_bytes(), &(0..0), MOST)
}

fn blocked(screened: Result<Screened, Unfit>) -> Finding {
    match screened {
        Err(Unfit::Blocked(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

fn masked(body: &str) -> String {
    let screened = screen_all(&[guard("pii", Action::Mask, &["café"])], body).unwrap();
    screened.body.map_or_else(|| body.to_owned(), |body| String::from_utf8(body).unwrap())
}

#[test]
fn what_is_masked_gives_way_to_its_name_and_the_rest_stays_as_it_is() {
    for (body, expected) in [
        (
            r#"{"a" : "x",  "b":[1.50,"mail a@b.io or c@d.io!"]}"#,
            r#"{"a" : "x",  "b":[1.50,"mail [email] or [email]!"]}"#,
        ),
        (r#"{"a":"say \"a@b.io\"\nnow"}"#, r#"{"a":"say \"[email]\"\nnow"}"#),
        (r#"{"a":"a\u0040b.io caf\u00e9"}"#, r#"{"a":"[email] [words]"}"#),
        // Arguments of a tool: JSON in a string.
        (r#"{"a":"{\"to\":\"a\\u0040b.io\",\"q\":\"\\u0022\"}"}"#, r#"{"a":"{\"to\":\"[email]\",\"q\":\"\\u0022\"}"}"#),
        (r#"{"a":"{\"b\":\"Hi\\nal@b.io\\tcafé\\u0022\"}"}"#, r#"{"a":"{\"b\":\"Hi\\n[email]\\t[words]\\u0022\"}"}"#),
        (r#"{"a":"[\"\\u0022al@b.io\\u0022\"] "}"#, r#"{"a":"[\"\\u0022[email]\\u0022\"] "}"#),
        (r#"{"a":"C:\\nal@b.io \\u0040"}"#, r#"{"a":"C:\\[email] \\u0040"}"#),
        (r#"{"a@b.io":1}"#, r#"{"[email]":1}"#),
        (r#"{"a":"plain \u00e9 \/"}"#, r#"{"a":"plain \u00e9 \/"}"#),
        (r#"{"a":"half \ud800 a@b.io"}"#, "{\"a\":\"half \u{fffd}\u{fffd}\u{fffd} [email]\"}"),
    ] {
        assert_eq!(masked(body), expected);
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }
}

#[test]
fn in_json_the_client_gets_back_the_text_without_its_escapes() {
    let numbered = |words: &[&str]| {
        let style = MaskStyle::Numbered;
        Rc::new(Guard { style, restore: true, ..Rc::into_inner(guard("pii", Action::Mask, words)).unwrap() })
    };
    let body = r#"{"a":"{\"b\":\"Hi\\nal@b.io, say \\\"x\\ny\\\"\"}"}"#;
    let screened = screen_all(&[numbered(&["\"x y\""])], body).unwrap();
    let text = String::from_utf8(screened.body.unwrap()).unwrap();
    assert_eq!(text, r#"{"a":"{\"b\":\"Hi\\n[EMAIL_1], say [WORDS_1]\"}"}"#);
    let originals: Vec<&str> = screened.placeholders.originals(&text, 0).map(|(_, original)| original).collect();
    assert_eq!(originals, ["al@b.io", "\"x\ny\""]);
}

#[test]
fn the_client_gets_back_a_masked_text_within_another() {
    let mut wanted = Wanted::default();
    wanted.pattern("user", r"user: \S+").unwrap();
    let numbered = |matcher, guard| {
        let style = MaskStyle::Numbered;
        Rc::new(Guard { style, restore: true, matcher, ..Rc::into_inner(guard).unwrap() })
    };
    let mut email = Wanted::default();
    email.detector(Detector::Email);
    let guards = [
        numbered(email.matcher().unwrap(), guard("email", Action::Mask, &[])),
        numbered(wanted.matcher().unwrap(), guard("user", Action::Mask, &[])),
    ];
    let screened = screen_all(&guards, r#"{"a":"user: a@b.io, c@d.io"}"#).unwrap();
    let text = String::from_utf8(screened.body.unwrap()).unwrap();
    assert_eq!(text, r#"{"a":"[USER_1] [EMAIL_2]"}"#);
    let originals: Vec<&str> = screened.placeholders.originals(&text, 0).map(|(_, original)| original).collect();
    assert_eq!(originals, ["user: a@b.io,", "c@d.io"]);
}

#[test]
fn a_placeholder_is_escaped_in_json() {
    let style = MaskStyle::Text("\"…\"".to_owned());
    let quoted = Rc::new(Guard { style, ..Rc::into_inner(guard("pii", Action::Mask, &[])).unwrap() });
    let screened = screen_all(&[quoted], r#"{"a":"{\"b\":\"a@b.io\"}"}"#).unwrap();
    assert_eq!(String::from_utf8(screened.body.unwrap()).unwrap(), r#"{"a":"{\"b\":\"\\\"…\\\"\"}"}"#);
}

#[test]
fn a_picture_is_passed_over_and_nothing_that_only_claims_to_be_one() {
    let picture = format!("iVBORw0KGgoAAA{}", "Ab1+".repeat(200));
    let wide = guard("wide", Action::Block, &["Ab1"]);
    let body = format!(r#"{{"image_url":{{"url":"data:image/png;base64,{picture}"}}}}"#);
    assert_eq!(screen_all(std::slice::from_ref(&wide), &body), Ok(Screened::default()));
    for body in [
        format!(r#"{{"text":"{picture}"}}"#),
        format!(r#"{{"url":"{picture} a@b.io"}}"#),
        // The items of an array have no keys.
        format!(r#"["data","{picture}"]"#),
        format!(r#"{{"data":"{}"}}"#, "Ab1+".repeat(200)),
        format!(r#"{{"url":"data:a@b.io;base64,{picture}"}}"#),
        r#"{"url":"Ab1"}"#.to_owned(),
    ] {
        assert!(screen_all(std::slice::from_ref(&wide), &body).is_err(), "{body}");
    }
}

#[test]
fn a_text_file_is_a_text_where_files_stand() {
    use base64::Engine;
    let file = "OWNER=a@b.io\nHOST=inside.test\n".repeat(20);
    let json = serde_json::to_string(&file).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&file);
    for body in [
        format!(r#"{{"type":"document","source":{{"type":"text","media_type":"text/plain","data":{json}}}}}"#),
        format!(r#"{{"type":"tool_use","name":"write","input":{{"data":{json}}}}}"#),
        format!(r#"{{"file":{{"file_data":"data:text/plain;base64,{encoded}"}}}}"#),
        format!(r#"{{"source":{{"type":"base64","media_type":"text/plain","data":"{encoded}"}}}}"#),
    ] {
        for action in [Action::Block, Action::Log] {
            let screened = screen_all(&[guard("pii", action, &[])], &body);
            let found = match screened {
                Err(Unfit::Blocked(finding)) => finding.to_string(),
                Ok(Screened { findings, .. }) => findings[0].to_string(),
                Err(Unfit::TooLarge) => panic!("{body}"),
            };
            assert!(found.starts_with("pii: email"), "{found} in {body}");
        }
        let masked = screen_all(&[guard("pii", Action::Mask, &[])], &body);
        match body.contains("base64") {
            true => assert_eq!(blocked(masked).action, Action::Block, "{body}"),
            false => {
                let masked = String::from_utf8(masked.unwrap().body.unwrap()).unwrap();
                assert!(masked.contains("OWNER=[email]") && !masked.contains("a@b.io"), "{masked}");
            }
        }
    }
}

#[test]
fn a_number_is_looked_at_and_blocked_where_it_would_be_masked() {
    let cards = |action| {
        let mut wanted = Wanted::default();
        wanted.detector(Detector::CreditCard);
        let (matches, sides, name) = (Match::default(), vec![Side::Prompts], "cards".to_owned());
        Rc::new(Guard {
            name,
            matches,
            sides,
            action,
            matcher: wanted.matcher().unwrap(),
            delivery: GuardDelivery::default(),
            style: MaskStyle::default(),
            restore: false,
            digest: [0; 32],
        })
    };
    for body in [
        r#"{"input":{"card":4111111111111111}}"#,
        r#"{"metadata":{"a":[1,4111111111111111,2]}}"#,
        r#"{"enum":[4111111111111111]}"#,
    ] {
        for action in [Action::Block, Action::Mask] {
            assert_eq!(blocked(screen_all(&[cards(action)], body)).label, "credit_card", "{body}");
        }
        let logged = screen_all(&[cards(Action::Log)], body).unwrap();
        assert_eq!(logged.findings.len(), 1, "{body}");
    }
    let harmless = r#"{"seed":4111111111111111,"created":4111111111111111,"n":12345678}"#;
    assert_eq!(screen_all(&[cards(Action::Block)], harmless), Ok(Screened::default()));
}

#[test]
fn a_block_names_what_was_found_and_never_the_text() {
    let body = r#"{"messages":[{"role":"user","content":"to a@b.io"}]}"#;
    let finding = blocked(screen_all(&[guard("mask", Action::Mask, &[]), guard("pii", Action::Block, &[])], body));
    assert_eq!(finding.to_string(), "pii: email (prompts, block)");
    let error = finding.error();
    assert_eq!((error.status, error.code.as_deref()), (400, Some("guardrail_blocked")));
    assert!(error.message.contains("`pii`") && !error.message.contains("a@b"), "{}", error.message);
}

#[test]
fn what_is_only_logged_passes_and_is_noted_once() {
    let body = r#"{"a":"a@b.io","b":"c@d.io"}"#;
    let screened = screen_all(&[guard("pii", Action::Log, &[])], body).unwrap();
    assert_eq!(screened.body, None);
    assert_eq!(screened.findings.iter().map(Finding::to_string).collect::<Vec<_>>(), ["pii: email (prompts, log)"]);
}

#[test]
fn the_models_name_is_not_looked_at() {
    let body = br#"{"model":"titan","q":"x"}"#;
    let guard = guard("words", Action::Block, &["titan"]);
    assert!(screen(std::slice::from_ref(&guard), body, &(9..16), MOST).is_ok());
    assert!(screen(&[guard], br#"{"model":"x","q":"titan"}"#, &(9..12), MOST).is_err());
}

#[test]
fn a_form_is_blocked_where_it_would_have_to_be_masked() {
    let form = b"--b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\na@b.io\r\n--b--\xff";
    let finding = blocked(screen_bytes(&[guard("pii", Action::Mask, &[])], form));
    assert_eq!((finding.action, finding.label.as_str()), (Action::Block, "email"));
    assert_eq!(screen_bytes(&[guard("pii", Action::Mask, &[])], b"\xff\xfe nothing"), Ok(Screened::default()));
    assert!(screen_bytes(&[guard("pii", Action::Block, &[])], form).is_err());
    assert_eq!(screen_bytes(&[guard("pii", Action::Log, &[])], form).unwrap().findings.len(), 1);
}

#[test]
fn a_body_that_masking_makes_too_large_is_given_up() {
    let mask = [guard("pii", Action::Mask, &["x"])];
    for body in [format!(r#"{{"a":"{}"}}"#, "x ".repeat(40)), format!(r#"["{}"]"#, ["x"; 40].join(r#"",""#))] {
        let masked = screen(&mask, body.as_bytes(), &(0..0), MOST).unwrap().body.unwrap();
        assert_eq!(screen(&mask, body.as_bytes(), &(0..0), masked.len()).unwrap().body, Some(masked.clone()));
        for most in [0, masked.len() / 2, masked.len() - 1] {
            assert_eq!(screen(&mask, body.as_bytes(), &(0..0), most), Err(Unfit::TooLarge));
        }
    }
}

#[test]
fn what_a_person_reads_is_found_over_lines_spaces_and_widths() {
    for text in [
        "Project\\nTitan",
        "Project  Titan",
        "Project\u{a0}Titan",
        "Pro\u{200b}ject Titan",
        "Ｐｒｏｊｅｃｔ　Ｔｉｔａｎ",
        "Project\\r\\n    Titan",
    ] {
        let body = format!(r#"{{"a":"about {text}, and a@b.io"}}"#);
        let words = |action| guard("words", action, &["project titan"]);
        assert_eq!(blocked(screen_all(&[words(Action::Block)], &body)).label, "email", "{text}");
        let alone = body.replace(", and a@b.io", "");
        assert_eq!(blocked(screen_all(&[words(Action::Block)], &alone)).label, "words", "{text}");
        let screened = screen_all(&[words(Action::Mask)], &body).unwrap();
        assert_eq!(
            String::from_utf8(screened.body.unwrap()).unwrap(),
            r#"{"a":"about [words], and [email]"}"#,
            "{text}"
        );
    }
    // A body without matches stays the same, byte for byte.
    let body = r#"{"a":"two  spaces\nand\u00a0more"}"#;
    assert_eq!(screen_all(&[guard("words", Action::Mask, &["project titan"])], body).unwrap().body, None);
}

#[test]
fn a_query_is_looked_at_as_its_reader_has_it() {
    for (query, found) in [
        ("q=a@b.io", true),
        ("q=a%40b.io&x=1", true),
        ("q=project+titan", true),
        ("q=project%0Atitan", true),
        ("q=%zz%4", false),
        ("", false),
    ] {
        let screened = screen_query(&[guard("pii", Action::Mask, &["project titan"])], query);
        assert_eq!(screened.is_err(), found, "{query}");
    }
}

/// Requests of every client dialect, with every field that may contain text.
const REQUESTS: [&str; 6] = [
    r#"{"model":"m","user":"u","metadata":{"k":"v"},"stop":["s"],"prediction":{"type":"content","content":"c"},
        "messages":[{"role":"system","name":"n","content":"c"},
            {"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"u","detail":"low"}},
                {"type":"input_audio","input_audio":{"data":"d","format":"wav"}},
                {"type":"file","file":{"file_data":"d","filename":"f","file_id":"i"}}]},
            {"role":"assistant","refusal":"r","reasoning_content":"r","audio":{"id":"a"},
                "tool_calls":[{"id":"c","type":"function","function":{"name":"n","arguments":"{}"}},
                    {"id":"c","type":"custom","custom":{"name":"n","input":"i"}}],"function_call":{"name":"n","arguments":"{}"}},
            {"role":"tool","tool_call_id":"c","content":"c"}],
        "tools":[{"type":"function","function":{"name":"n","description":"d","parameters":{"properties":{"p":{"enum":["e"],"description":"d"}}}}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"description":"d"}}},
        "web_search_options":{"user_location":{"approximate":{"city":"c"}}}}"#,
    r#"{"model":"m","instructions":"i","previous_response_id":"r","prompt":{"id":"p","variables":{"v":"x"}},"metadata":{"k":"v"},
        "input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"t"},
                {"type":"input_image","image_url":"u"},{"type":"input_file","file_data":"d","file_url":"u","filename":"f"}]},
            {"type":"function_call","call_id":"c","name":"n","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"},
            {"type":"custom_tool_call","input":"i"},{"type":"mcp_call","output":"o","arguments":"{}"},
            {"type":"reasoning","summary":[{"text":"t"}],"encrypted_content":"e"}],
        "tools":[{"type":"mcp","server_url":"u","headers":{"h":"v"},"server_description":"d"},{"type":"custom","format":{"definition":"d"}}],
        "text":{"format":{"type":"json_schema","schema":{"description":"d"}}}}"#,
    r#"{"model":"m","system":[{"type":"text","text":"t"}],"metadata":{"user_id":"u"},"stop_sequences":["s"],
        "messages":[{"role":"user","content":[{"type":"text","text":"t"},{"type":"document","title":"t","context":"c",
                "source":{"type":"text","media_type":"text/plain","data":"d"}},
                {"type":"document","source":{"type":"content","content":[{"type":"text","text":"t"}]}},
                {"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"t"}]},
                {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"t"}]}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},
                {"type":"tool_use","id":"t","name":"n","input":{"data":"d","deep":{"k":["v"]}}},
                {"type":"server_tool_use","id":"t","name":"n","input":{"query":"q"}},
                {"type":"web_search_tool_result","content":[{"title":"t","url":"u","encrypted_content":"e"}]}]}],
        "tools":[{"name":"n","description":"d","input_schema":{"properties":{"p":{"description":"d"}}}}],
        "mcp_servers":[{"url":"u","name":"n","authorization_token":"a"}]}"#,
    r#"{"model":"m","prompt":["p"],"suffix":"s","user":"u","stop":"s"}"#,
    r#"{"model":"m","input":["i"],"user":"u"}"#,
    r#"{"model":"m","prompt":"p","instructions":"i","query":"q","documents":[{"text":"t"}],"input":[{"type":"text","text":"t"}]}"#,
];

#[test]
fn no_place_of_a_request_is_passed_over() {
    let guards = [guard("pii", Action::Block, &[])];
    let mut count = 0;
    for request in REQUESTS {
        let request: serde_json::Value = serde_json::from_str(request).unwrap();
        assert_eq!(screen_all(&guards, &request.to_string()), Ok(Screened::default()));
        each_string(&request, &mut |place, body| {
            count += 1;
            assert_eq!(blocked(screen_all(&guards, &body.to_string())).label, "email", "{place}");
        });
    }
    assert!(count > 250, "{count}");
}
