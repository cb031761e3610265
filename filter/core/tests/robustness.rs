//! The checks that run before a body is parsed never panic on any bytes, and stay within their steps. The parsers of the dialects run on
//! the same bytes.
//!
//! Bodies are mostly valid, with mutations. `PROPTEST_CASES` sets their number; `./scripts/fuzz` tries many.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::rc::Rc;

use proptest::prelude::*;
use sluice_core::guard::Guard;
use sluice_core::guard::matcher::{Matcher, Wanted};
use sluice_core::guard::prompt::screen;
use sluice_core::guard::schema::{MOST_STEPS, Schema};
use sluice_core::guard::spec::{Action, Detector, GuardDelivery, MaskStyle};
use sluice_core::guard::steps::Steps;
use sluice_core::matching::Match;
use sluice_core::peek::{BodyPeek, form};
use sluice_wire::dialect::FORMATS;

use changes::{changed, changes};

#[path = "../../wire/src/dialect/robustness/changes.rs"]
mod changes;
mod guards;

/// Few cases by default: each passes through all dialects.
fn configured() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: 48, ..default },
    }
}

const FORM: &str = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
    ID3\r\n--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--xYz--\r\n";

const ADAPTED: &str = r#"{"model":"m","seed":7,"n":1,"messages":[{"role":"developer","name":"x","content":"hi"},{"role":"user","content":[]}],"stop":null,"logprobs":false,"stream_options":{},"tool_choice":"required","max_completion_tokens":5,"user":"u"}"#;

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn outlines_of_json_and_of_forms(changes in changes(), kind in "[a-z/;= \"*]{0,40}") {
        let _ = (form::is_form(&kind), form::boundary(&kind));
        let body = changed(FORM.as_bytes().to_vec(), &changes);
        let form = BodyPeek::of_form(&body, "xYz");
        let body = if form.is_ok() { body } else { changed(ADAPTED.as_bytes().to_vec(), &changes) };
        for shape in FORMATS.iter().filter_map(|format| format.client).map(|client| client.shape) {
            if let Ok(outline) = form.clone().or_else(|_| BodyPeek::read(&body, shape))
                && let Some(splice) = outline.splice("another", true, None)
            {
                let mut spliced = splice.apply(&body[..splice.drain]);
                spliced.extend_from_slice(&body[splice.drain..]);
                let again = if form.is_ok() { BodyPeek::of_form(&spliced, "xYz") } else { BodyPeek::read(&spliced, shape) };
                prop_assert_eq!(again.unwrap().model, "another");
            }
        }
    }
}

/// The steps of a body besides those for its bytes.
const AT_FIRST: u64 = 1 << 22;

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn guardrails(texts in prop::collection::vec(guards::texts(), 1..5), patterns in prop::collection::vec(guards::expressions(), 0..3)) {
        let mut wanted = Wanted::default();
        Detector::ALL.into_iter().for_each(|detector| wanted.detector(detector));
        // The configuration rejects an invalid pattern.
        patterns.iter().for_each(|pattern| drop(wanted.pattern("own", pattern)));
        let Ok(finder) = wanted.matcher() else { return Ok(()) };
        let things = 12 + u64::try_from(patterns.len()).unwrap();
        for text in &texts {
            let steps = Matcher::steps();
            let finds: Vec<_> = finder.all(text, 0, &steps).map(|find| find.at).collect();
            prop_assert!(finds.windows(2).all(|pair| pair[0].end <= pair[1].start), "{finds:?}");
            prop_assert!(finds.iter().all(|at| at.start < at.end && text.get(at.clone()).is_some()), "{finds:?}");
            let most = AT_FIRST + 2 * things * 80 * u64::try_from(text.len()).unwrap();
            prop_assert!(steps.taken() <= most, "{} of {most}", steps.taken());
        }
        let body = serde_json::to_vec(&texts).unwrap();
        let guard = Rc::new(Guard { name: "g".to_owned(), matches: Match::default(), sides: Vec::new(), action: Action::Mask, matcher: finder, delivery: GuardDelivery::default(), style: MaskStyle::default(), restore: false, digest: [0; 32] });
        let masked = screen(&[guard], &body, &(0..0), 1 << 20);
        if let Some(masked) = masked.unwrap().body {
            prop_assert!(serde_json::from_slice::<Vec<String>>(&masked).is_ok(), "{}", String::from_utf8_lossy(&masked));
        }
    }

    #[test]
    fn structured_output(schema in guards::schemas(), value in guards::values()) {
        let steps = Steps::at_most(MOST_STEPS);
        let checked = Schema::parse(&schema.to_string()).unwrap().check(&value.to_string(), &steps);
        // A single charge of steps is at most a text, a name or a pattern.
        let most = MOST_STEPS + (1 << 21);
        prop_assert!(steps.taken() <= most, "{} of {most}: {checked:?}", steps.taken());
    }
}
