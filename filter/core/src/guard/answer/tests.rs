//! Tests of the checks on responses.

use sluice_wire::conversation::Choice;

use crate::guard::matcher::Wanted;
use crate::guard::spec::{Detector, MaskStyle};
use crate::matching::Match;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// No further texts to check.
fn none() -> std::iter::Empty<std::borrow::Cow<'static, str>> {
    std::iter::empty()
}

fn checks(action: Action) -> Checks {
    let mut wanted = Wanted::default();
    wanted.detector(Detector::Email);
    let (matches, sides) = (Match::default(), vec![Side::Answers]);
    let guard = Guard {
        name: "pii".to_owned(),
        matches,
        sides,
        action,
        delivery: GuardDelivery::default(),
        style: MaskStyle::default(),
        restore: false,
        matcher: wanted.matcher().unwrap(),
        digest: [0; 32],
    };
    Checks { guards: vec![Rc::new(guard)], ..Checks::default() }
}

fn wants(format: &str) -> Checks {
    let format =
        if format.is_empty() { Format::Object } else { Format::Schema(Rc::new(Schema::parse(format).unwrap())) };
    Checks { formats: vec![format], ..Checks::default() }
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn said(parts: Vec<Part>, finish: Finish) -> Transcript {
    let first = Choice { parts: vec![text("{}")], finish: Finish::Stop };
    Transcript::of(&Response { choices: vec![first, Choice { parts, finish }], ..Response::default() })
}

fn call(arguments: &str) -> Part {
    Part::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() }
}

#[test]
fn all_that_a_model_says_is_looked_at_in_every_answer() {
    let thinking = Part::Thinking { text: "a@b.io".to_owned(), signature: None };
    let refusal = Part::Refusal { text: "not to a@b.io".to_owned() };
    for part in [text("to a@b.io"), thinking, refusal, call(r#"{"to":"a\u0040b.io"}"#)] {
        let transcript = said(vec![part], Finish::Stop);
        let Err(GuardFailure::Blocked(finding)) = checks(Action::Block).judge(&transcript, none()) else {
            panic!("{transcript:?}")
        };
        assert_eq!(finding.to_string(), "pii: email (answers, block)");
        assert_eq!(checks(Action::Log).judge(&transcript, none()).unwrap().len(), 1);
    }
    assert!(checks(Action::Block).judge(&said(vec![text("a"), text("@b.io")], Finish::Stop), none()).is_err());
    assert_eq!(checks(Action::Block).judge(&said(vec![text("fine")], Finish::Stop), none()), Ok(Vec::new()));
}

#[test]
fn a_match_after_an_escape_is_found_in_json() {
    let mut wanted = Wanted::default();
    wanted.detector(Detector::ApiKey);
    let mut checks = checks(Action::Block);
    let guard = Rc::get_mut(checks.guards.first_mut().unwrap()).unwrap();
    guard.matcher = wanted.matcher().unwrap();
    let json = r##"{"content":"# env\nsk-abcdefghijklmnopqrstuvwx"}"##;
    let cut = json.trim_end_matches('}');
    for part in [call(json), call(cut), text(json)] {
        assert!(checks.judge(&said(vec![part], Finish::Stop), none()).is_err());
    }
    let passing = std::iter::once(unfolded(json.into()));
    assert!(checks.judge(&said(vec![text("fine")], Finish::Stop), passing).is_err());
}

#[test]
fn structured_output_stays_json() {
    let mut checks = checks(Action::Mask);
    let guard = Rc::get_mut(checks.guards.first_mut().unwrap()).unwrap();
    guard.style = MaskStyle::Text("\"…\"".to_owned());
    checks.json = true;
    let choice = Choice { parts: vec![text(r#"{"a":"#), text(r#""b\nc@d.io"}"#)], finish: Finish::Stop };
    let mut response = Response { choices: vec![choice], ..Response::default() };
    checks.rewrite(&mut response, false).unwrap();
    let parts = &response.choices.first().unwrap().parts;
    assert_eq!(*parts, [text(r#"{"a":"#), text(r#""b\n\"…\""}"#)]);
}

#[test]
fn pieces_of_a_stream_are_looked_at_together() {
    let mut transcript = Transcript::default();
    for piece in ["write to a", "@", "b.", "io"] {
        transcript.record(&StreamEvent::Text { choice: 0, text: piece.to_owned() });
        transcript.record(&StreamEvent::Text { choice: 1, text: "x".to_owned() });
    }
    assert!(checks(Action::Block).judge(&transcript, none()).is_err());
    let mut transcript = Transcript::default();
    transcript.record(&StreamEvent::ToolCall { choice: 0, call: 0, id: "c".to_owned(), name: "f".to_owned() });
    for piece in [r#"{"to":"a@"#, r#"b.io"}"#] {
        transcript.record(&StreamEvent::Arguments { choice: 0, call: 0, json: piece.to_owned() });
    }
    assert!(checks(Action::Block).judge(&transcript, none()).is_err());
}

#[test]
fn an_answer_must_be_the_json_that_was_asked_for() {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
    for (format, answer, wrong) in [
        ("", r#"{"a":1}"#, None),
        ("", "[1]", Some("it is not a JSON object")),
        ("", "Here it is: {}", Some("it is not valid JSON")),
        ("", "", Some("it is not valid JSON")),
        (schema, r#"{"n":1}"#, None),
        (schema, r#"{"n":"secret"}"#, Some("at /n: expected type `integer`")),
    ] {
        let choice = Choice { parts: vec![text(answer)], finish: Finish::Stop };
        let transcript = Transcript::of(&Response { choices: vec![choice], ..Response::default() });
        let expected = wrong.map_or(Ok(Vec::new()), |wrong| Err(GuardFailure::Invalid(wrong.to_owned())));
        assert_eq!(wants(format).judge(&transcript, none()), expected, "{answer}");
    }
}

#[test]
fn an_answer_that_does_not_claim_to_be_complete_is_its_clients_to_judge() {
    let broken = || vec![text(r#"{"a":"#)];
    assert!(wants("").judge(&said(broken(), Finish::Stop), none()).is_err());
    for (parts, finish) in [
        (broken(), Finish::Length),
        (broken(), Finish::ContentFilter),
        (vec![Part::Refusal { text: "no".to_owned() }], Finish::Stop),
        (vec![text("I will look it up"), call("{}")], Finish::ToolCalls),
    ] {
        assert_eq!(wants("").judge(&said(parts, finish), none()), Ok(Vec::new()));
    }
}

#[test]
fn what_would_take_too_long_to_check_is_shown_and_logged() {
    let deep = r##"{"$ref":"#"}"##;
    let wide = format!(r#"{{"items":{{"enum":[{}1]}}}}"#, "0,".repeat(20_000));
    let ones = format!("[{}1]", "1,".repeat(2_000));
    let large = format!("[{}[]]", "[],".repeat(schema::LARGEST / 512));
    let unchecked = |checks: &Checks, answer: &str| {
        let choice = Choice { parts: vec![text(answer)], finish: Finish::Stop };
        let findings =
            checks.judge(&Transcript::of(&Response { choices: vec![choice], ..Response::default() }), none());
        findings.map(|findings| findings.iter().map(Finding::to_string).collect::<Vec<_>>())
    };
    let logged = || Ok(vec!["check_structured_output: unchecked (answers, log)".to_owned()]);
    assert_eq!(unchecked(&wants(deep), "{}"), logged());
    assert_eq!(unchecked(&wants(&wide), &ones), logged());
    assert_eq!(unchecked(&wants(&wide), "[1]"), Ok(Vec::new()));
    assert_eq!(unchecked(&wants(r#"{"type":"array"}"#), &large), logged());
    let checks = Checks { formats: vec![Format::Json], ..Checks::default() };
    assert_eq!(unchecked(&checks, "{}"), logged());
    assert_eq!(unchecked(&checks, "{"), Err(GuardFailure::Invalid("it is not valid JSON".to_owned())));
}
