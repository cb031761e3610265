//! Each API with its documented requests and responses.

use serde_json::{Value, json};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn judge(api: Api) -> Judge {
    Judge {
        price: None,
        name: "j".to_owned(),
        cluster: "sluice-judge-j".to_owned(),
        server: Endpoint { authority: "judge.example".to_owned(), tls: true, path: String::new() },
        timeout: Duration::from_secs(2),
        retries: 0,
        api,
    }
}

fn apis() -> Vec<Api> {
    vec![
        Api::OpenAi(openai::Settings { model: "omni-moderation-latest".to_owned(), categories: Vec::new() }),
        Api::Presidio(presidio::Settings::new("en", &[], None)),
        Api::Azure(azure::Settings::new(azure::CATEGORIES.map(|name| (name.to_owned(), None)).into(), &[])),
        Api::Bedrock(bedrock::Settings::new("gr1", "DRAFT")),
        Api::ModelArmor(model_armor::Settings::new("projects/p/locations/us-central1/templates/t")),
        Api::Webhook,
        Api::Agentgateway,
        Api::LiteLlm(litellm::Settings("{}".to_owned())),
    ]
}

fn question<'a>(side: Side, texts: &'a [&'a str]) -> Question<'a> {
    Question { side, texts, model: "m", team: "t", request_id: "r" }
}

/// The only call: its path and its body.
#[track_caller]
fn asked(api: Api, side: Side, texts: &[&str]) -> (String, Value) {
    let calls = judge(api).calls(&question(side, texts)).unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let call = &calls[0].call;
    let header = |name| call.headers.text(name);
    assert_eq!((&*call.cluster, call.timeout), ("sluice-judge-j", Duration::from_secs(2)));
    assert_eq!((header(":method"), header(":authority")), (Some("POST"), Some("judge.example")));
    (header(":path").unwrap().to_owned(), serde_json::from_slice(&call.body).unwrap())
}

fn called(status: u16, body: impl Into<Vec<u8>>) -> Called {
    Called { status: Some(status), body: body.into() }
}

/// The verdict on texts that fit one call.
fn said(api: Api, texts: &[&str], response: &Value) -> Result<Verdict, Unreadable> {
    let judge = judge(api);
    let calls = judge.calls(&question(Side::Prompts, texts)).unwrap();
    judge.verdict(&calls[0].parts, texts, &called(200, response.to_string()))
}

fn block(label: &str) -> Result<Verdict, Unreadable> {
    Ok(Verdict::Block { label: label.to_owned() })
}

/// The masked texts and the labels.
#[track_caller]
fn masked(texts: &[&str], verdict: Result<Verdict, Unreadable>) -> (Vec<String>, Vec<String>) {
    let Ok(Verdict::Mask { edits, labels }) = verdict else { panic!("{verdict:?}") };
    let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    edited(texts, edits).into_iter().for_each(|(index, text)| all[index] = text);
    (all, labels)
}

#[track_caller]
fn unexpected(verdict: Result<Verdict, Unreadable>, expected: &str) {
    let Err(Unreadable::Unexpected(found)) = verdict else { panic!("{expected}: {verdict:?}") };
    assert!(found.contains(expected), "{found}");
}

fn moderation(categories: &[(&str, Option<f64>)]) -> Api {
    let categories = categories.iter().map(|(name, least)| ((*name).to_owned(), *least)).collect();
    Api::OpenAi(openai::Settings { model: "omni-moderation-latest".to_owned(), categories })
}

/// An example of the API reference, shortened.
fn moderated(flagged: bool) -> Value {
    json!({
        "id": "modr-970d409ef3bef3b70c73d8232df86e7d",
        "model": "omni-moderation-latest",
        "results": [{
            "flagged": flagged,
            "categories": { "sexual": false, "harassment": false, "violence": flagged, "violence/graphic": false },
            "category_scores": { "sexual": 2.34e-7, "harassment": 0.001, "violence": 0.86, "violence/graphic": 0.37 },
            "category_applied_input_types": { "violence": ["text"] },
        }],
    })
}

#[test]
fn openai_judges_each_text_by_its_categories() {
    let (path, body) = asked(moderation(&[]), Side::Answers, &["a", "", "\"b\""]);
    assert_eq!(path, "/moderations");
    assert_eq!(body, json!({ "input": ["a", "\"b\""], "model": "omni-moderation-latest" }));
    let said = |categories, response: &Value| said(moderation(categories), &["x"], response);
    assert_eq!(said(&[], &moderated(false)), Ok(Verdict::Pass));
    assert_eq!(said(&[], &moderated(true)), block("violence"));
    assert_eq!(said(&[("sexual", None)], &moderated(true)), Ok(Verdict::Pass), "another category does not count");
    assert_eq!(said(&[("violence", None)], &moderated(true)), block("violence"));
    assert_eq!(said(&[("violence", Some(0.9))], &moderated(true)), Ok(Verdict::Pass));
    assert_eq!(said(&[("violence/graphic", Some(0.3))], &moderated(false)), block("violence/graphic"));
    unexpected(said(&[("violense", None)], &moderated(true)), "the category \"violense\"");
    unexpected(said(&[], &json!({ "results": [] })), "0 results instead of 1");
    unexpected(said(&[], &json!({ "results": [{ "flagged": "no" }] })), "`flagged`");
    unexpected(said(&[], &json!({ "error": { "message": "…" } })), "the list `results`");
}

#[test]
fn presidio_gets_all_texts_as_one_and_its_finds_are_masked_in_each() {
    let api = || Api::Presidio(presidio::Settings::new("en", &["PERSON".to_owned()], Some(0.5)));
    let texts = ["💶 Jane, Müller", "born to Jane"];
    let (path, body) = asked(api(), Side::Prompts, &texts);
    assert_eq!(path, "/analyze");
    let whole = "💶 Jane, Müller\n\u{1e}\nborn to Jane";
    assert_eq!(body, json!({ "text": whole, "language": "en", "entities": ["PERSON"], "score_threshold": 0.5 }));
    let find = |kind: &str, start: i64, end: i64| json!({ "analysis_explanation": null, "entity_type": kind, "start": start, "end": end, "score": 0.85 });
    let said = |finds: Value| said(api(), &texts, &finds);
    assert_eq!(said(json!([])), Ok(Verdict::Pass));
    let verdict = said(json!([find("PERSON", 25, 29), find("PERSON", 8, 14), find("NRP", 2, 6)]));
    let (all, labels) = masked(&texts, verdict);
    assert_eq!(all, ["💶 [NRP], [PERSON]", "born to [PERSON]"]);
    assert_eq!(labels, ["PERSON", "NRP"]);
    let overlapping = said(json!([find("A", 2, 6), find("B", 4, 14), find("C", 2, 3)]));
    assert_eq!(masked(&texts, overlapping).0, ["💶 [A]", "born to Jane"]);
    let both = said(json!([find("A", 10, 21)]));
    assert_eq!(masked(&texts, both).0, ["💶 Jane, Mü[A]", "[A] to Jane"].map(str::to_owned), "a find across texts");
    for (start, end) in [(28, 30), (6, 2), (3, 3), (-1, 2), (40, 50)] {
        unexpected(said(json!([find("A", start, end)])), "a find outside of the text");
    }
    unexpected(said(json!([{ "start": 0, "end": 1 }])), "`entity_type`");
    unexpected(said(json!({ "error": "No language provided" })), "a list of finds");
}

#[test]
fn a_find_at_the_cut_of_a_long_text_is_masked_once() {
    let text = format!("{}jane@example.com{}", "x".repeat(99_990), "y".repeat(20));
    let judge = judge(Api::Presidio(presidio::Settings::new("en", &[], None)));
    let calls = judge.calls(&question(Side::Prompts, &[&text])).unwrap();
    assert_eq!(calls.len(), 2);
    let finds = |start: usize, end: usize| {
        called(200, json!([{ "entity_type": "EMAIL", "start": start, "end": end, "score": 1 }]).to_string())
    };
    let first = judge.verdict(&calls[0].parts, &[&text], &finds(99_990, 100_000)).unwrap();
    let second = judge.verdict(&calls[1].parts, &[&text], &finds(190, 206)).unwrap();
    let (all, labels) = masked(&[&text], Ok(first.and(second)));
    assert!(all[0].ends_with(&format!("x[EMAIL]{}", "y".repeat(20))) && all[0].len() == 99_990 + 7 + 20);
    assert_eq!(labels, ["EMAIL"]);
}

#[test]
fn azure_blocks_from_a_severity_of_a_category() {
    let categories = vec![("Hate".to_owned(), None), ("Violence".to_owned(), Some(2.0))];
    let api = || Api::Azure(azure::Settings::new(categories.clone(), &["terms".to_owned()]));
    let (path, body) = asked(api(), Side::Prompts, &["a", "b"]);
    assert_eq!(path, "/contentsafety/text:analyze?api-version=2024-09-01");
    let expected = json!({
        "text": "a\n\u{1e}\nb", "categories": ["Hate", "Violence"], "blocklistNames": ["terms"],
        "outputType": "EightSeverityLevels",
    });
    assert_eq!(body, expected);
    let said = |hate: Value, violence: Value, blocklists: Value| {
        let analyses =
            json!([{ "category": "Hate", "severity": hate }, { "category": "Violence", "severity": violence }]);
        said(api(), &["x"], &json!({ "blocklistsMatch": blocklists, "categoriesAnalysis": analyses }))
    };
    assert_eq!(said(json!(3), json!(1), json!([])), Ok(Verdict::Pass));
    assert_eq!(said(json!(4), json!(0), json!([])), block("Hate"));
    assert_eq!(said(json!(0), json!(2), json!([])), block("Violence"));
    let found = json!([{ "blocklistName": "terms", "blocklistItemId": "1", "blocklistItemText": "x" }]);
    assert_eq!(said(json!(0), json!(0), found), block("terms"));
    unexpected(said(json!(0), json!(null), json!([])), "the severity of Violence");
    unexpected(super::tests::said(api(), &["x"], &json!({})), "the list `categoriesAnalysis`");
}

#[test]
fn azure_gets_ten_thousand_characters_in_a_call() {
    let judge = judge(apis().remove(2));
    let text = "é".repeat(25_000);
    let calls = judge.calls(&question(Side::Prompts, &[&text])).unwrap();
    let lengths: Vec<usize> = calls.iter().map(|call| call.parts[0].of(&[&text]).chars().count()).collect();
    assert_eq!(lengths, [10_000, 10_000, 5_400]);
    let longer = "é".repeat(400_000);
    assert_eq!(judge.calls(&question(Side::Prompts, &[&longer])), Err(Unreadable::TooLarge));
}

/// A response of the user guide's form.
fn intervened(policy: &str, item: &Value, outputs: &[&str]) -> Value {
    let outputs: Vec<Value> = outputs.iter().map(|text| json!({ "text": text })).collect();
    let list = if policy == "topicPolicy" { "topics" } else { "piiEntities" };
    json!({
        "usage": { "topicPolicyUnits": 1 }, "action": "GUARDRAIL_INTERVENED", "actionReason": "Guardrail blocked.",
        "outputs": outputs, "assessments": [{ policy: { list: [item] } }],
    })
}

#[test]
fn bedrock_blocks_or_returns_the_masked_texts() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc";
    let (path, body) = asked(Api::Bedrock(bedrock::Settings::new(arn, "1")), Side::Answers, &["a", "b"]);
    assert_eq!(path, "/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fabc/version/1/apply");
    assert_eq!(
        body,
        json!({ "source": "OUTPUT", "content": [{ "text": { "text": "a" } }, { "text": { "text": "b" } }] })
    );
    let texts = ["mail a@b.c", "hello"];
    let said = |response: &Value| said(apis().remove(3), &texts, response);
    assert_eq!(said(&json!({ "action": "NONE", "outputs": [], "assessments": [{}] })), Ok(Verdict::Pass));
    let topic = json!({ "name": "Investments", "type": "DENY", "action": "BLOCKED" });
    let response = intervened("topicPolicy", &topic, &["Sorry."]);
    assert_eq!(said(&response), block("Investments"));
    let email = json!({ "match": "a@b.c", "type": "EMAIL", "action": "ANONYMIZED" });
    let response = intervened("sensitiveInformationPolicy", &email, &["mail {EMAIL}", "hello"]);
    let (all, labels) = masked(&texts, said(&response));
    assert_eq!((all, labels), (vec!["mail {EMAIL}".to_owned(), "hello".to_owned()], vec!["EMAIL".to_owned()]));
    let fewer = intervened("sensitiveInformationPolicy", &email, &["mail {EMAIL}"]);
    assert_eq!(said(&fewer), block("EMAIL"), "it is unknown which text is which");
    let word = json!({ "match": "secret", "action": "BLOCKED" });
    let response = said(&intervened("wordPolicy", &word, &["Sorry."]));
    assert!(matches!(response, Ok(Verdict::Block { label, .. }) if label == "word"), "never the match");
    assert!(matches!(said(&json!({ "action": "GUARDRAIL_INTERVENED" })), Ok(Verdict::Block { .. })));
    unexpected(said(&json!({ "message": "…" })), "a known `action`");
}

#[test]
fn model_armor_blocks_unless_only_personal_data_was_replaced() {
    let api = || apis().remove(4);
    let path = |method| format!("/v1/projects/p/locations/us-central1/templates/t:{method}");
    let expected = (path("sanitizeUserPrompt"), json!({ "userPromptData": { "text": "a\n\u{1e}\nb" } }));
    assert_eq!(asked(api(), Side::Prompts, &["a", "b"]), expected);
    let expected = (path("sanitizeModelResponse"), json!({ "modelResponseData": { "text": "a" } }));
    assert_eq!(asked(api(), Side::Answers, &["a"]), expected);
    let texts = ["my phone is 5551234567", "hello"];
    let result = |state: &str, filters: Value, invocation: &str| {
        let result = json!({ "filterMatchState": state, "filterResults": filters, "invocationResult": invocation });
        said(api(), &texts, &json!({ "sanitizationResult": result }))
    };
    let jailbreak = |state: &str| json!({ "piAndJailbreakFilterResult": { "executionState": "EXECUTION_SUCCESS", "matchState": state } });
    let none = "NO_MATCH_FOUND";
    assert_eq!(result(none, json!({ "pi_and_jailbreak": jailbreak(none) }), "SUCCESS"), Ok(Verdict::Pass));
    unexpected(result(none, json!({}), "PARTIAL"), "only some of its filters");
    let found = "MATCH_FOUND";
    let filters = json!({ "csam": { "matchState": none }, "pi_and_jailbreak": jailbreak(found) });
    assert_eq!(result(found, filters, "SUCCESS"), block("pi_and_jailbreak"));
    let personal = |text: &str| json!({ "sdpFilterResult": { "deidentifyResult": { "matchState": found, "data": { "text": text } } } });
    let sdp = personal("my phone is [REDACTED]\n\u{1e}\nhello");
    let (all, labels) = masked(&texts, result(found, json!({ "sdp": sdp }), "SUCCESS"));
    assert_eq!((all[0].as_str(), all[1].as_str(), &*labels[0]), ("my phone is [REDACTED]", "hello", "sdp"));
    let both = json!({ "sdp": sdp, "pi_and_jailbreak": jailbreak(found) });
    assert!(matches!(result(found, both, "SUCCESS"), Ok(Verdict::Block { .. })));
    assert_eq!(result(found, json!({ "sdp": personal("[REDACTED]") }), "SUCCESS"), block("sdp"), "a separator is gone");
    unexpected(said(api(), &texts, &json!({ "error": { "code": 400 } })), "a known `filterMatchState`");
}

#[test]
fn our_webhook_passes_blocks_or_masks() {
    let (path, body) = asked(Api::Webhook, Side::Prompts, &["a", "b"]);
    let expected = json!({ "texts": ["a", "b"], "side": "prompt", "model": "m", "team": "t", "request_id": "r" });
    assert_eq!((&*path, body), ("/", expected));
    let said = |response: Value| said(Api::Webhook, &["a", "b"], &response);
    assert_eq!(said(json!({ "action": "pass" })), Ok(Verdict::Pass));
    assert_eq!(said(json!({ "action": "block" })), block("flagged"));
    let blocked = json!({ "action": "block", "label": "in sults", "reason": "no\r\nrudeness" });
    assert_eq!(said(blocked), block("in_sults"));
    let (all, labels) = masked(&["a", "b"], said(json!({ "action": "mask", "texts": ["a", ""], "label": "pii" })));
    assert_eq!((all, labels), (vec!["a".to_owned(), String::new()], vec!["pii".to_owned()]));
    assert_eq!(said(json!({ "action": "mask", "texts": ["a", "b"] })), Ok(Verdict::Pass), "nothing was changed");
    let fewer = said(json!({ "action": "mask", "texts": ["a"] })).unwrap_err();
    assert_eq!(fewer.to_string(), "returned 1 changed texts for 2. It must return each text, in the same order");
    unexpected(said(json!({ "action": "mask", "texts": ["a", 1] })), "one of its texts");
    unexpected(said(json!({ "action": "mask" })), "the list `texts`");
    unexpected(said(json!({ "action": "Block" })), "an `action`");
    unexpected(said(json!([])), "an `action`");
}

#[test]
fn agentgateways_webhook_tells_its_actions_apart_by_their_fields() {
    let (path, body) = asked(Api::Agentgateway, Side::Prompts, &["a"]);
    assert_eq!((&*path, body), ("/request", json!({ "body": { "messages": [{ "role": "user", "content": "a" }] } })));
    let (path, body) = asked(Api::Agentgateway, Side::Answers, &["a"]);
    let choice = json!({ "message": { "role": "assistant", "content": "a" } });
    assert_eq!((&*path, body), ("/response", json!({ "body": { "choices": [choice] } })));
    let said = |action: Value| said(Api::Agentgateway, &["a"], &json!({ "action": action }));
    assert_eq!(said(json!({ "reason": "fine" })), Ok(Verdict::Pass));
    let reject = json!({ "body": "No.", "status_code": 403, "reason": "policy" });
    assert_eq!(said(reject), block("flagged"));
    let messages = json!({ "body": { "messages": [{ "role": "user", "content": "*" }] }, "reason": "pii" });
    assert_eq!(masked(&["a"], said(messages)).0, ["*"]);
    let choices = json!({ "body": { "choices": [{ "message": { "role": "assistant", "content": "*" } }] } });
    assert_eq!(masked(&["a"], said(choices)).0, ["*"]);
    assert_eq!(said(json!({ "body": { "messages": [] } })), Err(Unreadable::Texts(0, 1)));
    unexpected(said(json!({ "body": 1 })), "the list `messages`");
    unexpected(said(json!("pass")), "`action`");
}

#[test]
fn litellms_guardrail_api_blocks_or_returns_texts() {
    let api = || Api::LiteLlm(litellm::Settings(r#"{"threshold":0.8}"#.to_owned()));
    let (path, body) = asked(api(), Side::Answers, &["a"]);
    let expected = json!({
        "texts": ["a"], "input_type": "response", "litellm_call_id": "r", "model": "m",
        "request_data": { "user_api_key_team_id": "t" }, "additional_provider_specific_params": { "threshold": 0.8 },
    });
    assert_eq!((&*path, body), ("/beta/litellm_basic_guardrail_api", expected));
    let said = |response: Value| said(api(), &["a"], &response);
    assert_eq!(said(json!({ "action": "NONE", "texts": null })), Ok(Verdict::Pass));
    let blocked = json!({ "action": "BLOCKED", "blocked_reason": "Content contains prohibited terms" });
    assert_eq!(said(blocked), block("flagged"));
    assert_eq!(masked(&["a"], said(json!({ "action": "GUARDRAIL_INTERVENED", "texts": ["*"] }))).0, ["*"]);
    unexpected(said(json!({ "action": "GUARDRAIL_INTERVENED" })), "the list `texts`");
    unexpected(said(json!({ "detail": "…" })), "a known `action`");
}

#[test]
fn a_response_that_is_no_verdict_says_what_an_operator_should_check() {
    let read = |called: Called| judge(Api::Webhook).verdict(&[], &[], &called).unwrap_err().to_string();
    let none = Called { status: None, body: Vec::new() };
    assert_eq!(read(none), "did not respond in time, or cannot be reached");
    assert_eq!(read(called(401, "")), "responded with status 401. Check its credential");
    assert_eq!(read(called(404, "")), "responded with status 404. Check its `type` and `url`");
    assert_eq!(read(called(503, "{\"action\":\"pass\"}")), "responded with status 503");
    assert_eq!(read(called(302, "")), "responded with status 302");
    assert_eq!(read(called(200, "<html>")), "sent a response that is not JSON. Check its `type` and `url`");
    let long = format!("{{\"action\":\"pass\",\"more\":\"{}\"}}", "x".repeat(4 << 20));
    assert!(read(called(200, long)).starts_with("sent a response that is too large"));
    assert!(read(called(200, "[".repeat(1 << 20))).starts_with("sent a response that is too large"));
    assert_eq!(Unreadable::TooLarge.to_string(), "cannot judge the text: it takes more than 32 calls");
}

#[test]
fn verdicts_on_parts_count_together_and_a_block_wins() {
    let mask = |label: &str| {
        let edit = Edit { text: 0, at: 0..1, with: label.to_owned() };
        Verdict::Mask { edits: vec![edit], labels: vec![label.to_owned()] }
    };
    let blocked = block("b").unwrap();
    assert_eq!(Verdict::Pass.and(mask("a")), mask("a"));
    assert_eq!(mask("a").and(blocked.clone()), blocked);
    assert_eq!(blocked.clone().and(mask("a")), blocked);
    let Verdict::Mask { edits, labels } = mask("a").and(mask("c")).and(mask("a")) else { panic!() };
    assert_eq!((edits.len(), labels), (3, vec!["a".to_owned(), "c".to_owned()]));
    assert_eq!(mask("a").without_masks(), block("a").unwrap());
}

#[test]
fn settings_read_back_from_their_parts() {
    for api in apis().into_iter().chain([moderation(&[("violence", Some(0.5)), ("hate", None)])]) {
        let (name, text, categories) = api.parts();
        assert_eq!(Api::read(name, text, categories.to_vec()).as_ref(), Some(&api));
    }
    assert_eq!(Api::read("other", "", Vec::new()), None);
}

#[test]
fn nothing_is_asked_about_no_text() {
    for api in apis() {
        assert_eq!(judge(api).calls(&question(Side::Prompts, &["", ""])), Ok(Vec::new()));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// JSON with the names and values of all the APIs, so that it often gets past the first check.
    fn response() -> impl Strategy<Value = Value> {
        let word = prop::sample::select(vec![
            "pass",
            "block",
            "mask",
            "NONE",
            "BLOCKED",
            "ANONYMIZED",
            "GUARDRAIL_INTERVENED",
            "MATCH_FOUND",
            "Hate",
            "NO_MATCH_FOUND",
            "SUCCESS",
            "PERSON",
            "é\u{1e}💶",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..40).prop_map(Value::from),
            Just(json!(u64::MAX)),
            word.prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let name = prop::sample::select(vec![
            "action",
            "texts",
            "reason",
            "label",
            "body",
            "messages",
            "choices",
            "message",
            "content",
            "results",
            "text",
            "flagged",
            "categories",
            "categoriesAnalysis",
            "category",
            "severity",
            "blocklistsMatch",
            "outputs",
            "data",
            "assessments",
            "sanitizationResult",
            "filterMatchState",
            "filterResults",
            "sdp",
            "sdpFilterResult",
            "start",
            "deidentifyResult",
            "matchState",
            "entity_type",
            "end",
            "name",
            "type",
        ]);
        leaf.prop_recursive(5, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..6).prop_map(|fields| {
                    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    /// A verdict's edits apply to the texts that were asked about.
    fn check(body: &[u8], texts: &[String]) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for api in apis() {
            let judge = judge(api);
            for JudgeCall { parts, .. } in judge.calls(&question(Side::Prompts, &texts)).unwrap() {
                match judge.verdict(&parts, &texts, &called(200, body)) {
                    Ok(Verdict::Mask { edits, labels }) => {
                        assert!(!edits.is_empty() && !labels.is_empty());
                        for edit in &edits {
                            assert!(texts[edit.text].get(edit.at.clone()).is_some(), "{edit:?}");
                        }
                        assert!(edited(&texts, edits).iter().all(|(index, _)| *index < texts.len()));
                    }
                    Ok(Verdict::Block { label }) => {
                        assert!((1..=64).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic()));
                    }
                    Ok(Verdict::Pass) => {}
                    Err(unreadable) => assert!(!unreadable.to_string().is_empty()),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(body in prop::collection::vec(any::<u8>(), 0..200), texts in prop::collection::vec(any::<String>(), 0..4)) {
            check(&body, &texts);
        }

        #[test]
        fn no_json_is_too_odd(body in response(), texts in prop::collection::vec("[aé💶 \n\u{1e}]{0,12}", 0..4)) {
            check(body.to_string().as_bytes(), &texts);
        }

        #[test]
        fn finds_at_any_offsets_leave_valid_texts(
            finds in prop::collection::vec((0_u64..50, 0_u64..50), 1..6),
            texts in prop::collection::vec("[aé💶\u{301}]{0,12}", 1..4),
        ) {
            let finds: Vec<Value> =
                finds.iter().map(|(start, end)| json!({ "entity_type": "X", "start": start, "end": end })).collect();
            check(json!(finds).to_string().as_bytes(), &texts);
        }

        #[test]
        fn edits_at_any_bytes_leave_the_other_characters(
            edits in prop::collection::vec((0_usize..3, 0_usize..30, 0_usize..30), 0..6),
            texts in prop::collection::vec("[aé💶]{0,9}", 2),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let edits: Vec<Edit> =
                edits.into_iter().map(|(text, start, end)| Edit { text, at: start..end, with: "#".to_owned() }).collect();
            let touched = |text: usize, at: usize| {
                let is_in = |edit: &Edit| edit.text == text && edit.at.start <= at && at < edit.at.end;
                edits.iter().any(is_in)
            };
            for (index, masked) in edited(&texts, edits.clone()) {
                // Characters with no byte in an edit stay, in their order.
                let kept: String = texts[index].char_indices()
                    .filter(|(at, c)| !(*at..*at + c.len_utf8()).any(|at| touched(index, at)))
                    .map(|(_, c)| c)
                    .collect();
                prop_assert_eq!(masked.replace('#', ""), kept);
            }
        }

        #[test]
        fn parts_cover_each_text_and_fit_their_call(
            texts in prop::collection::vec("[aé💶 \n]{0,40}", 0..6), characters in 8_usize..20, most in 1_usize..4, overlap in 0_usize..4,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let capacity = Capacity { characters, parts: most, overlap };
            let Some(calls) = parts::divided(&texts, capacity) else { return Ok(()) };
            let mut next = vec![0; texts.len()];
            for call in &calls {
                prop_assert!(call.len() <= most && parts::joined(call, &texts).chars().count() <= characters);
                for part in call {
                    prop_assert!(!part.of(&texts).is_empty() && part.at.start <= next[part.text]);
                    next[part.text] = part.at.end;
                }
            }
            prop_assert!(texts.iter().zip(&next).all(|(text, end)| text.len() == *end));
        }
    }
}
