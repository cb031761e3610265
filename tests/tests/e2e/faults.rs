//! The fault table: the client's result for each way in which a provider can fail, streamed and not. The provider has the client's format
//! or needs translation, with and without the other as a fallback.

use std::fmt::Write as _;

use serde_json::Value;
use sluice_tests::client::{Answer, Event};
use sluice_tests::gateway::Kind;
use sluice_tests::port::Port;

use crate::{Pair, ask, model_of, other, refusal, said, with};

/// The expected result for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// The fallback's complete response, and nothing of the failure.
    Fallback,
    /// The fallback's complete response, after a retry of the primary.
    Again,
    /// The primary's complete response.
    Answer,
    /// The beginning of the primary's response, then an error event or a reset.
    Broken,
    /// An error with this status, and no second attempt.
    Error(u16),
    /// The fault does not apply here.
    Skip,
}
use Sees::{Again, Answer as Whole, Broken, Error, Fallback, Skip};

/// The primary's fault, its result without streaming, and its result in a stream.
const FAULTS: &[(&str, Sees, Sees)] = &[
    ("ok", Whole, Whole),
    // The provider reports an error.
    ("status=500", Again, Again),
    ("status=502", Fallback, Fallback),
    ("status=503", Fallback, Fallback),
    ("status=529", Fallback, Fallback),
    ("status=429", Fallback, Fallback),
    ("status=500+retry-after=1", Again, Again),
    ("status=503+retry-after=3600", Fallback, Fallback),
    ("status=529+retry-after=1", Fallback, Fallback),
    ("status=429+retry-after=1", Again, Again),
    ("status=429+retry-after=3600", Fallback, Fallback),
    ("quota", Fallback, Fallback),
    ("status=408", Again, Again),
    ("html+status=502", Fallback, Fallback),
    // The provider rejects the gateway's account, not the client.
    ("status=401", Fallback, Fallback),
    ("status=402", Fallback, Fallback),
    ("status=403", Fallback, Fallback),
    // The provider sends nothing.
    // The connection may have been stale.
    ("reset", Again, Again),
    ("silence", Fallback, Fallback),
    ("wait=3600000", Fallback, Fallback),
    ("first=3600000", Fallback, Fallback),
    // The provider sends a status of 200 and fails.
    ("error", Fallback, Fallback),
    ("blank", Fallback, Fallback),
    ("empty", Fallback, Fallback),
    ("html", Fallback, Fallback),
    ("gzip", Fallback, Fallback),
    ("malformed-after=0", Skip, Fallback),
    ("error-after=0", Skip, Fallback),
    ("eof-after=0", Skip, Fallback),
    ("close-after=0", Skip, Fallback),
    ("reset-after=0", Skip, Fallback),
    // The provider fails in the middle. The client has not received any of a non-streamed response.
    ("pause-after=6+malformed-after=6", Skip, Broken),
    ("pause-after=6+error-after=6", Skip, Broken),
    ("pause-after=6+reset-after=6", Skip, Broken),
    ("pause-after=6+close-after=6", Skip, Broken),
    ("pause-after=6+eof-after=6", Skip, Broken),
    ("stall-after=6", Skip, Broken),
    ("reset-after=1", Fallback, Skip),
    ("close-after=1", Fallback, Skip),
    ("eof-after=1", Fallback, Skip),
    ("stall-after=1", Fallback, Skip),
    // The response has a finish reason.
    ("no-end", Skip, Whole),
    // The request is at fault.
    ("status=400", Error(400), Error(400)),
    // A 404 about the model.
    ("status=404", Fallback, Fallback),
    ("status=413", Error(413), Error(413)),
    ("status=422", Error(422), Error(422)),
    // The context of the other model may be larger.
    ("context", Fallback, Fallback),
    ("filter", Error(400), Error(400)),
];

const PROMPT: &str = "say one two three four five six";
const SPOKEN: &str = "one two three four five six";

/// One line of the printed table.
struct Line<'a> {
    fault: &'a str,
    stream: bool,
    saw: String,
    answered: String,
    attempts: String,
}

fn print(title: &str, lines: &[Line<'_>]) {
    let mut table = format!("\n{title}\n");
    let _ = writeln!(table, "{:<28}{:<8}{:<60}{:<11}attempts", "fault", "stream", "the client saw", "answered");
    for Line { fault, stream, saw, answered, attempts } in lines {
        let stream = if *stream { "yes" } else { "no" };
        let _ = writeln!(table, "{fault:<28}{stream:<8}{saw:<60}{answered:<11}{attempts}");
    }
    println!("{table}");
}

/// The client's result in words.
fn describe(answer: &Answer) -> String {
    if answer.status != 200 {
        let code = answer.json()["error"]["code"].as_str().unwrap_or("-").to_owned();
        return format!("{} {code}", answer.status);
    }
    let events = answer.events();
    if events.is_empty() {
        return format!("200, {} bytes{}", answer.body.len(), if answer.complete { "" } else { ", then a reset" });
    }
    let error = events.iter().map(Event::json).find(|data| data["error"].is_object());
    let end = match (error, events.last().map(|event| &*event.data), answer.complete) {
        (Some(data), ..) => format!("error event {}", data["error"]["code"].as_str().unwrap_or("without a code")),
        (None, Some("[DONE]"), true) => "[DONE]".to_owned(),
        (None, _, false) => "a reset".to_owned(),
        (None, _, true) => "AN END WITHOUT [DONE]".to_owned(),
    };
    format!("200, {} events, then {end}", events.len())
}

/// Compares the client's result with the expected one; the error is the first difference.
fn judge(answer: &Answer, sees: Sees, primary: &str, asked: &str, attempts: (usize, usize)) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let events = answer.events();
    let done = events.iter().any(|event| event.data == "[DONE]");
    let from = |provider: &str| {
        let models: Vec<Value> = match events.first() {
            Some(_) => events.iter().map(Event::json).filter(|data| data["id"].is_string()).collect(),
            None => vec![answer.json()],
        };
        must(answer.status == 200 && answer.complete, "a whole answer with 200")?;
        must(said(answer) == SPOKEN, "the whole text")?;
        must(events.is_empty() || events.last().is_some_and(|event| event.data == "[DONE]"), "a last [DONE]")?;
        must(answer.header("x-sluice-provider") == Some(provider), "x-sluice-provider")?;
        let model = if provider == primary { asked } else { model_of(provider) };
        must(answer.header("x-sluice-model") == Some(model), "x-sluice-model")?;
        must(models.iter().all(|data| data["model"] == model), "the body's model")
    };
    match sees {
        Fallback | Again => {
            let tries = if sees == Again { 2 } else { 1 };
            let failures = answer.header("x-sluice-failures").unwrap_or_default();
            from(other(primary))?;
            must(attempts == (tries, 1), "the attempts")?;
            must(answer.header("x-sluice-attempts") == Some(&*(tries + 1).to_string()), "x-sluice-attempts")?;
            must(failures.split(", ").count() == tries, "a reason for each failure")?;
            must(failures.starts_with(&format!("{primary}/")) || failures.starts_with("refusing/"), "who failed")
        }
        Whole => {
            from(primary)?;
            must(attempts == (1, 0), "one attempt")?;
            must(answer.header("x-sluice-failures").is_none(), "x-sluice-failures")?;
            must(answer.header("x-sluice-attempts") == Some("1"), "x-sluice-attempts")
        }
        Broken => {
            let error = events.last().is_some_and(|event| event.json()["error"]["message"].is_string());
            let text = said(answer);
            must(answer.status == 200 && !done, "200 without [DONE]")?;
            must(!text.is_empty() && SPOKEN.starts_with(&text) && text != SPOKEN, "the beginning of the text")?;
            must(error || !answer.complete, "an error event or a reset")?;
            must(attempts == (1, 0), "one attempt")
        }
        Error(status) => {
            must(refusal(answer).0 == status, "the provider's status")?;
            must(answer.header("x-sluice-attempts") == Some("1"), "x-sluice-attempts")?;
            must(attempts == (1, 0), "one attempt")
        }
        Skip => Ok(()),
    }
}

/// The name of a case, used as a model. Each case has its own target, so no case affects the target health of another.
fn case(index: usize, stream: bool) -> String {
    format!("case-{index}-{stream}")
}

/// An OpenAI response without choices is invalid. An Anthropic model may end its turn without text, and reports that.
fn may_say_nothing(provider: &str, fault: &str) -> bool {
    provider == "anthropic" && fault == "empty"
}

async fn with_a_fallback(primary: &'static str) {
    let refusing = Port::reserve();
    let kind = if primary == "openai" { Kind::OpenAi } else { Kind::Anthropic };
    let second = other(primary);
    let cases = (0..FAULTS.len()).flat_map(|index| [false, true].map(|stream| case(index, stream)));
    let pair = Pair::with(|builder| {
        let builder = builder
            .timeout("answer", "3s")
            .timeout("first_token", "3s")
            .timeout("idle", "3s")
            .provider("refusing", kind, &refusing)
            .model("refused", &[("refusing", model_of(primary)), (second, model_of(second))]);
        cases.fold(builder, |builder, case| builder.model(&case, &[(primary, &case), (second, model_of(second))]))
    })
    .await;
    let (first, fallback) = (pair.simulator(primary), pair.simulator(second));
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let mut note = |fault, stream, answer: &Answer, attempts: (usize, usize), judged: Result<(), String>| {
        if let Err(what) = judged {
            wrong.push(format!("{fault}, stream {stream}: not {what}: {attempts:?} {answer:?}"));
        }
        lines.push(Line {
            fault,
            stream,
            saw: describe(answer),
            answered: answer.header("x-sluice-provider").unwrap_or("-").to_owned(),
            attempts: format!("{primary} {}, {second} {}", attempts.0, attempts.1),
        });
    };
    for (index, &(fault, whole, streamed)) in FAULTS.iter().enumerate() {
        for (stream, sees) in [(false, whole), (true, streamed)] {
            if sees == Skip || may_say_nothing(primary, fault) {
                continue;
            }
            first.clear();
            fallback.clear();
            first.always(fault);
            let model = case(index, stream);
            let body = with(ask(&model, PROMPT), serde_json::json!({"stream": stream}));
            let answer = pair.gateway.chat_past_a_pause(&body, first).await;
            let attempts = (first.count(), fallback.count());
            note(fault, stream, &answer, attempts, judge(&answer, sees, primary, &model, attempts));
        }
    }
    for stream in [false, true] {
        fallback.clear();
        let body = with(ask("refused", PROMPT), serde_json::json!({"stream": stream}));
        let answer = pair.gateway.chat(&body).await;
        // Only the response header shows the refused connection.
        let attempts = (1, fallback.count());
        note("refused connection", stream, &answer, attempts, judge(&answer, Fallback, primary, "", attempts));
    }
    print(&format!("{primary} first, {second} as its fallback"), &lines);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn openai_fails_and_anthropic_stands_in() {
    with_a_fallback("openai").await;
}

#[tokio::test]
async fn anthropic_fails_and_openai_stands_in() {
    with_a_fallback("anthropic").await;
}

/// Faults after which the gateway retries an only target.
const WORTH_ANOTHER: [&str; 4] = ["status=500", "status=502", "status=503", "status=529"];

/// The errors without another target: the fault, and the status and code for an OpenAI and an Anthropic provider.
const LAST_WORDS: &[(&str, [(u16, &str); 2])] = &[
    ("status=500", [(500, ""), (500, "")]),
    ("status=502", [(502, ""), (502, "")]),
    ("status=503", [(503, "overloaded"), (503, "overloaded")]),
    ("status=529", [(503, "overloaded"), (503, "overloaded")]),
    ("status=429", [(429, "rate_limit_exceeded"), (429, "rate_limit_exceeded")]),
    ("quota", [(429, "insufficient_quota"), (429, "insufficient_quota")]),
    ("status=401", [(502, "provider_refused_credential"), (502, "provider_refused_credential")]),
    ("status=402", [(502, "provider_refused_credential"), (502, "provider_refused_credential")]),
    ("status=403", [(502, "provider_refused_credential"), (502, "provider_refused_credential")]),
    ("reset", [(503, "provider_unavailable"), (503, "provider_unavailable")]),
    ("silence", [(504, "provider_timeout"), (504, "provider_timeout")]),
    ("error", [(502, ""), (503, "overloaded")]),
    ("blank", [(502, "invalid_provider_response"), (502, "invalid_provider_response")]),
    ("empty", [(502, "invalid_provider_response"), (0, "")]),
    ("html", [(502, "invalid_provider_response"), (502, "invalid_provider_response")]),
    ("gzip", [(502, "invalid_provider_response"), (502, "invalid_provider_response")]),
    ("context", [(400, "context_length_exceeded"), (400, "context_length_exceeded")]),
    ("filter", [(400, "content_filter"), (400, "content_policy_violation")]),
];

/// The simulator's messages for these statuses.
fn words_of(fault: &str) -> &'static str {
    match fault {
        "status=503" | "status=529" => "Overloaded",
        _ => "The server had an error while processing your request.",
    }
}

#[tokio::test]
async fn with_nothing_left_the_client_reads_why() {
    let pair = Pair::impatient().await;
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for &(fault, words) in LAST_WORDS {
        for (provider, expected) in ["openai", "anthropic"].into_iter().zip(words) {
            if may_say_nothing(provider, fault) {
                continue;
            }
            let simulator = pair.simulator(provider);
            for stream in [false, true] {
                simulator.clear();
                simulator.always(fault);
                let body = with(pair.ask(provider, PROMPT), serde_json::json!({"stream": stream}));
                let answer = pair.gateway.chat(&body).await;
                let (status, code) = refusal(&answer);
                let attempts = simulator.count();
                // Anthropic reports an overload with a 529 or in a 200.
                let busy = (fault, provider) == ("error", "anthropic");
                let wanted = match fault {
                    // One retry of a stale connection, and one of the last target.
                    "reset" => 3,
                    _ if busy || WORTH_ANOTHER.contains(&fault) => 2,
                    _ => 1,
                };
                if (status, &*code) != expected
                    || answer.header("x-sluice-attempts") != Some(&*wanted.to_string())
                    || attempts != wanted
                    // The client gets the message of its own provider.
                    || (fault.starts_with("status=5") && !answer.text().contains(words_of(fault)))
                    // Clients do not get a provider's message about the gateway's own key.
                    || (code == "provider_refused_credential" && answer.text().to_lowercase().contains("api key"))
                {
                    wrong.push(format!("{fault} of {provider}, stream {stream}: {answer:?}, {attempts} attempts"));
                }
                let answered = answer.header("x-sluice-provider").unwrap_or("-").to_owned();
                lines.push(Line {
                    fault,
                    stream,
                    saw: describe(&answer),
                    answered,
                    attempts: format!("{provider} {attempts}"),
                });
            }
        }
    }
    print("one provider alone", &lines);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_turn_that_ends_without_a_word_is_an_answer() {
    let pair = Pair::lease().await;
    pair.anthropic.always("empty");
    let answer = pair.gateway.chat(&pair.ask("anthropic-first", PROMPT)).await;
    assert_eq!((answer.status, answer.header("x-sluice-provider")), (200, Some("anthropic")));
    let answer = pair.gateway.stream(&pair.ask("anthropic-first", PROMPT)).await;
    let finish = answer.events().iter().any(|event| event.json()["choices"][0]["finish_reason"] == "stop");
    assert!(finish && answer.events().last().is_some_and(|event| event.data == "[DONE]"), "{answer:?}");
}

#[tokio::test]
async fn a_huge_answer_passes_whole() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        pair.simulator(provider).always("huge=8");
        for stream in [false, true] {
            let more = serde_json::json!({"stream": stream, "max_completion_tokens": 8 << 20});
            let answer = pair.gateway.chat(&with(pair.ask(provider, PROMPT), more)).await;
            assert_eq!((answer.status, answer.complete), (200, true), "{provider} {stream}");
            assert_eq!(said(&answer).len(), 8 << 20, "{provider} {stream}: {:.300}", answer.text());
        }
    }
}
