use serde_json::json;
use sluice_core::key_hash::KeyHash;
use sluice_core::provider::format::Format;
use sluice_core::provider::kind::Kind;
use sluice_wire::dialect::openai_chat;

use super::*;

/// A file without mistakes; each case changes one thing.
const GOOD: &str = r#"{
  "listen": "127.0.0.1:8080",
  "providers": {
    "openai": { "kind": "openai", "key": { "env": "OPENAI_API_KEY" } },
    "claude": { "kind": "anthropic", "key": { "file": "claude.key" } },
    "local": { "kind": "openai", "url": "http://127.0.0.1:9001/", "stream_usage": false }
  },
  "models": {
    "chat": { "targets": [{ "provider": "openai", "model": "gpt-5" }, { "provider": "local", "model": "a/b:c" }] },
    "gpt-4.1": { "targets": [{ "provider": "claude", "model": "claude-x" }] }
  },
  "teams": { "research": {} },
  "keys": [
    { "id": "alice", "team": "research", "sha256": "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef",
      "models": ["chat"], "expires": "2027-01-31T00:00:00Z" },
    { "id": "bob", "team": "research", "sha256": "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  ]
}"#;

fn good() -> file::File {
    serde_json::from_str(GOOD).unwrap()
}

fn mistakes_after(change: impl FnOnce(&mut file::File)) -> Vec<String> {
    let mut file = good();
    change(&mut file);
    match crate::compile(&file) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(Diagnostic::to_string).collect(),
    }
}

#[test]
fn a_good_file_becomes_a_gateway() {
    let config = crate::from_json(GOOD.as_bytes()).unwrap();
    let chat = &config.models["chat"];
    assert_eq!(chat.targets[0].provider.authority, "api.openai.com");
    assert_eq!(chat.targets[0].provider.layout.path(&openai_chat::PROVIDER, "m", false), "/v1/chat/completions");
    assert_eq!(chat.targets[1].provider.authority, "127.0.0.1:9001");
    assert_eq!(chat.targets[1].provider.layout.path(&openai_chat::PROVIDER, "m", false), "/chat/completions");
    assert!(!chat.targets[1].provider.stream_usage);
    let hash = KeyHash::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    let alice = &config.keys[&hash].caller;
    assert_eq!((&*alice.key_id, alice.expires), ("alice", Some(1_801_353_600)));
    assert_eq!(config.timeouts.first_token.plain, Duration::from_secs(30));
}

#[test]
fn a_file_of_the_wrong_shape_is_one_mistake() {
    let diagnostics = crate::from_json(br#"{"providers": 1}"#).unwrap_err();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].path, "");
}

#[test]
fn each_mistake_is_named_with_what_would_be_right() {
    type Change = fn(&mut file::File);
    let cases: &[(Change, &str)] = &[
        (|f| f.listen = "localhost:80".into(), "listen: found \"localhost:80\", expected an IP address and a port"),
        (|f| f.listen = "127.0.0.1:0".into(), "listen: found \"127.0.0.1:0\""),
        (|f| rename(f, "local", "Local"), "providers.Local: found \"Local\", expected a name of lower-case"),
        (|f| rename(f, "local", "none"), "providers.none: found the reserved name \"none\""),
        (|f| rename(f, "local", "sluice-x"), "providers.sluice-x: found the reserved name"),
        (|f| provider(f).url = Some("api".into()), "providers.openai.url: found no http:// or https://"),
        (
            |f| provider(f).url = Some("http://127.0.0.1:8080/v1".into()),
            "providers.openai.url: found the gateway's own",
        ),
        (
            |f| provider(f).kind = Kind::named("azure").unwrap(),
            "providers.openai.url: found nothing, expected its base URL: a provider of kind azure has no default \
             URL",
        ),
        (
            |f| provider(f).api_version = Some("v1".into()),
            "providers.openai.api_version: found \"v1\", expected no such field",
        ),
        (
            |f| provider(f).keys = vec![file::Secret { env: None, file: None }],
            "providers.openai.keys[0]: found neither env nor file",
        ),
        (
            |f| provider(f).keys = provider(f).key.clone().into_iter().collect(),
            "providers.openai.keys[0]: found a duplicate key, expected each key once",
        ),
        (|f| provider(f).key_count = Some(9), "providers.openai.keys: found 9 keys in total, expected at most 8"),
        (|f| provider(f).key_rest = "0s".into(), "providers.openai.key_rest: found \"0s\", expected a time"),
        (|f| provider(f).speaks = Some(vec![]), "providers.openai.speaks: found an empty list, expected at least one"),
        (
            |f| provider(f).speaks = Some(vec![Format::all().next().unwrap(); 2]),
            "providers.openai.speaks[1]: found \"chat\" again, expected each format once",
        ),
        (|f| secret(f).file = Some("x".into()), "providers.openai.key: found both env and file"),
        (|f| secret(f).env = None, "providers.openai.key: found neither env nor file"),
        (|f| secret(f).env = Some("sk-secret".into()), "providers.openai.key.env: found text that is not a valid name"),
        (
            |f| schema(f, json!("text")),
            "models.chat.answers.schema: found \"\\\"text\\\"\", expected a JSON Schema: an object",
        ),
        #[cfg(not(target_arch = "wasm32"))]
        (
            |f| schema(f, json!({"properties": {"a": {"oneOf": [true, {"minLenght": 1}]}}})),
            "models.chat.answers.schema.properties.a.oneOf[1].minLenght: found the keyword \"minLenght\", expected one of:",
        ),
        #[cfg(not(target_arch = "wasm32"))]
        (
            |f| schema(f, json!({"$ref": "https://example.com/a"})),
            "models.chat.answers.schema[\"$ref\"]: found \"https://example.com/a\", expected a reference to a part",
        ),
        (
            |f| target(f).provider = "opnai".into(),
            "models.chat.targets[0].provider: found \"opnai\", expected one of: claude, local, openai (did you mean \"openai\"?)",
        ),
        (|f| target(f).model = "a\r\nb".into(), "models.chat.targets[0].model: found \"a\\r\\nb\", expected 1 to 256"),
        (|f| targets(f).clear(), "models.chat.targets: found an empty list"),
        (
            |f| {
                let m = f.models.remove("chat").unwrap();
                f.models.insert(String::new(), m);
                f.keys[0].models = None
            },
            "models[\"\"]: found \"\"",
        ),
        (|f| f.keys[1].id = "alice".into(), "keys[1].id: found \"alice\" again, as in keys[0]"),
        (|f| f.keys[1].id = "a b".into(), "keys[1].id: found \"a b\", expected 1 to 64"),
        (|f| f.keys[1].sha256 = "sk-secret".into(), "keys[1].sha256: found 9 characters that are not a SHA-256"),
        (|f| f.keys[1].sha256 = f.keys[0].sha256.to_lowercase(), "keys[1].sha256: found the same key as in keys[0]"),
        (|f| f.keys[1].team = "reserch".into(), "keys[1].team: found \"reserch\", expected \"research\""),
        (
            |f| f.keys[0].models = Some(vec!["cat".into()]),
            "keys[0].models[0]: found \"cat\", expected one of: chat, gpt-4.1 (did you mean \"chat\"?)",
        ),
        (|f| f.keys[0].models = Some(vec![]), "keys[0].models: found an empty list"),
        (
            |f| f.keys[0].models = Some(vec!["chat".into(), "claude-*".into()]),
            "keys[0].models[1]: found \"claude-*\", expected a pattern that matches one of: chat, gpt-4.1",
        ),
        (|f| f.keys[0].app = Some("bot".into()), "keys[0].app: found \"bot\", expected no such field, or add this app"),
        (
            |f| f.keys[0].endpoints = Some(vec!["v1/chat".into()]),
            "keys[0].endpoints[0]: found \"v1/chat\", expected a path without a query",
        ),
        (|f| f.keys[0].endpoints = Some(vec!["/v1?x".into()]), "keys[0].endpoints[0]: found \"/v1?x\""),
        (|f| f.keys[0].endpoints = Some(vec![]), "keys[0].endpoints: found an empty list"),
        (
            |f| f.keys[0].sources = Some(vec!["::1".into(), "10.0.0.1/8".into()]),
            "keys[0].sources[1]: found \"10.0.0.1/8\", expected an IP address, or a network",
        ),
        (|f| f.keys[0].sources = Some(vec![]), "keys[0].sources: found an empty list"),
        (|f| label(f, "a b", "x"), "keys[0].labels[\"a b\"]: found \"a b\", expected 1 to 64"),
        (|f| label(f, "a", "x\ny"), "keys[0].labels.a: found \"x\\ny\", expected up to 256 characters"),
        (|f| previous(f, "sk-secret", "2027-01-01T00:00:00Z"), "keys[0].previous.sha256: found 9 characters that"),
        (|f| previous(f, &"2".repeat(64), "soon"), "keys[0].previous.until: found \"soon\", expected a date"),
        (
            |f| previous(f, &f.keys[0].sha256.clone(), "2027-01-01T00:00:00Z"),
            "keys[0].previous.sha256: found the same hash as the key's current secret",
        ),
        (
            |f| previous(f, &f.keys[1].sha256.clone(), "2027-01-01T00:00:00Z"),
            "keys[1].sha256: found the same key as in keys[0]",
        ),
        (|f| f.keys[0].expires = Some("tomorrow".into()), "keys[0].expires: found \"tomorrow\", expected a date"),
        (|f| f.timeouts.idle = Some("0s".into()), "timeouts.idle: found \"0s\", expected a time above zero"),
        (|f| f.timeouts.total = "25h".into(), "timeouts.total: found \"25h\""),
        (|f| f.teams.clear(), "teams: found none"),
    ];
    for (change, expected) in cases {
        let diagnostics = mistakes_after(change);
        assert_eq!(diagnostics.len(), 1, "{expected}: {diagnostics:#?}");
        assert!(diagnostics[0].starts_with(expected), "{expected}\n{}", diagnostics[0]);
    }
}

#[test]
fn a_plan_fits_what_envoy_tries() {
    let with = |count: usize| mistakes_after(|file| *targets(file) = vec![targets(file)[0].clone(); count]);
    assert!(with(16).is_empty());
    assert_eq!(with(17), ["models.chat.targets: found 17 targets, expected at most 16"]);
}

#[test]
fn all_mistakes_are_reported_at_once_and_no_consequence_of_another() {
    let diagnostics = mistakes_after(|f| {
        f.listen = "x".into();
        f.providers.clear();
        f.keys[0].expires = Some("x".into());
        f.timeouts.total = "x".into();
    });
    assert_eq!(diagnostics.len(), 4, "{diagnostics:#?}");
}

fn label(file: &mut file::File, name: &str, value: &str) {
    file.keys[0].labels.insert(name.into(), value.into());
}

fn previous(file: &mut file::File, sha256: &str, until: &str) {
    file.keys[0].previous = Some(file::Previous { sha256: sha256.into(), until: until.into() });
}

#[test]
fn a_key_that_is_being_rotated_has_two_secrets_and_one_caller() {
    let mut file = good();
    previous(&mut file, &"2".repeat(64), "2027-01-31T00:00:00Z");
    let config = crate::compile(&file).unwrap();
    let of = |hex: &str| &config.keys[&KeyHash::from_hex(hex).unwrap()];
    let (present, before) = (of(&file.keys[0].sha256), of(&"2".repeat(64)));
    assert_eq!((present.until, before.until), (None, Some(1_801_353_600)));
    assert!(Rc::ptr_eq(&present.caller, &before.caller));
}

#[test]
fn one_key_is_checked_against_the_rest_as_if_it_stood_in_the_file() {
    let config = crate::compile(&good()).unwrap();
    let mut key = file::Key { id: "carol".into(), models: Some(vec!["gpt-*".into()]), ..good().keys[0].clone() };
    let compiled = crate::compile_key(&config, &key).unwrap();
    let caller = &compiled[0].1.caller;
    assert_eq!((compiled.len(), &*caller.key_id), (1, "carol"));
    assert!(caller.may_use("gpt-4.1") && !caller.may_use("chat"));

    key.models = Some(vec!["gone".into()]);
    key.team = "nobody".into();
    let paths =
        |diagnostics: Vec<Diagnostic>| diagnostics.into_iter().map(|diagnostic| diagnostic.path).collect::<Vec<_>>();
    assert_eq!(paths(crate::compile_key(&config, &key).unwrap_err()), ["team", "models[0]"]);
    assert_eq!(
        paths(crate::restore_key(&config, &key).unwrap_err()),
        ["team"],
        "a team must answer for it at any time"
    );
    key.team = "research".into();
    let kept = crate::restore_key(&config, &key).unwrap();
    assert!(!kept[0].1.caller.may_use("chat"), "a key whose models are gone may use none");
}

#[test]
fn hashes_are_the_same_in_all_their_bytes_only() {
    let hash = KeyHash([7; 32]);
    assert!(hash.same(&KeyHash([7; 32])));
    for index in 0..32 {
        let mut other = hash;
        other.0[index] ^= 1;
        assert!(!hash.same(&other), "{index}");
    }
}

fn rename(file: &mut file::File, from: &str, to: &str) {
    let provider = file.providers.remove(from).unwrap();
    file.providers.insert(to.into(), provider);
    for target in file.models.values_mut().flat_map(|model| &mut model.targets) {
        if target.provider == from {
            target.provider = to.into();
        }
    }
}

fn provider(file: &mut file::File) -> &mut file::Provider {
    file.providers.get_mut("openai").unwrap()
}

fn secret(file: &mut file::File) -> &mut file::Secret {
    provider(file).key.as_mut().unwrap()
}

fn targets(file: &mut file::File) -> &mut Vec<file::Target> {
    &mut file.models.get_mut("chat").unwrap().targets
}

fn schema(file: &mut file::File, schema: serde_json::Value) {
    file.models.get_mut("chat").unwrap().answers.schema = Some(sluice_wire::json::from_value(&schema).unwrap());
}

fn target(file: &mut file::File) -> &mut file::Target {
    &mut targets(file)[0]
}

#[test]
fn what_a_server_speaks_can_be_said_and_its_kinds_way_of_it_stays() {
    let with = |fields: &str| {
        let json = GOOD.replace(r#""kind": "openai", "url""#, &format!(r#"{fields}, "url""#));
        crate::from_json(json.as_bytes()).unwrap().models["chat"].targets[1].provider.clone()
    };
    let names = |fields: &str| with(fields).formats.iter().map(|format| format.id.name()).collect::<Vec<_>>();
    assert_eq!(names(r#""kind": "ollama""#), ["openai_chat", "completions", "openai_embeddings"]);
    let both = r#""kind": "ollama", "speaks": ["messages", "chat"]"#;
    assert_eq!(names(both), ["anthropic", "openai_chat"]);
    assert!(!with(both).formats[1].departs.quirks.is_empty(), "as Ollama speaks it");
}

#[test]
fn a_version_of_azures_is_a_word() {
    let azure = |version: &str| {
        let diagnostics = mistakes_after(|f| {
            let provider = provider(f);
            provider.kind = Kind::named("azure").unwrap();
            provider.url = Some("https://name.openai.azure.com".into());
            provider.api_version = Some(version.into());
        });
        diagnostics.first().cloned()
    };
    assert_eq!(azure("2025-04-01-preview"), None);
    for bad in ["", "2024-10-21&x=1", "a/b"] {
        assert!(azure(bad).unwrap().starts_with("providers.openai.api_version: found"), "{bad}");
    }
}
