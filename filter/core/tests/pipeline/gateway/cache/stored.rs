//! Which responses are stored.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_did_not_come_to_its_end_or_is_no_answer_is_not_kept() {
    let open = &STREAM[..1];
    for (stream, script) in [
        (true, sse(open)),
        (true, Script::Lost(open.to_vec())),
        (true, sse(&["data: {\"error\":{\"message\":\"no\"}}\n\n"])),
        (false, json(400, r#"{"error":{"message":"no"}}"#)),
        (false, json(200, r#"{"error":{"message":"no"}}"#)),
    ] {
        let seen = send(TestGateway::with(ONCE, "", "").envoy(), "chat", stream, &[], std::slice::from_ref(&script));
        is_kept(&seen, false);
        assert!(seen.counted.contains(&metric::CACHE_MISS), "{script:?}");
    }
}

/// A model without retries.
const ONCE: &str = r#""targets":[{"provider":"one","model":"x"}],"retry":{"on":[]},"cache":{"ttl":"1m"}"#;

#[test]
fn an_answer_that_a_content_filter_ended_is_not_kept_and_one_that_speaks_of_it_is() {
    let answer = |text: &str, reason: &str| {
        let text = serde_json::to_string(text).unwrap();
        json(
            200,
            &format!(
                r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason": "{reason}"}}]}}"#
            ),
        )
    };
    is_kept(&cached().ask(&[], &[answer("I", "content_filter")]), false);
    is_kept(&cached().ask(&[], &[answer("\"content_filter\"", "stop")]), true);
}

#[test]
fn an_answer_of_a_lower_tier_is_not_kept_and_one_of_a_fallback_is() {
    let tiers = r#""targets":[{"provider":"one","model":"x"},{"provider":"two","model":"x","tier":2}],
        "allow_lower_tier":true,"cache":{"ttl":"1m"}"#;
    let seen = TestGateway::with(tiers, "", "").ask(&[], &[json(503, ""), good()]);
    assert_eq!((seen.status, &seen.log["lower_tier"]), (200, &2.into()));
    is_kept(&seen, false);
    let gateway = cached();
    is_kept(&gateway.ask(&[], &[json(503, ""), good()]), true);
    let hit = gateway.ask(&[], &[]);
    assert_eq!(hit.headers.text("x-sluice-provider"), Some("two"));
}

#[test]
fn who_directs_a_requests_way_neither_reads_nor_fills() {
    let gateway = TestGateway::new(CACHE, r#","control":["route","fallback","targets"]"#, "");
    gateway.ask(&[], &[good()]);
    for header in [("x-sluice-route", "one"), ("x-sluice-route", "cheapest"), ("x-sluice-fallback", "off")] {
        let seen = gateway.ask(&[header], &[good()]);
        assert_eq!(word(&seen), Some("bypass"), "{header:?}");
        is_kept(&seen, false);
    }
    let named = send(gateway.envoy(), "one/x", false, &[], &[good()]);
    assert_eq!((word(&named), named.received.len()), (None, 1));
}

#[test]
fn what_a_provider_goes_on_with_is_asked_every_time() {
    let gateway = TestGateway::new(CACHE, r#","endpoints":["*"]"#, "");
    for field in [r#""background":true"#, r#""conversation":"conv_1""#, r#""conversation":{"id":"conv_1"}"#] {
        let body = format!(r#"{{"model":"chat","input":"hi",{field}}}"#);
        let answer = json(200, r#"{"object":"response","id":"resp_1","status":"completed","model":"x","output":[]}"#);
        let seen = gateway.envoy().send(
            "POST",
            "/v1/responses",
            &[("api-key", SECRET.as_bytes())],
            body.as_bytes(),
            &[answer],
        );
        assert_eq!(word(&seen), Some("bypass"), "{field}: {}", seen.body);
        is_kept(&seen, false);
    }
}

#[test]
fn a_model_may_cache_only_low_temperatures_and_no_tools_or_images() {
    let model = |more: &str| TestGateway::new(&format!(r#","cache":{{"ttl":"1m"{more}}}"#), "", "");
    let words = |gateway: &TestGateway, more: &str| {
        let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        [(); 2].map(|()| word(&post(gateway, CHAT, &[], &body, &[good()])).unwrap_or_default().to_owned())
    };
    let (cached, not) = (["miss", "hit"], ["bypass", "bypass"]);
    let cool = model(r#","max_temperature":0.5"#);
    for (more, expected) in [
        (r#","temperature":0"#, cached),
        (r#","temperature":0.5"#, cached),
        (r#","temperature":50e-2,"n":1"#, cached),
        (r#","temperature":0.6"#, not),
        (r#","temperature":null"#, not),
        ("", not),
    ] {
        assert_eq!(words(&cool, more), expected, "{more}");
    }
    assert_eq!(words(&model(r#","max_temperature":1"#), ""), cached);
    let tools = r#","tools":[{"type":"function","function":{"name":"f"}}]"#;
    let image = r#","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#;
    let ask_image = |gateway: &TestGateway| {
        let body = format!(r#"{{"model":"chat"{image}}}"#);
        [(); 2].map(|()| word(&post(gateway, CHAT, &[], &body, &[good()])).unwrap_or_default().to_owned())
    };
    assert_eq!(
        (words(&model(""), tools), ask_image(&model(""))),
        (cached.map(str::to_owned), cached.map(str::to_owned))
    );
    assert_eq!(
        (words(&model(r#","tools":false"#), tools), words(&model(r#","tools":false"#), "")),
        (not.map(str::to_owned), cached.map(str::to_owned))
    );
    assert_eq!(ask_image(&model(r#","images":false"#)), not);
    // What a gateway file allowed before is not served once it allows less.
    let shared: Rc<Shared> = Rc::default();
    let at = |more: &str| {
        let worker = model(more).worker;
        word(&send(Envoy::with(worker, shared.clone()), "chat", false, &[], &[good()])).map(str::to_owned)
    };
    assert_eq!([at(""), at(""), at(r#","max_temperature":0.5"#)].map(Option::unwrap), ["miss", "hit", "bypass"]);
}

#[test]
fn a_response_that_repeats_who_asked_for_it_is_not_stored() {
    let gateway = cached();
    let body =
        |user: &str| format!(r#"{{"model":"chat","user":"{user}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let answer =
        |more: &str, text: &str| json(200, &WHOLE.replacen('{', &format!("{{{more}"), 1).replace("one two", text));
    let ann = post(&gateway, CHAT, &[], &body("ann"), &[answer(r#""user" : "ann","#, "hi")]);
    assert_eq!((ann.status, word(&ann)), (200, Some("miss")));
    is_kept(&ann, false);
    let bob = post(&gateway, CHAT, &[], &body("bob"), &[answer("", r#"A \"user\": bob"#)]);
    is_kept(&bob, true);
    is_hit(&post(&gateway, CHAT, &[], &body("eve"), &[]));
}
