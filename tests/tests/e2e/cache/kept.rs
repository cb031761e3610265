//! Which responses are stored, and how long they fit.

use super::*;

/// The tests here share a model without retries, and a key that may use routing headers.
pub fn settings(builder: Builder) -> Builder {
    let model = json!({"cache": {"ttl": "1h"}, "retry": {"on": []}, "timeouts": {"idle": "2s"}});
    builder
        .model("fails", &[("openai", "gpt-fails")])
        .with(json!({"models": {"fails": model}}))
        .key(Key::new("free", "sk-free").set("control", json!(["route", "targets"])))
}

#[tokio::test]
async fn what_broke_off_or_failed_or_was_left_is_never_given_to_anybody() {
    let cached = CACHED.lease().await;
    let (gateway, openai) = (&cached.gateway, &cached.openai);
    let body = |text: &str, stream: bool| with(ask("fails", text), json!({"stream": stream}));
    for (fault, stream) in [
        ("status=400", false),
        ("error", false),
        ("stop=content_filter", false),
        ("stop=content_filter", true),
        ("eof-after=3", true),
        ("error-after=3", true),
        ("reset-after=3", true),
        ("stall-after=3", true),
    ] {
        let text = format!("say {fault} {stream} one two three");
        openai.script(&[fault]);
        gateway.chat(&body(&text, stream)).await;
        assert_eq!(word(&gateway.chat(&body(&text, stream)).await), "miss", "{fault}");
    }
    openai.script(&["every=50+tokens=40"]);
    let mut left = gateway.client().open("POST", CHAT, body("say a lot", true).to_string()).await.expect("an answer");
    left.next().await.expect("a stream").expect("its beginning");
    drop(left);
    gateway.quiet().await;
    assert_eq!(word(&gateway.chat(&body("say a lot", true)).await), "miss");
    // One response for each second request, and the last one.
    assert_eq!(stored(gateway).await, 9);
}

#[tokio::test]
async fn who_directs_its_request_and_what_is_only_passed_on_has_no_part_in_it() {
    let cached = CACHED.lease().await;
    let (gateway, client) = (&cached.gateway, cached.gateway.with_key("sk-free"));
    client.post(CHAT, &cached.ask("chat", "say hi")).await;
    for _ in 0..2 {
        let directed =
            client.clone().header("x-sluice-route", "openai").post(CHAT, &cached.ask("chat", "say hi")).await;
        assert_eq!(word(&directed), "bypass");
        let named = client.post(CHAT, &ask("openai/gpt-sim", "say hi")).await;
        assert_eq!((named.status, named.header("x-sluice-cache")), (200, None));
        let passed = client.post("/v1/moderations", &json!({"model": cached.name("chat"), "input": "hi"})).await;
        assert_eq!(word(&passed), "bypass");
    }
    assert_eq!((stored(gateway).await, cached.asked()), (1, 7));
}

#[tokio::test]
async fn an_answer_that_is_larger_than_allowed_is_not_kept() {
    let cached = Cached::with(|builder| builder.with(json!({"cache": {"largest": "4KiB"}}))).await;
    let gateway = &cached.gateway;
    cached.openai.always("tokens=400");
    let body = with(ask("chat", "say a lot"), json!({"stream": true}));
    for _ in 0..2 {
        let answer = gateway.chat(&body).await;
        assert_eq!((word(&answer), answer.body.len() > 4096), ("miss", true));
    }
    assert_eq!(stored(gateway).await, 0);
}

#[tokio::test]
async fn when_the_memory_is_full_older_answers_give_way_to_new_ones() {
    let cached = Cached::with(|builder| builder.with(json!({"cache": {"memory": "1MiB"}}))).await;
    let gateway = &cached.gateway;
    cached.openai.always("tokens=400");
    let body = |number: usize| with(ask("chat", &format!("say {number}")), json!({"stream": true}));
    let size = gateway.chat(&body(0)).await.body.len();
    let count = (3 << 20) / size;
    for number in 1..count {
        assert_eq!(word(&gateway.chat(&body(number)).await), "miss");
        assert_eq!(word(&gateway.chat(&body(number)).await), "hit", "the newest is there");
    }
    assert_eq!(stored(gateway).await, count as u64);
    // Each miss among the older responses evicts another response.
    let mut hits = 0;
    for number in 0..count {
        hits += usize::from(word(&gateway.chat(&body(number)).await) == "hit");
    }
    assert!(hits < (1 << 20) / size, "{hits} answers of {size} bytes");
}
