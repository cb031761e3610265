//! Retry times of providers, in all forms that HTTP allows, and invalid responses.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::simulator::{Recorded, Simulator};
use sluice_tests::standin::StandIn;

use crate::{CHAT, Pair, ask, other, refusal, said, with};

/// A time in HTTP's format: `Sun, 29 Nov 2026 03:00:00 GMT`.
fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let (days, second) = (seconds / 86400, seconds % 86400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}

fn seconds(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_date_to_come_back_at_is_told_waited_for_and_learned() {
    for provider in ["openai", "anthropic"] {
        let pair = Pair::lease().await;
        let simulator = pair.simulator(provider);
        let limited = |time| format!("status=429+retry-after={}", http_date(SystemTime::now() + time));
        simulator.script(&[&limited(Duration::from_secs(2)), "ok"]);
        let answer = pair.gateway.chat(&pair.ask(provider, "say again")).await;
        assert_eq!((answer.status, answer.header("x-sluice-attempts")), (200, Some("2")), "{answer:?}");
        simulator.script(&[&limited(Duration::from_secs(3600))]);
        let answer = pair.gateway.chat(&pair.ask(provider, "hi")).await;
        assert_eq!(refusal(&answer).0, 429);
        assert!((3000..=3600).contains(&seconds(answer.header("retry-after"))), "{provider}: {answer:?}");
        // The provider has recovered, but comes last until its retry time.
        simulator.script(&[&limited(Duration::from_secs(3600))]);
        for attempts in ["2", "1", "1"] {
            let answer = pair.gateway.chat(&pair.ask(&format!("{provider}-first"), "say hi")).await;
            let told = (answer.header("x-sluice-provider"), answer.header("x-sluice-attempts"));
            assert_eq!(told, (Some(other(provider)), Some(attempts)), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn of_targets_that_take_no_more_the_client_reads_when_the_first_is_back() {
    for (provider, first, second) in [("openai", 30, 300), ("anthropic", 300, 30)] {
        // The target health of one pair does not affect the next.
        let pair = Pair::lease().await;
        pair.simulator(provider).script(&[&format!("status=429+retry-after={first}")]);
        pair.simulator(other(provider)).script(&[&format!("status=429+retry-after={second}")]);
        let answer = pair.gateway.chat(&pair.ask(&format!("{provider}-first"), "hi")).await;
        assert_eq!((refusal(&answer).0, answer.header("x-sluice-attempts")), (429, Some("2")));
        let told = seconds(answer.header("retry-after"));
        assert!((1..=30).contains(&told), "{provider}: {told}: {answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_nobodys_answer() {
    let pair = Pair::with(|builder| builder.with(json!({"circuit": {"failures": 1000}}))).await;
    for provider in ["openai", "anthropic"] {
        for status in [300, 301, 302, 303, 305, 307, 308, 399] {
            pair.openai.clear();
            pair.anthropic.clear();
            pair.simulator(provider).always(&format!("status={status}"));
            for stream in [false, true] {
                let body = |model: &str| with(pair.ask(model, "say hi"), json!({"stream": stream}));
                let answer = pair.gateway.chat(&body(provider)).await;
                assert_eq!(refusal(&answer).0, 502, "{provider} {status}");
                let answer = pair.gateway.chat(&body(&format!("{provider}-first"))).await;
                let told = (answer.status, answer.header("x-sluice-provider"));
                assert_eq!(told, (200, Some(other(provider))), "{provider} {status} {stream}: {answer:?}");
            }
        }
    }
}

/// With a 200: JSON that is not an object, and invalid UTF-8, in a non-streamed response and in an event.
#[tokio::test]
async fn what_is_no_answer_is_never_passed_on() {
    const CHATS: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"~"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    const MESSAGE: &str = r#"{"id":"x","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"~"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
    const EVENTS: &str = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"~\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let no_text =
        |text: &str| Bytes::from(text.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect::<Vec<_>>());
    let bodies = |kind: Kind, stream: bool| {
        let own = match (kind, stream) {
            (Kind::OpenAi, true) => no_text(EVENTS),
            (Kind::OpenAi, false) => no_text(CHATS),
            (Kind::Anthropic, _) => no_text(MESSAGE),
        };
        [
            own,
            Bytes::from_static(b"[1,2]"),
            Bytes::from_static(b"7"),
            Bytes::from_static(b"\"ok\""),
            Bytes::from_static(b"null"),
        ]
    };
    let cases = [Kind::OpenAi, Kind::Anthropic].into_iter().flat_map(|kind| {
        [false, true].into_iter().flat_map(move |stream| {
            let name = move |number| format!("{kind:?}-{stream}-{number}").to_lowercase();
            bodies(kind, stream).into_iter().enumerate().map(move |(number, body)| (name(number), kind, stream, body))
        })
    });
    let cases: Vec<_> = cases.collect();
    let answers: BTreeMap<_, _> = cases.iter().map(|(name, _, _, body)| (name.clone(), body.clone())).collect();
    let answer = move |asked: &Recorded| asked.json()["model"].as_str().and_then(|model| answers.get(model)).cloned();
    let odd = StandIn::serving(move |asked| (200, answer(asked).expect("a case"))).await;
    let well = Simulator::start().await;
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &odd)
        .provider("anthropic", Kind::Anthropic, &odd)
        .provider("well", Kind::OpenAi, &well)
        .key(Key::new("test", KEY));
    let builder = cases.iter().fold(builder, |builder, (name, kind, ..)| {
        let provider = if *kind == Kind::OpenAi { "openai" } else { "anthropic" };
        let builder = builder.model(&format!("{name}-alone"), &[(provider, name)]);
        builder.model(&format!("{name}-both"), &[(provider, name), ("well", &format!("well-{name}"))])
    });
    let gateway = builder.start().await;
    for (name, kind, stream, _) in &cases {
        let body = |of: &str| with(ask(&format!("{name}-{of}"), "say hi"), json!({"stream": stream}));
        let answer = gateway.client().post(CHAT, &body("alone")).await;
        assert_eq!(refusal(&answer), (502, "invalid_provider_response".to_owned()), "{name}");
        assert!(!answer.text().contains("status"), "{name}: {}", answer.text());
        let answer = gateway.chat(&body("both")).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{name}: {answer:?}");
        let provider = if *kind == Kind::OpenAi { "openai" } else { "anthropic" };
        let failures = answer.header("x-sluice-failures");
        assert_eq!(failures, Some(&*format!("{provider}/{name}: bad_answer")), "{name}");
    }
}
