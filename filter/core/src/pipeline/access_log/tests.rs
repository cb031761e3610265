use serde::{Serialize, Serializer};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_fragment_completes_a_json_object_whatever_a_client_sends_as_its_request_id() {
    let record = Record { request_id: Some("a\"},\n{\"x\":\u{1}"), ..Record::default() };
    let line = format!("{{\"status\":200{}}}", record.fragment());
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["request_id"], "a\"},\n{\"x\":\u{1}");
    assert!(read["error"].is_null());
    assert!(!line.contains('\n'));
}

#[test]
fn what_stands_in_a_names_place_is_cut_as_a_message_is() {
    let request = RetainedBody::Whole(br#"{"the launch code is swordfish":1,"max_completion_tokens":0}"#.to_vec());
    for (word, expected) in [
        ("max_completion_tokens", "max_completion_tokens"),
        ("messages[0].content", "messages[0].content"),
        ("com.amazonaws#ThrottlingException", "com.amazonaws#ThrottlingException"),
        ("invalid type", "invalid type"),
        ("the launch code is swordfish", "[…]"),
    ] {
        assert_eq!(name_or_cut(word, &request), expected);
    }
    let long = "x".repeat(10_000);
    assert_eq!(name_or_cut(&long, &RetainedBody::Whole(long.clone().into_bytes())), "[…]");
    assert_eq!(name_or_cut(&long, &RetainedBody::Whole(Vec::new())).len(), LONGEST_NAME);
}

#[test]
fn a_network_is_no_address() {
    assert_eq!(network("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
    assert_eq!(network("2001:db8:1:2::7".parse().unwrap()), "2001:db8:1::/48");
}

#[test]
fn the_trace_id_is_the_parents_or_the_request_ids() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = "e06f3269-b32a-44f0-8a9d-87e76113f1c3";
    assert_eq!(trace_id(Some(parent), Some(request)).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(trace_id(Some("junk"), Some(request)).as_deref(), Some("e06f3269b32a44f08a9d87e76113f1c3"));
    assert_eq!(trace_id(None, Some("mine")), None);
}

/// The `Display` form of [`MicroUsd`].
pub(super) fn dollars<S: Serializer>(cost: &Option<MicroUsd>, serializer: S) -> Result<S::Ok, S::Error> {
    cost.map(|cost| cost.to_string()).serialize(serializer)
}

/// The variant's name in lower case.
pub(super) fn counted<S: Serializer>(usage: &Option<Counted>, serializer: S) -> Result<S::Ok, S::Error> {
    usage.map(|usage| format!("{usage:?}").to_lowercase()).serialize(serializer)
}

/// The line as serde writes it.
fn derived(record: &Record<'_>) -> String {
    let object = serde_json::to_string(record).unwrap();
    format!(",{}", object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap())
}

#[test]
fn an_empty_record_has_all_of_its_fields() {
    let record = Record::default();
    assert_eq!(record.fragment(), derived(&record));
    assert!(
        record.fragment().starts_with(r#","request_id":null,"trace_id":null,"method":"","path":"","user_agent":null"#)
    );
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;
    use proptest::strategy::Strategy;

    use super::{AttemptRecord, Counted, MicroUsd, ProviderErrorRecord, Record, derived};

    type Text = Option<String>;

    fn text() -> impl Strategy<Value = Text> {
        prop::option::of(prop_oneof!["[ -~]{0,20}", ".{0,20}", "[\"\\\\\u{0}-\u{1f}é]{0,9}"])
    }

    fn texts<const N: usize>() -> impl Strategy<Value = [Text; N]> {
        prop::collection::vec(text(), N).prop_map(|texts| texts.try_into().unwrap())
    }

    fn attempt(texts: &[Text; 7], number: Option<u64>) -> AttemptRecord<'_> {
        let [provider, model, failure, kind, code, param, message] = texts.each_ref().map(Text::as_deref);
        AttemptRecord {
            provider: provider.unwrap_or_default(),
            model: model.unwrap_or_default(),
            key: number.map(|number| number as usize),
            ms: number,
            failure,
            error: kind.map(|_| ProviderErrorRecord { kind, code, param, message }),
        }
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_writes(
            [request_id, method, path, client, user_agent, key, team, app] in texts::<8>(),
            [asked_model, model, instead, provider, served, transport, error, message] in texts::<8>(),
            tried in prop::collection::vec(texts::<7>(), 0..4),
            dropped in prop::collection::vec(".{0,9}", 0..3),
            numbers in prop::collection::vec(prop::option::of(any::<u64>()), 9),
            flags: [bool; 4],
            counted in prop::option::of(prop::sample::select(&[Counted::Complete, Counted::Partial, Counted::Missing])),
        ) {
            let record = Record {
                request_id: request_id.as_deref(),
                trace_id: request_id.as_deref().filter(|_| flags[0]),
                method: method.as_deref().unwrap_or_default(),
                path: path.as_deref().unwrap_or_default(),
                client: flags[1].then_some(client),
                user_agent: user_agent.as_deref(),
                key: key.as_deref(),
                team: team.as_deref(),
                app: app.as_deref(),
                asked_model: asked_model.as_deref(),
                model: model.as_deref(),
                instead: instead.as_deref(),
                stream: numbers[0].map(|_| flags[2]),
                served_provider: provider.as_deref(),
                served_model: served.as_deref(),
                attempts: tried.len(),
                tried: tried.iter().map(|texts| attempt(texts, numbers[1])).collect(),
                strategy: numbers[2].map(|_| crate::routing::spec::Strategy::LeastBusy),
                lower_tier: numbers[3].map(|number| number as u32),
                cache: message.as_deref(),
                dropped: &dropped,
                guards: dropped.clone(),
                input_tokens: numbers[4],
                output_tokens: numbers[5],
                cached_tokens: numbers[6],
                reasoning_tokens: numbers[7],
                usage: counted,
                estimated: flags[2],
                abandoned: flags[3],
                cost_usd: numbers[8].map(MicroUsd),
                budgets: dropped.clone(),
                first_token_ms: numbers[5],
                provider_status: numbers[6].map(|number| number as u16),
                transport: transport.as_deref(),
                error: error.as_deref(),
                message: message.as_deref(),
                param: served.as_deref(),
            };
            prop_assert_eq!(record.fragment(), derived(&record));
        }
    }
}
