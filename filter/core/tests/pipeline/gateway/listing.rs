//! Model lists: the properties of each model, and pagination.

use std::rc::Rc;

use serde_json::{Value, json};
use sluice_core::compiled::CompiledConfig;
use sluice_core::pipeline::worker::Worker;
use sluice_core::routing::spec::ModelKind;

use crate::envoy::{Envoy, SECRET};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The list of a gateway with 30 models, `m00` to `m29`, and two models with known properties.
fn get(path: &str, anthropics: bool) -> (u16, Value) {
    let some: Vec<String> =
        (0..30).map(|at| format!(r#""m{at:02}":{{"targets":[{{"provider":"oai","model":"m"}}]}}"#)).collect();
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},
            "models":{{"known":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"oai","model":"long"}}]}},
                       "vectors":{{"targets":[{{"provider":"oai","model":"text-embedding-3"}}]}},{}}},
            "capabilities":{{"oai/gpt":{{"created":1754524800,"max_input":1000,"kind":"completion"}},"oai/long":{{"max_input":2000}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]}}"#,
        some.join(","),
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    let config = CompiledConfig { since: Some(1_800_000_000), ..config };
    let envoy = Envoy::with(Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::new(Shared::default()));
    let key = ("x-api-key", SECRET.as_bytes());
    let headers = if anthropics { vec![key, ("anthropic-version", b"2023-06-01")] } else { vec![key] };
    let seen = envoy.send("GET", path, &headers, b"", &[]);
    (seen.status, serde_json::from_str(&seen.body).unwrap())
}

fn page(query: &str, anthropics: bool) -> (Vec<String>, bool) {
    let (status, list) = get(&format!("/v1/models{query}"), anthropics);
    assert_eq!(status, 200, "{list}");
    let ids: Vec<String> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, list["has_more"].as_bool().unwrap())
}

#[test]
fn a_model_is_listed_with_what_is_known_of_it() {
    for (name, created, kind, length) in [
        ("known", 1_754_524_800, "completion", Some(2000)),
        ("vectors", 1_800_000_000, "embedding", None),
        ("m07", 1_800_000_000, "chat", None),
    ] {
        let (_, model) = get(&format!("/v1/models/{name}"), false);
        let mut expected =
            json!({"id": name, "object": "model", "created": created, "owned_by": "sluice", "kind": kind});
        if let Some(length) = length {
            expected["context_length"] = json!(length);
        }
        assert_eq!(model, expected);
    }
    for name in ["gpt-3.5-turbo-instruct", "babbage-002"] {
        assert_eq!(ModelKind::likely(name), ModelKind::Completion, "{name}");
    }
    let (_, model) = get("/v1/models/known", true);
    assert_eq!((&model["created_at"], &model["max_input_tokens"]), (&json!("2025-08-07T00:00:00Z"), &json!(2000)));
}

#[test]
fn openais_list_has_all_models_and_anthropics_comes_in_pages() {
    let all = page("", false);
    assert_eq!((all.0.len(), all.1), (32, false));
    let first = page("", true);
    assert_eq!((first.0.len(), first.1), (20, true));
    let second = page(&format!("?after_id={}", first.0.last().unwrap()), true);
    assert_eq!((second.0.len(), second.1), (12, false));
    assert_eq!([first.0, second.0].concat(), all.0);
    assert_eq!(page("?limit=1000", true), all);
}

#[test]
fn a_page_goes_on_from_a_name_in_either_direction() {
    let (all, _) = page("", false);
    assert_eq!(page("?limit=2", false), (all[..2].to_vec(), true));
    assert_eq!(page(&format!("?limit=2&after={}", all[1]), false), (all[2..4].to_vec(), true));
    assert_eq!(page(&format!("?limit=2&before_id={}", all[10]), true), (all[8..10].to_vec(), true));
    assert_eq!(page(&format!("?before_id={}", all[2]), true), (all[..2].to_vec(), false));
    assert_eq!(page(&format!("?after_id={}&before_id={}", all[2], all[5]), true), (all[3..5].to_vec(), false));
    assert_eq!(page(&format!("?after_id={}&before_id={}", all[5], all[2]), true), (Vec::new(), false));
    assert_eq!(page(&format!("?after_id={}", all[31]), true), (Vec::new(), false));
    assert_eq!(page("?limit=%32", false), page("?limit=2", false));
    for param in ["after", "after_id", "before", "before_id"] {
        let (_, refused) = get(&format!("/v1/models?{param}=nowhere"), false);
        assert_eq!(refused["error"]["param"], json!(param));
    }
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?limit=-1", "?after_id=nowhere", "?before=nowhere"] {
        let (status, refused) = get(&format!("/v1/models{query}"), false);
        assert_eq!((status, &refused["error"]["type"]), (400, &json!("invalid_request_error")), "{query}");
    }
}
