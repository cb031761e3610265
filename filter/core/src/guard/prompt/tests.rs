//! What becomes of bodies.

use super::*;
use crate::config::file::Detector;
use crate::guard::Match;
use crate::guard::finder::Wanted;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn guard(name: &str, action: Action, words: &[&str]) -> Rc<Guard> {
    let mut wanted = Wanted::default();
    wanted.detector(Detector::Email);
    wanted.words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let (matches, sides) = (Match::default(), vec![Side::Prompts]);
    Rc::new(Guard { name: name.to_owned(), matches, sides, action, finder: wanted.finder().unwrap() })
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
        (r#"{"a@b.io":1}"#, r#"{"[email]":1}"#),
        (r#"{"a":"plain \u00e9 \/"}"#, r#"{"a":"plain \u00e9 \/"}"#),
        (r#"{"a":"half \ud800 a@b.io"}"#, "{\"a\":\"half \u{fffd}\u{fffd}\u{fffd} [email]\"}"),
    ] {
        assert_eq!(masked(body), expected);
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }
}

#[test]
fn base64_of_a_picture_is_passed_over_and_nothing_that_only_claims_to_be_one() {
    let picture = format!(r#"{{"image_url":{{"url":"data:image/png;base64,{}"}}}}"#, "Ab1+".repeat(200));
    let wide = guard("wide", Action::Block, &["Ab1"]);
    assert_eq!(screen_all(std::slice::from_ref(&wide), &picture), Ok(Screened::default()));
    for body in [
        format!(r#"{{"text":"{}"}}"#, "Ab1+".repeat(200)),
        format!(r#"{{"url":"{} a@b.io"}}"#, "Ab1+".repeat(2000)),
        r#"{"url":"Ab1"}"#.to_owned(),
    ] {
        assert!(screen_all(std::slice::from_ref(&wide), &body).is_err(), "{body}");
    }
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
