//! Guardrails whose texts a service outside of the gateway judges, in a real Envoy: every API, every way to fail.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Key};
use sluice_tests::judge::{self, BLOCK, BUSY, BUSY_ONCE, DOWN, DOWN_ONCE, MASK, NONSENSE, SLOW};
use sluice_tests::standin::StandIn;

use crate::{CHAT, Pair, ask, of_envoy, refusal, said, with};

/// The APIs, each with more fields of the judge, its credential's header, and what it puts in place of a masked word.
const APIS: [(&str, &str, &str, Option<&str>); 8] = [
    ("openai_moderation", "{}", "authorization", None),
    ("presidio", "{}", "authorization", Some("[PERSON]")),
    ("azure_content_safety", "{}", "ocp-apim-subscription-key", None),
    ("bedrock", r#"{"guardrail": "g1"}"#, "authorization", Some("[masked]")),
    (
        "model_armor",
        r#"{"template": "projects/p/locations/us-central1/templates/t"}"#,
        "authorization",
        Some("[masked]"),
    ),
    ("webhook", r#"{"price": 1.0}"#, "authorization", Some("[masked]")),
    ("agentgateway", "{}", "authorization", Some("[masked]")),
    ("litellm", "{}", "x-api-key", Some("[masked]")),
];

/// A judge that is patient, and one that is not, for each API; guardrails on prompts, on answers, and one that gives up early, each for the
/// key of its name.
fn judged(builder: Builder, judge: &StandIn) -> Builder {
    let builder = APIS.iter().fold(builder, |builder, (api, fields, _, masked)| {
        let service = |timeout: &str| {
            let base = json!({"type": api, "url": format!("{}/{api}", judge.url()), "key": {"env": "JUDGES_KEY"},
                "timeout": timeout});
            with(base, serde_json::from_str(fields).unwrap())
        };
        let action = if masked.is_some() && *api == "presidio" { json!({"action": "mask"}) } else { json!({}) };
        let (prompts, answers, slow) = (format!("{api}-prompts"), format!("{api}-answers"), format!("{api}-slow"));
        let guard = |key: &str, service: &str, on: &str, on_error: &str| {
            let judge = json!({"service": service, "on_error": on_error, "window": 64});
            with(json!({"match": {"key": key}, "on": [on], "judge": judge}), action.clone())
        };
        let builder =
            [&prompts, &answers, &slow].into_iter().fold(builder, |builder, id| builder.key(Key::new(id, id)));
        builder.with(json!({
            "judges": {api.to_string(): service("20s"), &slow: service("100ms")},
            "guards": {
                &prompts: guard(&prompts, api, "prompts", "block"),
                &answers: guard(&answers, api, "answers", "block"),
                &slow: guard(&slow, &slow, "prompts", "allow"),
            },
        }))
    });
    let during = |key: &str, service: &str, on_error: &str| {
        let judge = json!({"service": service, "on_error": on_error, "during": true});
        json!({"match": {"key": key}, "on": ["prompts"], "judge": judge})
    };
    let builder = ["during", "during-allow", "during-block", "shadow", "whole", "hasty"]
        .into_iter()
        .fold(builder, |builder, id| builder.key(Key::new(id, id)));
    let shadow = json!({"service": "webhook", "on_error": "block", "mode": "shadow"});
    builder
        .with(json!({"judges": {"hasty": {"type": "webhook", "url": judge.url(), "retries": 0}}}))
        .with(json!({"guards": {
            "hasty": {"match": {"key": "hasty"}, "judge": {"service": "hasty", "on_error": "block"}},
            "during": during("during", "webhook", "block"),
            "during-allow": during("during-allow", "webhook-slow", "allow"),
            "during-block": during("during-block", "webhook-slow", "block"),
            "shadow": {"match": {"key": "shadow"}, "judge": shadow},
            "whole": {"match": {"key": "whole"}, "on": ["answers"], "delivery": "whole",
                "judge": {"service": "webhook", "on_error": "block"}},
        }}))
        .environment("JUDGES_KEY", "the-key-of-judges")
        .concurrency(2)
}

async fn pair() -> (Pair, StandIn) {
    let judge = judge::start().await;
    (Pair::with(|builder| judged(builder, &judge)).await, judge)
}

async fn send(pair: &Pair, key: &str, model: &str, text: &str, streams: bool) -> Answer {
    let body = with(ask(model, text), json!({"stream": streams}));
    pair.gateway.with_key(key).post(CHAT, &body).await
}

#[tokio::test]
async fn prompts_are_judged_by_each_service() {
    let (pair, judge) = pair().await;
    for (api, _, header, masked) in APIS {
        let key = format!("{api}-prompts");
        let ask = async |text: &str| send(&pair, &key, "openai", text, false).await;
        let passed = ask("say hi").await;
        assert_eq!((passed.status, said(&passed).as_str()), (200, "hi"), "{api}: {}", passed.text());
        let sent = judge.requests().pop().unwrap().header(header).unwrap_or_default().to_owned();
        assert_eq!(sent.trim_start_matches("Bearer "), "the-key-of-judges", "{api}");
        let before = pair.openai.count();
        let blocked = ask(&format!("say {BLOCK}")).await;
        // Presidio only finds what it can mask.
        if api != "presidio" {
            assert_eq!(refusal(&blocked), (400, "guardrail_blocked".to_owned()), "{api}");
        }
        for word in [DOWN, BUSY, NONSENSE] {
            let failed = ask(&format!("say {word}")).await;
            assert_eq!(refusal(&failed), (503, "guardrail_unavailable".to_owned()), "{api}: {word}");
        }
        assert_eq!(pair.openai.count() - before, usize::from(api == "presidio"), "{api}");
        let changed = ask(&format!("say to {MASK} too")).await;
        match masked {
            Some(masked) => {
                assert_eq!((changed.status, said(&changed)), (200, format!("to {masked} too")), "{api}");
                let sent = String::from_utf8_lossy(&pair.openai.requests().pop().unwrap().body).into_owned();
                assert!(!sent.contains(MASK), "{api}: {sent}");
            }
            None => assert_eq!(refusal(&changed), (400, "guardrail_blocked".to_owned()), "{api}"),
        }
        let late = send(&pair, &format!("{api}-slow"), "openai", &format!("say {SLOW}"), false).await;
        assert_eq!((late.status, said(&late).as_str()), (200, SLOW), "{api}: {}", late.text());
    }
    assert_eq!(of_envoy(&judge.requests()), [""; 0]);
    let lines = pair.gateway.quiet().await;
    let of = |key: &str| lines.iter().filter(|line| line["key"] == key).collect::<Vec<_>>();
    let results: Vec<&Value> = of("webhook-prompts").iter().map(|line| &line["judges"][0]["result"]).collect();
    assert_eq!(results, ["pass", "block", "error", "error", "error", "mask"]);
    assert_eq!(of("webhook-prompts")[0]["judges"][0]["usd"], "0.000006", "6 characters at a dollar per million");
    assert_eq!(of("webhook-slow")[0]["guards"], json!(["webhook-slow: not judged (prompts, log)"]));
    assert!(!pair.gateway.output().contains(MASK), "the log has no texts");
}

#[tokio::test]
async fn answers_are_judged_by_each_service_whole_and_in_windows() {
    let (pair, _judge) = pair().await;
    let long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
    for (api, _, _, masked) in APIS {
        let key = format!("{api}-answers");
        for (model, streams) in [("openai", false), ("openai", true), ("anthropic", false), ("anthropic", true)] {
            let told = format!("{api} {model} {streams}");
            let ask = async |text: &str| send(&pair, &key, model, text, streams).await;
            let passed = ask(&format!("say {long}")).await;
            assert_eq!((passed.status, said(&passed).trim_end()), (200, long), "{told}: {}", passed.text());
            assert!(!streams || passed.complete, "{told}: {}", passed.text());
            let changed = ask(&format!("say {long} to {MASK} too")).await;
            if let Some(masked) = masked {
                assert_eq!(said(&changed).trim_end(), format!("{long} to {masked} too"), "{told}: {}", changed.text());
            }
            assert!(!changed.text().contains(MASK), "{told}: {}", changed.text());
            let blocked = ask(&format!("say {BLOCK}")).await;
            if api != "presidio" {
                assert_eq!(refusal(&blocked), (400, "guardrail_blocked".to_owned()), "{told}");
                // The first window has left by then.
                pair.simulator(model).script(&["every=5"]);
                let blocked = ask(&format!("say {long} {long} {BLOCK} {long}")).await;
                assert!(!blocked.text().contains(BLOCK), "{told}: {}", blocked.text());
                if streams {
                    let finish = r#""finish_reason":"content_filter""#;
                    assert!(blocked.status == 200 && blocked.text().contains(finish), "{told}: {}", blocked.text());
                    assert!(blocked.text().ends_with("data: [DONE]\n\n"), "{told}: {}", blocked.text());
                }
            }
            for word in [DOWN, NONSENSE] {
                let failed = ask(&format!("say {word}")).await;
                assert_eq!(refusal(&failed), (503, "guardrail_unavailable".to_owned()), "{told}: {word}");
            }
        }
    }
    // Anthropic's client reads the same.
    let client = pair.gateway.with_key("webhook-answers");
    for streams in [false, true] {
        let body = with(ask("openai", &format!("say {long} to {MASK}")), json!({"max_tokens": 50, "stream": streams}));
        let answer = client.post("/v1/messages", &body).await;
        assert!(answer.status == 200 && answer.text().contains("[masked]"), "{}", answer.text());
        assert!(!answer.text().contains(MASK), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_judge_that_fails_once_is_asked_again_and_its_second_verdict_counts() {
    let (pair, judge) = pair().await;
    for (api, ..) in APIS {
        for word in [DOWN_ONCE, BUSY_ONCE] {
            for (side, streams) in [("prompts", false), ("answers", false), ("answers", true)] {
                let told = format!("{api} {word} {side} {streams}");
                let ask = async |text: &str| send(&pair, &format!("{api}-{side}"), "openai", text, streams).await;
                let before = judge.requests().len();
                let text = format!("{word} {side} {streams}");
                let passed = ask(&format!("say {text}")).await;
                assert_eq!((passed.status, said(&passed).trim_end()), (200, &*text), "{told}: {}", passed.text());
                assert_eq!(judge.requests().len() - before, 2, "{told}");
                if api != "presidio" {
                    let blocked = ask(&format!("say {BLOCK} {text}")).await;
                    assert_eq!(refusal(&blocked), (400, "guardrail_blocked".to_owned()), "{told}");
                }
            }
        }
        // The second attempt has only the rest of the time.
        let late = send(&pair, &format!("{api}-slow"), "openai", &format!("say {BUSY_ONCE} {SLOW}"), false).await;
        assert_eq!(late.status, 200, "{api}: {}", late.text());
    }
    let before = judge.requests().len();
    let failed = send(&pair, "hasty", "openai", &format!("say {BUSY_ONCE}"), false).await;
    assert_eq!(refusal(&failed), (503, "guardrail_unavailable".to_owned()));
    assert_eq!(judge.requests().len() - before, 1, "a judge without retries");
    let lines = pair.gateway.quiet().await;
    let first = lines.iter().find(|line| line["key"] == "webhook-prompts").unwrap();
    assert_eq!((&first["judges"][0]["result"], &first["judges"][0]["calls"]), (&json!("pass"), &json!(1)), "{first}");
    for request in judge.requests() {
        let internal = |name: &&String| name.starts_with("x-envoy-") || *name == "x-forwarded-for";
        let internal: Vec<_> = request.headers.iter().map(|(name, _)| name).filter(internal).collect();
        assert_eq!(internal, [""; 0], "a judge learns nothing about Envoy");
    }
}

#[tokio::test]
async fn a_blocked_answer_is_tried_elsewhere() {
    let (pair, _judge) = pair().await;
    for streams in [false, true] {
        pair.anthropic.script(&["tokens=3"]);
        let long = "word ".repeat(40);
        let answer = send(&pair, "whole", "openai-first", &format!("say {long} {BLOCK}"), streams).await;
        assert_eq!((answer.status, said(&answer).as_str()), (200, "00 01 02 "), "{}", answer.text());
        assert!(answer.header("x-sluice-failures").unwrap().ends_with(": guardrail"));
    }
}

#[tokio::test]
async fn a_prompt_is_judged_while_the_provider_works() {
    let (pair, _judge) = pair().await;
    for streams in [false, true] {
        let passed = send(&pair, "during", "openai", "say hi", streams).await;
        assert_eq!((passed.status, said(&passed).as_str()), (200, "hi"), "{}", passed.text());
        let blocked = send(&pair, "during", "openai-first", &format!("say {BLOCK}"), streams).await;
        assert_eq!(refusal(&blocked), (400, "guardrail_blocked".to_owned()));
        assert!(!blocked.text().contains(BLOCK), "{}", blocked.text());
        // The response is there first, and waits.
        let late = send(&pair, "during-allow", "openai", &format!("say {SLOW}"), streams).await;
        assert_eq!((late.status, said(&late).as_str()), (200, SLOW), "{}", late.text());
        let late = send(&pair, "during-block", "openai", &format!("say {SLOW}"), streams).await;
        assert_eq!(refusal(&late), (503, "guardrail_unavailable".to_owned()));
    }
    assert_eq!(pair.anthropic.count(), 0, "no other target gets a blocked prompt");
    // A provider that never answers does not delay the block.
    pair.openai.script(&["wait=60000"]);
    let blocked = send(&pair, "during", "openai", &format!("say {BLOCK}"), false).await;
    assert_eq!(refusal(&blocked), (400, "guardrail_blocked".to_owned()));
    let lines = pair.gateway.quiet().await;
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["error"], &last["judges"][0]["result"]),
        (&json!("guardrail_blocked"), &json!("block")),
        "{last}"
    );
}

#[tokio::test]
async fn shadow_mode_changes_nothing() {
    let (pair, _judge) = pair().await;
    for streams in [false, true] {
        for word in [BLOCK, MASK, DOWN] {
            let answer = send(&pair, "shadow", "openai", &format!("say {word}"), streams).await;
            assert_eq!((answer.status, said(&answer).as_str()), (200, word), "{}", answer.text());
        }
    }
    let lines = pair.gateway.quiet().await;
    let results = |index: usize| lines.iter().map(|line| &line["judges"][index]["result"]).collect::<Vec<_>>();
    assert_eq!(results(0), ["block", "mask", "error", "block", "mask", "error"]);
    assert_eq!(results(0), results(1), "prompts and answers");
}
