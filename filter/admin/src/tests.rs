use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};
use sluice_core::cache::key::KeyBuilder;
use sluice_core::cache::whose::Names;
use sluice_core::cache::{Bounds, CachedResponse, Form, slots};
use sluice_core::pipeline::Event;
use sluice_core::store::Conflict;
use sluice_wire::hex;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod usage;

const ADMIN: &str = "sk-admin";
/// 2027-01-15T08:00:00Z
const NOW: u64 = 1_800_000_000;

fn hash(secret: &str) -> String {
    hex::encoded(&Sha256::digest(secret))
}

fn service(redis: bool) -> Rc<Service> {
    let mut file = json!({
        "providers": { "oai": { "kind": "openai", "url": "https://oai.test/v1" } },
        "models": { "chat": { "targets": [{ "provider": "oai", "model": "gpt" }], "limits": { "requests_per_minute": 7 } } },
        "teams": { "research": { "limits": { "tokens_per_day": 1000 }, "budget": { "monthly": 20 } }, "ops": {} },
        "keys": [{ "id": "filed", "team": "research", "sha256": hash("filed"), "owner": "F" },
                 { "id": "zoe", "team": "ops", "sha256": hash("zoe"), "expires": "2020-01-01T00:00:00Z" }],
        "prices": { "models": { "oai/gpt": { "input": 0.25, "output": 2 } } },
        "admin": { "sha256": hash(ADMIN) }
    });
    if redis {
        file["redis"] = json!({ "url": "http://redis:7379" });
    }
    // The module never receives a secret's place.
    if cfg!(not(target_arch = "wasm32")) {
        file["providers"]["oai"]["key"] = json!({ "env": "SECRET_PLACE" });
        if redis {
            file["redis"]["token"] = json!({ "env": "REDIS_PLACE" });
        }
    }
    let file: file::File = serde_json::from_value(file).unwrap();
    let Value::Object(text) = serde_json::to_value(&file).unwrap() else { unreachable!("a struct is an object") };
    Rc::new(Service::new(file, text, None).unwrap())
}

#[derive(Default)]
struct Message {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl View for Message {
    fn now(&self) -> Time {
        Time(NOW * 1_000_000_000)
    }
    fn headers(&self) -> Result<HeaderMap, Unreadable> {
        Ok(self.headers.clone())
    }
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.headers.get(name).map(<[u8]>::to_vec))
    }
    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable> {
        self.body.get(range).map(<[u8]>::to_vec).ok_or(Unreadable)
    }
    fn provider_left(&self) -> bool {
        false
    }
    fn source(&self) -> Option<std::net::IpAddr> {
        None
    }
}

#[derive(Default)]
struct Shared(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl SharedData for Shared {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).cloned()
    }
    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        let mut map = self.0.borrow_mut();
        let now = map.get(name).map_or(0, |(_, version)| *version);
        if version != 0 && now != 0 && now != version {
            return Err(Conflict);
        }
        map.insert(name.to_owned(), (value.to_vec(), now + 1));
        Ok(())
    }
}

/// A host with a fake Redis: a list of functions, each called with the words of a command as Upstash encodes them.
struct Host {
    service: Rc<Service>,
    shared: Shared,
    seed: Cell<u8>,
}

struct Seen {
    status: u16,
    headers: BTreeMap<&'static str, String>,
    body: Value,
    content_type: Cow<'static, str>,
    text: String,
    log: Value,
    asked: Vec<Vec<String>>,
}

impl Host {
    fn new(redis: bool) -> Self {
        Self { service: service(redis), shared: Shared::default(), seed: Cell::new(0) }
    }

    fn send(&self, method: &str, path: &str, body: &str, redis: &[Value]) -> Seen {
        self.raw(method, path, &[("authorization", &format!("Bearer {ADMIN}"))], body.as_bytes(), redis)
    }

    fn get(&self, path: &str, redis: &[Value]) -> Seen {
        self.send("GET", path, "", redis)
    }

    /// Sends a request. Redis replies with each of `redis` in turn; null means unreachable.
    fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8], redis: &[Value]) -> Seen {
        let mut message = Message::default();
        for (name, value) in [(":method", method), (":path", &*format!("/admin/v1{path}"))].iter().chain(headers) {
            message.headers.push(name, value);
        }
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                self.seed.set(self.seed.get().wrapping_add(37));
                *byte = self.seed.get();
            }
            true
        };
        let mut admin_request = AdminRequest::new(self.service.clone());
        let mut effects = Vec::new();
        let event = Event::RequestHeaders { end: body.is_empty() };
        let mut outcome = admin_request.request(event, &message, &self.shared, &mut random, &mut effects);
        if effects.is_empty() && !body.is_empty() {
            message.body = body.to_vec();
            for (size, end) in [(body.len() / 2, false), (body.len(), true)] {
                if effects.is_empty() {
                    let event = Event::RequestBody { size, end };
                    outcome = admin_request.request(event, &message, &self.shared, &mut random, &mut effects);
                }
            }
        }
        let mut asked = Vec::new();
        let mut script = redis.iter();
        while let AdminOutcome::Ask(call) = outcome {
            asked.push(words(&call.body));
            let answer = script.next().unwrap_or_else(|| panic!("one more command: {:?}", asked.last()));
            let called = match answer {
                Value::Null => Called { status: None, body: Vec::new() },
                answer => Called { status: Some(200), body: json!({ "EVAL": answer }).to_string().into_bytes() },
            };
            outcome = admin_request.called(&called, &message, &self.shared, &mut random, &mut effects);
        }
        assert_eq!(script.next(), None, "fewer commands than answers: {asked:?}");
        let AdminOutcome::Step(Flow::Reply(HttpReply { status, headers, body, content_type, .. })) = outcome else {
            panic!("no reply: {outcome:?}")
        };
        let [Effect::SetProperty(property::LOG, log)] = effects.as_slice() else { panic!("one line: {effects:?}") };
        Seen {
            status,
            headers: headers.into_iter().collect(),
            body: if content_type == "application/json" { serde_json::from_slice(&body).unwrap() } else { Value::Null },
            content_type,
            text: String::from_utf8(body).unwrap(),
            log: serde_json::from_str(&format!("{{\"at\":0{log}}}")).unwrap(),
            asked,
        }
    }
}

/// The words of a Webdis command.
fn words(body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body).unwrap();
    text.split('/')
        .map(|word| Query::read(&format!("w={}", word.replace('+', "%2B"))).unwrap().take("w").unwrap())
        .collect()
}

impl Seen {
    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or_default())
    }
}

fn record(change: impl FnOnce(&mut Value)) -> Value {
    let mut key = json!({ "id": "alice", "sha256": hash("alice"), "team": "research" });
    change(&mut key);
    json!([key["sha256"], key.to_string()])
}

#[test]
fn only_the_administrator_learns_anything() {
    let host = Host::new(true);
    for headers in [
        &[][..],
        &[("authorization", "Bearer sk-other")],
        &[("authorization", "Bearer")],
        &[("authorization", "Basic sk-admin")],
        &[("x-api-key", ADMIN)],
    ] {
        for path in ["/keys", "/nothing", "/health", "/keys/a/b/c"] {
            let seen = host.raw("GET", path, headers, b"", &[]);
            assert_eq!(seen.error(), (401, "unauthorized"), "{path} {headers:?}");
            assert_eq!(seen.headers["www-authenticate"], "Bearer");
        }
    }
    let described = host.raw("GET", "/openapi.json", &[], b"", &[]);
    assert_eq!((described.status, described.body), (200, serde_json::from_str(include_str!("openapi.json")).unwrap()));
    assert_eq!(host.raw("GET", "/prices", &[("authorization", "bearer  sk-admin ")], b"", &[]).status, 200);
}

#[test]
fn a_key_is_created_with_a_secret_that_only_the_answer_holds() {
    let host = Host::new(true);
    let body = json!({ "id": "alice", "team": "research", "models": ["chat"], "budget": { "daily": 0.5 } }).to_string();
    let seen = host.send("POST", "/keys", &body, &[json!(1)]);
    assert_eq!(seen.status, 201, "{}", seen.body);
    assert_eq!((&*seen.headers["location"], &*seen.headers["cache-control"]), ("/admin/v1/keys/alice", "no-store"));
    let secret = seen.body["secret"].as_str().unwrap();
    assert!(sluice_core::keys::secret::is_well_formed(secret.as_bytes()), "{secret}");
    assert_eq!(seen.body["key"]["state"], "active");
    let command = &seen.asked[0];
    let sha256 = hash(secret);
    assert_eq!(command[2..6], ["3", "{sluice}:keys", "{sluice}:ids", &format!("{{sluice}}:key:{sha256}")]);
    assert_eq!(command[6..8], ["alice", &sha256]);
    let written: Key = serde_json::from_str(&command[8]).unwrap();
    assert_eq!((written.sha256.as_str(), written.budget.daily), (&*sha256, Some(0.5)));
    assert!(!seen.asked[0].concat().contains(secret) && !seen.body["key"].to_string().contains(&sha256));
    assert_eq!(seen.log, json!({ "at": 0, "admin": "keys.create", "key": "alice" }));
    let another = host.send("POST", "/keys", &body, &[json!(1)]);
    assert_ne!(another.body["secret"], seen.body["secret"]);
}

use sluice_config::file::Key;

#[test]
fn a_key_may_have_every_control() {
    let all = json!(["route", "fallback", "timeout", "targets", "report", "cache"]);
    let body = json!({ "id": "alice", "team": "research", "control": all }).to_string();
    let seen = Host::new(true).send("POST", "/keys", &body, &[json!(1)]);
    assert_eq!((seen.status, &seen.body["key"]["control"]), (201, &all), "{}", seen.body);
}

#[test]
fn of_two_who_take_the_same_id_one_is_told_that_it_is_taken() {
    let host = Host::new(true);
    let body = r#"{"id":"alice","team":"research"}"#;
    assert_eq!(host.send("POST", "/keys", body, &[json!(0)]).error(), (409, "key_exists"));
    let filed = host.send("POST", "/keys", r#"{"id":"filed","team":"research"}"#, &[]);
    assert_eq!(filed.error(), (409, "key_exists"));
}

#[test]
fn what_is_no_key_is_refused_by_field() {
    let host = Host::new(true);
    for (body, status, param) in [
        (r#"{"team":"research"}"#, 400, json!("id")),
        (r#"{"id":"a"}"#, 400, json!("team")),
        (r#"{"id":"a b","team":"research"}"#, 400, json!("id")),
        (r#"{"id":"..","team":"research"}"#, 400, json!("id")),
        (r#"{"id":"a","team":5}"#, 400, json!("team")),
        (r#"{"id":"a","team":"research","sha256":"00"}"#, 400, json!("sha256")),
        (r#"{"id":"a","team":"research","limits":{"requests":1}}"#, 400, json!("limits")),
        (r#"{"id":"a","team":"research","limits":null}"#, 400, json!("limits")),
        (r#"{"id":"a","team":"research","budget":[null,1]}"#, 400, json!("budget")),
        (r#"{"id":"a","team":"research","limits":{"requests_per_minute":1.5}}"#, 400, json!("limits")),
        (r#"{"id":"a","team":"reserch","limits":{"requests_per_minute":5.0}}"#, 422, json!("team")),
        (r#"{"id":"a","team":"research","models":["gpt"]}"#, 422, json!("models[0]")),
        (r#"{"id":"a","team":"research","expires":"soon"}"#, 422, json!("expires")),
        ("[]", 400, Value::Null),
        ("{", 400, Value::Null),
    ] {
        let seen = host.send("POST", "/keys", body, &[]);
        assert_eq!((seen.status, &seen.body["error"]["param"]), (status, &param), "{body}: {}", seen.body);
    }
}

#[test]
fn bodies_are_bounded_json() {
    let host = Host::new(true);
    let bearer = format!("Bearer {ADMIN}");
    let with = |name: &'static str, value: &'static str| vec![("authorization", &*bearer), (name, value)];
    let seen = host.raw("POST", "/keys", &with("content-type", "text/plain"), b"{}", &[]);
    assert_eq!(seen.error(), (415, "unsupported_media_type"));
    let seen = host.raw("POST", "/keys", &with("content-length", "65537"), b"{}", &[]);
    assert_eq!(seen.error(), (413, "too_large"));
    let seen = host.send("POST", "/keys", &" ".repeat(2 * LARGEST_BODY + 2), &[]);
    assert_eq!(seen.error(), (413, "too_large"));
    let seen = host.raw("POST", "/keys", &with("content-type", "Application/JSON; charset=utf-8"), b"{}", &[]);
    assert_eq!(seen.error(), (400, "invalid_request"));
}

#[test]
fn keys_of_the_file_are_read_and_never_changed() {
    for host in [Host::new(true), Host::new(false)] {
        let seen = host.get("/keys/filed", &[]);
        assert_eq!(seen.body["source"], "file");
        assert!(!seen.body.to_string().contains(&hash("filed")));
        assert_eq!(host.send("PATCH", "/keys/filed", "{}", &[]).error(), (409, "key_in_file"));
        assert_eq!(host.send("POST", "/keys/filed/revoke", "", &[]).error(), (409, "key_in_file"));
    }
}

#[test]
fn without_redis_nothing_is_written_and_the_answer_says_where_keys_are() {
    let host = Host::new(false);
    for (method, path, body) in [
        ("POST", "/keys", r#"{"id":"a","team":"research"}"#),
        ("PATCH", "/keys/a", "{}"),
        ("POST", "/keys/a/revoke", ""),
        ("POST", "/keys/a/rotate", ""),
    ] {
        let seen = host.send(method, path, body, &[]);
        assert_eq!(seen.error(), (409, "store_read_only"), "{path}");
        assert!(seen.body["error"]["message"].as_str().is_some_and(|text| text.contains("sluice keys new")));
    }
    assert_eq!(host.get("/keys/nobody", &[]).error(), (404, "key_not_found"));
    assert_eq!(host.get("/health", &[]).body["store"], "embedded");
}

#[test]
fn a_patch_merges_and_is_written_only_over_what_was_read() {
    let host = Host::new(true);
    let old = record(|key| key["labels"] = json!({ "room": "1", "floor": "2" }));
    let patch = r#"{"labels":{"room":null,"desk":"3"},"owner":"A","limits":{"requests_per_minute":5}}"#;
    let seen = host.send("PATCH", "/keys/alice", patch, &[old.clone(), json!(1)]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.body["labels"], json!({ "floor": "2", "desk": "3" }));
    assert_eq!(seen.body["limits"]["requests_per_minute"], 5);
    let write = &seen.asked[1];
    assert_eq!(json!(write[7]), old[0], "the hash that was read");
    assert_eq!(json!(write[8]), old[1], "the record that was read");
    assert_eq!(host.send("PATCH", "/keys/alice", "", std::slice::from_ref(&old)).error(), (400, "invalid_request"));
    for (patch, param) in [(r#"{"team":"ops"}"#, "team"), (r#"{"revoked":false}"#, "revoked"), (r#"{"id":"b"}"#, "id")]
    {
        let seen = host.send("PATCH", "/keys/alice", patch, std::slice::from_ref(&old));
        assert_eq!((seen.status, &seen.body["error"]["param"]), (400, &json!(param)));
    }
}

#[test]
fn a_change_that_others_came_before_begins_again_and_at_last_gives_up() {
    let host = Host::new(true);
    let (first, second) = (record(|_| {}), record(|key| key["owner"] = json!("B")));
    let seen = host.send("POST", "/keys/alice/revoke", "", &[first.clone(), json!(0), second, json!(1)]);
    assert_eq!((&seen.body["state"], &seen.body["owner"]), (&json!("revoked"), &json!("B")));
    let script: Vec<Value> = (0..5).flat_map(|_| [first.clone(), json!(0)]).collect();
    assert_eq!(host.send("POST", "/keys/alice/revoke", "", &script).error(), (409, "conflict"));
    assert_eq!(host.send("POST", "/keys/alice/revoke", "", &[Value::String("x".into())]).status, 503);
}

/// The keys and arguments of the script that changes a key.
fn changed(command: &[String]) -> (Vec<&str>, Vec<&str>) {
    let count: usize = command[2].parse().unwrap();
    let (keys, arguments) = command[3..].split_at(count);
    (keys.iter().map(String::as_str).collect(), arguments.iter().map(String::as_str).collect())
}

#[test]
fn a_rotated_key_keeps_its_old_secret_until_its_time() {
    let host = Host::new(true);
    let seen = host.send("POST", "/keys/alice/rotate", r#"{"grace":"1500ms"}"#, &[record(|_| {}), json!(1)]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.body["key"]["state"], "rotating");
    assert_eq!(seen.body["key"]["previous_until"], "2027-01-15T08:00:02Z");
    let new = hash(seen.body["secret"].as_str().unwrap());
    let (keys, arguments) = changed(&seen.asked[1]);
    let name = |hash: &str| format!("{{sluice}}:key:{hash}");
    assert_eq!(keys, ["{sluice}:keys", &name(&hash("alice")), &name(&new), &name(&hash("alice"))]);
    assert_eq!((arguments[3], arguments[5]), (&*new, "604802000"), "a week beyond");
    let written: Key = serde_json::from_str(arguments[4]).unwrap();
    assert_eq!(written.previous.map(|previous| previous.sha256), Some(hash("alice")));
}

#[test]
fn of_a_key_that_is_being_rotated_the_request_says_what_becomes_of_both_secrets() {
    let host = Host::new(true);
    let rotating = record(|key| {
        key["previous"] = json!({ "sha256": hash("before"), "until": "2027-01-15T09:00:00Z" });
    });
    let seen = host.send("POST", "/keys/alice/rotate", "", std::slice::from_ref(&rotating));
    assert_eq!(seen.error(), (409, "key_rotating"));
    for (body, before) in [(r#"{"again":true}"#, "608400000"), (r#"{"grace":"0s"}"#, "0")] {
        let seen = host.send("POST", "/keys/alice/rotate", body, &[rotating.clone(), json!(1)]);
        let (keys, arguments) = changed(&seen.asked[1]);
        let left: BTreeMap<&str, &str> = keys[3..].iter().copied().zip(arguments[5..].iter().copied()).collect();
        assert_eq!(left[&*format!("{{sluice}}:key:{}", hash("before"))], before, "{body}");
        assert_eq!(left[&*format!("{{sluice}}:key:{}", hash("alice"))], "0", "the newest ends at once");
    }
    // Other changes keep both secrets in sync.
    let seen = host.send("POST", "/keys/alice/revoke", "", &[rotating, json!(1)]);
    let (keys, arguments) = changed(&seen.asked[1]);
    assert_eq!((keys[3], arguments[5]), (&*format!("{{sluice}}:key:{}", hash("before")), "608400000"));
    let revoked = record(|key| key["revoked"] = json!(true));
    assert_eq!(host.send("POST", "/keys/alice/rotate", "", &[revoked]).error(), (409, "key_revoked"));
    for grace in ["2161h", "1d", "", "-1s"] {
        let body = json!({ "grace": grace }).to_string();
        assert_eq!(host.send("POST", "/keys/alice/rotate", &body, &[]).error(), (400, "invalid_request"), "{grace}");
    }
}

#[test]
fn keys_are_listed_in_order_from_both_places_and_without_hashes() {
    let host = Host::new(true);
    let key = |id: &str, team: &str| json!({ "id": id, "sha256": hash(id), "team": team }).to_string();
    // The file has a key `filed` too, which hides that of Redis.
    let kept =
        json!(["alice", key("alice", "research"), "bob", "", "filed", key("filed", "ops"), "yan", key("yan", "ops")]);
    let ids = |seen: &Seen| -> Vec<String> {
        seen.body["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = host.get("/keys", std::slice::from_ref(&kept));
    assert_eq!(
        (ids(&all), &all.body["next"]),
        (vec!["alice".into(), "filed".into(), "yan".into(), "zoe".into()], &Value::Null)
    );
    assert!(!all.body.to_string().contains(&hash("alice")));
    assert_eq!(ids(&host.get("/keys?team=ops&state=active", std::slice::from_ref(&kept))), ["yan"]);
    let page = host.get("/keys?limit=2", std::slice::from_ref(&kept));
    assert_eq!((ids(&page).len(), &page.body["next"]), (2, &json!("filed")));
    let next = host.get("/keys?limit=2&cursor=filed", &[json!(["yan", key("yan", "ops")])]);
    assert_eq!((ids(&next), &next.body["next"]), (vec!["yan".into(), "zoe".into()], &Value::Null));
    assert!(next.asked[0].contains(&"(filed".to_owned()), "{:?}", next.asked);
    assert_eq!(ids(&Host::new(false).get("/keys?state=expired", &[])), ["zoe"]);
}

#[test]
fn a_page_goes_on_through_many_portions_for_what_is_rare() {
    let host = Host::new(true);
    let portion = |from: usize, team: &str| -> Value {
        let key = |id: String| [json!(id), json!(json!({ "id": id, "sha256": hash(&id), "team": team }).to_string())];
        (from..from + 100).flat_map(|number| key(format!("k{number:04}"))).collect()
    };
    let seen = host.get("/keys?team=ops&limit=1", &[portion(0, "research"), portion(100, "ops")]);
    assert_eq!((&seen.body["keys"][0]["id"], &seen.body["next"]), (&json!("k0100"), &json!("k0100")));
    let many: Vec<Value> = (0..50).map(|number| portion(number * 100, "research")).collect();
    let seen = host.get("/keys?team=ops", &many);
    assert_eq!((seen.body["keys"].as_array().map(Vec::len), &seen.body["next"]), (Some(0), &json!("k4999")));
}

#[test]
fn limits_of_a_key_are_all_that_its_requests_meet() {
    let host = Host::new(false);
    let seen = host.get("/limits?of=key&name=filed", &[]);
    let mut shown: Vec<(&str, &str, u64)> = seen.body["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            (rule["scope"].as_str().unwrap(), rule["period"].as_str().unwrap(), rule["remaining"].as_u64().unwrap())
        })
        .collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        [("model=chat", "minute", 7), ("team=research", "day", 1000), ("team=research", "month", 20_000_000)]
    );
    let team = host.get("/limits?of=team&name=research", &[]);
    assert_eq!(team.body["limits"].as_array().map(Vec::len), Some(2));
    let budget = &team.body["limits"][1];
    assert_eq!((&budget["unit"], &budget["limit_usd"]), (&json!("micro_usd"), &json!("20.000000")));
    assert_eq!(host.get("/limits?of=team&name=ops", &[]).body["limits"], json!([]));
    assert_eq!(host.get("/limits?of=team&name=nobody", &[]).error(), (404, "not_found"));
    assert_eq!(host.get("/limits", &[]).error(), (400, "invalid_request"));
    assert_eq!(host.get("/limits?of=team&name=ops&key=zoe", &[]).error(), (400, "invalid_request"));
}

#[test]
fn a_redis_that_does_not_know_the_script_is_given_its_text() {
    let host = Host::new(true);
    let unknown = json!([false, "NOSCRIPT No matching script."]);
    let seen = host.get("/limits?of=model&name=chat", &[unknown, json!("3 30000000 1500000")]);
    assert_eq!((seen.asked[0][0].as_str(), seen.asked[1][0].as_str()), ("EVALSHA", "EVAL"));
    let limit = &seen.body["limits"][0];
    assert_eq!((&limit["used"], &limit["remaining"], &limit["reset_seconds"]), (&json!(3), &json!(4), &json!(2)));
}

#[test]
fn the_configuration_holds_no_secret_and_no_hash() {
    let host = Host::new(true);
    let text = host.get("/config", &[]).body.to_string();
    for hidden in ["SECRET_PLACE", "REDIS_PLACE", &hash("filed"), &hash(ADMIN)] {
        assert!(!text.contains(hidden), "{text}");
    }
    assert!(text.contains("\"sha256\":\"***\"") && text.contains("https://oai.test/v1"), "{text}");
    let prices = host.get("/prices", &[]).body;
    assert_eq!(prices["targets"][0]["price"]["output"], "2.000000");
}

#[test]
fn health_is_the_stores() {
    let host = Host::new(true);
    let seen = host.get("/health", &[json!([true, "PONG"])]);
    assert_eq!((seen.status, &seen.body["mode"]), (200, &json!("strict")));
    let down = host.get("/health", &[Value::Null]);
    assert_eq!((down.status, &down.body["status"]), (503, &json!("unavailable")));
    assert_eq!(host.get("/keys", &[Value::Null]).error(), (503, "store_unavailable"));
    let loading = json!([false, "LOADING Redis is loading the dataset in memory"]);
    assert_eq!(host.get("/keys/alice", &[loading]).error(), (503, "store_unavailable"));
}

#[test]
fn the_document_names_every_operation_and_every_reference_is_there() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let path = format!("/admin/v1{}", path.replace("{id}", "a"));
            let known = Operation::find(&method.to_uppercase(), &path).unwrap();
            let answers = operation["responses"].as_object().unwrap();
            let of_bodies = known.has_body().then_some(["400", "413", "415"]);
            let of_keys = (known.has_body() && known != Operation::PurgeCache).then_some(["409", "422"]);
            for status in of_bodies.into_iter().flatten().chain(of_keys.into_iter().flatten()) {
                assert!(answers.contains_key(status), "{method} {path} {status}");
            }
        }
    }
}

/// Stores a response of this key, team and model.
fn cached(host: &Host, key: &str, team: &str, model: &str) {
    let key_of_request = KeyBuilder::default().part(key).part(team).part(model).key();
    let now = Time(NOW * 1_000_000_000 - 1);
    let entry = CachedResponse {
        made: now,
        expires: now.after(Duration::from_secs(60)),
        cost: 0,
        usage: None,
        form: Form::Whole,
        repeats: 0,
        provider: "oai".to_owned(),
        model: "gpt".to_owned(),
        content_type: "application/json".to_owned(),
        dropped: String::new(),
        body: b"{}".to_vec(),
    };
    let names = Names { key: Some(key), team: Some(team), model: Some(model), ..Names::default() };
    let bounds = Bounds { memory: 1 << 20, largest: 1 << 10, shared: None };
    assert!(slots::keep(&host.shared, &key_of_request, (&entry, names.whose()), now, &bounds));
}

#[test]
fn cached_answers_are_purged_by_all_the_names_that_are_given() {
    let host = Host::new(false);
    for (key, team, model) in
        [("a", "red", "chat"), ("b", "red", "chat"), ("c", "blue", "chat"), ("d", "blue", "embed")]
    {
        cached(&host, key, team, model);
    }
    for (body, purged) in [
        (json!({"team": "red", "model": "embed"}), 0),
        (json!({"key": "a"}), 1),
        (json!({"team": "blue", "model": "chat"}), 1),
        (json!({"app": "x"}), 0),
        (json!({"namespace": "x"}), 0),
        (json!({"team": "red"}), 1),
        (json!({"all": true}), 1),
        (json!({"all": true}), 0),
    ] {
        let seen = host.send("POST", "/cache/purge", &body.to_string(), &[]);
        assert_eq!((seen.status, &seen.body), (200, &json!({"purged": purged, "covers": "envoy"})), "{body}");
        assert_eq!(seen.log["admin"], "cache.purge");
    }
}

#[test]
fn a_purge_says_what_it_is_of() {
    let host = Host::new(false);
    for (body, param) in [
        ("", "all"),
        ("{}", "all"),
        (r#"{"all":false}"#, "all"),
        (r#"{"all":true,"team":"red"}"#, "all"),
        (r#"{"all":false,"team":"red"}"#, "all"),
        (r#"{"team":""}"#, "team"),
        (r#"{"team":null}"#, "team"),
        (r#"{"key":["a"]}"#, "key"),
        (r#"{"teams":"red"}"#, "teams"),
    ] {
        let seen = host.send("POST", "/cache/purge", body, &[]);
        assert_eq!((seen.status, &seen.body["error"]["param"]), (400, &json!(param)), "{body}");
    }
    assert_eq!(host.get("/cache/purge", &[]).status, 405);
    assert_eq!(host.raw("POST", "/cache/purge", &[], b"{\"all\":true}", &[]).status, 401);
}
