//! Valid judges, and the mistakes of invalid ones.

use sluice_core::guard::judge::spec::{JudgeMode, OnError};
use sluice_core::guard::judge::{Question, azure, litellm, openai};
use sluice_wire::headers::HeaderMap;

use super::*;
use crate::Diagnostic;
use crate::file::File;

fn file(judges: &str, guards: &str) -> File {
    let text = format!(
        r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[],"judges":{judges},"guards":{guards}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// The judges and the guardrails that use them, or the mistakes.
fn compile(judges: &str, guards: &str) -> Result<(Judges, Vec<Rc<JudgeGuard>>), Vec<Diagnostic>> {
    let file = file(judges, guards);
    let mut check = Check { file: &file, diagnostics: Vec::new() };
    let judges = check.judges();
    let (_, guards) = check.guards(&judges);
    if check.diagnostics.is_empty() { Ok((judges, guards)) } else { Err(check.diagnostics) }
}

fn judge(fields: &str) -> Result<Rc<Judge>, Vec<Diagnostic>> {
    compile(&format!(r#"{{"j":{{{fields}}}}}"#), "{}").map(|(judges, _)| judges["j"].clone())
}

fn headers(fields: &str) -> HeaderMap {
    let question = Question { side: Side::Prompts, texts: &["x"], model: "m", team: "t", request_id: "r" };
    judge(fields).unwrap().calls(&question).unwrap().remove(0).call.headers
}

/// The authority and the path of a call.
#[track_caller]
fn called(fields: &str) -> (String, String) {
    let headers = headers(fields);
    (headers.text(":authority").unwrap().to_owned(), headers.text(":path").unwrap().to_owned())
}

#[test]
fn each_type_has_its_address_and_its_path() {
    let own = |authority: &str, path: &str| (authority.to_owned(), path.to_owned());
    assert_eq!(called(r#""type":"openai_moderation""#), own("api.openai.com", "/v1/moderations"));
    assert_eq!(called(r#""type":"presidio","url":"http://p:3000/x/""#), own("p:3000", "/x/analyze"));
    let azure = called(r#""type":"azure_content_safety","url":"https://r.cognitiveservices.azure.com""#);
    assert_eq!(azure.1, "/contentsafety/text:analyze?api-version=2024-09-01");
    let bedrock = called(r#""type":"bedrock","aws":{"region":"eu-west-3"},"guardrail":"g1""#);
    assert_eq!(bedrock, own("bedrock-runtime.eu-west-3.amazonaws.com", "/guardrail/g1/version/DRAFT/apply"));
    let template = "projects/p/locations/us-central1/templates/t";
    let armor = called(&format!(r#""type":"model_armor","template":"{template}","google":{{}}"#));
    assert_eq!(armor.0, "modelarmor.us-central1.rep.googleapis.com");
    assert_eq!(armor.1, format!("/v1/{template}:sanitizeUserPrompt"));
    assert_eq!(called(r#""type":"webhook","url":"https://w/judge""#), own("w", "/judge"));
    assert_eq!(called(r#""type":"agentgateway","url":"http://w:8000""#), own("w:8000", "/request"));
    assert_eq!(called(r#""type":"litellm","url":"http://w""#), own("w", "/beta/litellm_basic_guardrail_api"));
}

#[test]
fn what_is_not_written_has_its_default() {
    let openai = judge(r#""type":"openai_moderation","thresholds":{"violence":0.5},"categories":["hate","violence"]"#);
    let openai = openai.unwrap();
    assert_eq!((&*openai.cluster, openai.timeout), ("sluice-judge-j", Duration::from_secs(2)));
    let categories = vec![("hate".to_owned(), None), ("violence".to_owned(), Some(0.5))];
    let settings = openai::Settings { model: "omni-moderation-latest".to_owned(), categories };
    assert_eq!(openai.api, Api::OpenAi(settings));
    let azure =
        judge(r#""type":"azure_content_safety","url":"https://a","thresholds":{"Hate":2},"categories":["Sexual"]"#);
    let categories = vec![("Sexual".to_owned(), None), ("Hate".to_owned(), Some(2.0))];
    assert_eq!(azure.unwrap().api, Api::Azure(azure::Settings::new(categories, &[])));
    let all = judge(r#""type":"azure_content_safety","url":"https://a""#).unwrap();
    let categories = azure::CATEGORIES.map(|name| (name.to_owned(), None)).into();
    assert_eq!(all.api, Api::Azure(azure::Settings::new(categories, &[])));
    let litellm = judge(r#""type":"litellm","url":"http://l","params":{"threshold":0.8}"#).unwrap();
    assert_eq!(litellm.api, Api::LiteLlm(litellm::Settings(r#"{"threshold":0.8}"#.to_owned())));
}

#[test]
fn a_call_asks_envoy_to_retry_it() {
    for (fields, on, most) in
        [("", Some("5xx"), Some("1")), (r#","retries":3"#, Some("5xx"), Some("3")), (r#","retries":0"#, None, None)]
    {
        let headers = headers(&format!(r#""type":"webhook","url":"http://w"{fields}"#));
        let found = (headers.text("x-envoy-retry-on"), headers.text("x-envoy-max-retries"));
        assert_eq!(found, (on, most), "{fields}");
    }
}

#[test]
fn a_guardrail_uses_a_judge_in_its_own_way() {
    let judges = r#"{"w":{"type":"webhook","url":"http://w"},"p":{"type":"presidio","url":"http://p"}}"#;
    let guards = r#"{
        "a":{"judge":{"service":"w","on_error":"allow"}},
        "b":{"judge":{"service":"p","on_error":"block","mode":"shadow","raw":true},"on":["prompts"],"action":"mask"},
        "c":{"judge":{"service":"p","on_error":"block"},"match":{"team":"t"}},
        "d":{"judge":{"service":"w","on_error":"block","during":true},"on":["prompts"]},
        "e":{"words":["x"]}
    }"#;
    let (_, guards) = compile(judges, guards).unwrap();
    let each: Vec<_> = guards.iter().map(|g| (&*g.name, &*g.judge.name, g.masks, g.on_error, g.mode)).collect();
    let expected = [
        ("a", "w", true, OnError::Allow, JudgeMode::Enforce),
        ("b", "p", true, OnError::Block, JudgeMode::Shadow),
        ("c", "p", false, OnError::Block, JudgeMode::Enforce),
        ("d", "w", false, OnError::Block, JudgeMode::Enforce),
    ];
    assert_eq!(each, expected);
    assert_eq!((guards[1].raw, guards[3].during, guards[2].matches.team.as_deref()), (true, true, Some("t")));
    assert_ne!(guards[0].digest, guards[3].digest);
}

#[test]
fn each_mistake_of_a_judge_is_named_with_what_would_be_right() {
    let webhook = r#""type":"webhook","url":"http://w""#;
    for (fields, expected) in [
        (
            r#""type":"webhook""#.to_owned(),
            "url: found nothing, expected the URL of the service: a judge of type webhook",
        ),
        (r#""type":"webhook","url":"w""#.to_owned(), "url: found no http:// or https://"),
        (format!(r#"{webhook},"timeout":"2m""#), "timeout: found \"2m\", expected a time from 10ms to 1m"),
        (format!(r#"{webhook},"retries":6"#), "retries: found 6, expected a number from 0 to 5"),
        (format!(r#"{webhook},"key":{{}}"#), "key: found neither env nor file"),
        (
            format!(r#"{webhook},"language":"en""#),
            "language: found a field of a judge of type webhook, expected no such field: it belongs to type presidio",
        ),
        (
            format!(r#"{webhook},"categories":["x"]"#),
            "categories: found a field of a judge of type webhook, expected no such field: it belongs to type \
             openai_moderation and azure_content_safety",
        ),
        (format!(r#"{webhook},"google":{{}}"#), "google: found a field of a judge of type webhook"),
        (
            r#""type":"bedrock","guardrail":"g""#.to_owned(),
            "url: found nothing, expected the URL of the service, or `aws` with its region",
        ),
        (r#""type":"bedrock","aws":{"region":"us-east-1"}"#.to_owned(), "guardrail: found nothing, expected the guard"),
        (
            r#""type":"bedrock","aws":{"region":"US"},"guardrail":"g","url":"http://b""#.to_owned(),
            "aws.region: found \"US\", expected a region",
        ),
        (
            r#""type":"bedrock","aws":{"region":"us-east-1"},"guardrail":"g","version":"v1""#.to_owned(),
            "version: found \"v1\", expected a number, or DRAFT",
        ),
        (r#""type":"model_armor","google":{}"#.to_owned(), "template: found nothing, expected projects/PROJECT/"),
        (r#""type":"model_armor","template":"t""#.to_owned(), "template: found \"t\", expected projects/PROJECT/"),
        (
            r#""type":"azure_content_safety","url":"https://a","categories":["hate"]"#.to_owned(),
            "categories: found \"hate\", expected one of: Hate, SelfHarm",
        ),
        (
            r#""type":"azure_content_safety","url":"https://a","thresholds":{"Hate":8}"#.to_owned(),
            "thresholds.Hate: found 8, expected a severity from 1 to 7",
        ),
        (
            r#""type":"openai_moderation","thresholds":{"hate":4}"#.to_owned(),
            "thresholds.hate: found 4, expected a score from 0 to 1",
        ),
        (
            r#""type":"presidio","url":"http://p","threshold":1.5"#.to_owned(),
            "threshold: found 1.5, expected a score from 0 to 1",
        ),
    ] {
        let found = judge(&fields).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with(&format!("judges.j.{expected}")), "{}", found[0]);
    }
    let found = compile(r#"{"A b":{"type":"webhook","url":"http://w"}}"#, "{}").unwrap_err();
    assert!(
        found[0].to_string().starts_with("judges[\"A b\"]: found \"A b\", expected a name of lower-case"),
        "{found:?}"
    );
}

#[test]
fn each_mistake_of_a_guardrail_with_a_judge_is_named_with_what_would_be_right() {
    let judges = r#"{"w":{"type":"webhook","url":"http://w"},"p":{"type":"presidio","url":"http://p"}}"#;
    for (guard, expected) in [
        (r#""judge":{"service":"v","on_error":"allow"}"#, "judge.service: found \"v\", expected"),
        (
            r#""judge":{"service":"w","on_error":"allow"},"words":["x"]"#,
            ": found a judge, and detect, patterns or words, expected one of the two",
        ),
        (
            r#""judge":{"service":"w","on_error":"allow","during":true}"#,
            "judge.during: found true, for answers, expected `on: [prompts]`",
        ),
        (
            r#""judge":{"service":"w","on_error":"allow"},"action":"log""#,
            "action: found log, with a judge, expected `judge: { mode: shadow }`",
        ),
        (
            r#""judge":{"service":"w","on_error":"allow"},"action":"mask","on":["prompts"]"#,
            "action: found mask, with a judge, expected no action: this judge decides itself",
        ),
        (
            r#""judge":{"service":"p","on_error":"allow","during":true},"action":"mask","on":["prompts"]"#,
            "action: found mask, with a judge, expected block: the provider has received the prompt already",
        ),
        (
            r#""judge":{"service":"p","on_error":"allow"},"action":"mask","style":"hash""#,
            "judge: found a style, with a judge, expected no style and no restore: the judge writes the placeholders",
        ),
        (
            r#""judge":{"service":"w","on_error":"allow","raw":true,"during":true},"on":["prompts"]"#,
            "judge.raw: found true, with during, expected one of the two",
        ),
        (
            r#""judge":{"service":"w","on_error":"allow","window":63}"#,
            "judge.window: found 63, expected a number of bytes from 64 to 100000",
        ),
        (r#""judge":{"service":"w","on_error":"allow"},"on":[]"#, "on: found an empty list"),
    ] {
        let found = compile(judges, &format!(r#"{{"g":{{{guard}}}}}"#)).unwrap_err();
        let expected =
            if expected.starts_with(':') { format!("guards.g{expected}") } else { format!("guards.g.{expected}") };
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with(&expected), "{}", found[0]);
    }
    let found = compile("{}", r#"{"g":{"judge":{"service":"w","on_error":"allow"}}}"#).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].to_string().starts_with("guards.g.judge.service: found \"w\", expected a judge in `judges`"));
}

#[test]
fn the_filter_reads_back_what_is_rendered_for_it() {
    let judges = r#"{
        "o":{"type":"openai_moderation","categories":["hate"],"thresholds":{"violence":0.5},"timeout":"300ms","retries":3},
        "b":{"type":"bedrock","aws":{"region":"us-east-1"},"guardrail":"g"},
        "w":{"type":"webhook","url":"http://w/x"}
    }"#;
    let mut file = file(judges, "{}");
    let compiled = Check { file: &file, diagnostics: Vec::new() }.judges();
    file.judges = crate::judges_for_the_filter(&file);
    assert!(!serde_json::to_string(&file.judges).unwrap().contains("\"aws\""));
    assert_eq!(Check { file: &file, diagnostics: Vec::new() }.judges(), compiled);
    for (name, judge) in &file.judges {
        assert_eq!(read(name, judge.rendered.as_ref().unwrap()).as_ref(), Some(&*compiled[name]));
    }
    assert_eq!(read("j", &serde_json::json!({ "type": "webhook" })), None);
}
