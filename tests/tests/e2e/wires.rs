//! Faults of providers that use neither OpenAI's chat format nor Anthropic's: errors inside a 200, streams that are truncated, stalled or
//! damaged, limits, and filters. If possible, another provider responds. Otherwise the request ends as a failure. Either way both attempts
//! are charged by the simulator's count.

use std::fmt;

use serde_json::{Map, Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::simulator::{Recorded, Simulator};

use crate::together;

/// Name, kind, the simulator's path, the model, and the number of stream events before the first content.
type Wire = (&'static str, &'static str, &'static str, &'static str, usize);

const WIRES: [Wire; 7] = [
    ("gemini", "gemini", "/v1beta", "gemini-2.5-sim", 0),
    ("vertex", "vertex", "/v1/projects/p/locations/l/publishers/google", "gemini-2.5-sim", 0),
    ("bedrock", "bedrock", "", "claude-sim", 1),
    ("bedrock-anthropic", "bedrock-anthropic", "", "claude-sim", 1),
    ("vertex-anthropic", "vertex-anthropic", "/v1/projects/p/locations/l/publishers/anthropic", "claude-sim", 1),
    ("cohere", "cohere", "/v2", "command-sim", 1),
    ("responses", "openai", "/v1", "gpt-sim", 1),
];

/// The expected end for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The second provider's response, and nothing of the first's.
    Rescued,
    /// A truncated stream with an error.
    Broken,
    /// The first provider's refusal, without another attempt.
    Filtered,
}

use End::{Broken, Filtered, Rescued};

/// Faults of a stream, and their ends. `EARLY` is before the first content.
const STREAMED: [(&str, End); 17] = [
    ("error", Rescued),
    ("blank", Rescued),
    ("html", Rescued),
    ("reset", Rescued),
    ("status=429+retry-after=90", Rescued),
    ("quota", Rescued),
    ("status=503", Rescued),
    ("close-after=EARLY", Rescued),
    ("eof-after=EARLY", Rescued),
    ("error-after=EARLY", Rescued),
    ("malformed-after=EARLY", Rescued),
    ("stall-after=EARLY", Rescued),
    ("filter", Filtered),
    ("close-after=14", Broken),
    ("eof-after=14", Broken),
    ("error-after=14", Broken),
    ("stall-after=14", Broken),
];
/// Faults of a non-streamed response.
const WHOLE: [(&str, End); 8] = [
    ("error", Rescued),
    ("blank", Rescued),
    ("html", Rescued),
    ("reset", Rescued),
    ("status=429+retry-after=90", Rescued),
    ("close-after=1", Rescued),
    ("eof-after=1", Rescued),
    ("filter", Filtered),
];
/// Faults of a stream with `delivery: whole`, also after the first content.
const DELIVERED: [(&str, End); 4] = [
    ("close-after=14", Rescued),
    ("error-after=14", Rescued),
    ("malformed-after=14", Rescued),
    ("stall-after=14", Rescued),
];
/// Faults of Amazon's frames, which have checksums.
const FRAMES: [(&str, End); 2] = [("corrupt-after=EARLY", Rescued), ("corrupt-after=14", Broken)];

/// A request.
#[derive(Debug, Clone)]
struct Case {
    wire: Wire,
    fault: String,
    stream: bool,
    delivered: bool,
    end: End,
    /// The number in its text and in its model's name.
    number: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.stream, self.delivered) {
            (true, true) => "streamed, delivered whole",
            (true, false) => "streamed",
            (false, _) => "in one piece",
        };
        write!(f, "{}, {}, {how}", self.wire.0, self.fault)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for wire in WIRES {
        // The malformed event is of a kind that the gateway knows by its name alone: it does not parse that event's payload.
        let ignores = |fault: &str| wire.0 == "bedrock" && fault.starts_with("malformed");
        let mut add = |list: &[(&str, End)], stream: bool, delivered: bool| {
            for (fault, end) in list.iter().filter(|(fault, _)| !ignores(fault)) {
                let fault = fault.replace("EARLY", &wire.4.to_string());
                let more = if fault.ends_with("=14") { "tokens=20+whole+every=100+" } else { "" };
                let number = cases.len();
                cases.push(Case { wire, fault: format!("{more}{fault}"), stream, delivered, end: *end, number });
            }
        };
        add(&STREAMED, true, false);
        add(&WHOLE, false, false);
        add(&DELIVERED, true, true);
        if wire.0.starts_with("bedrock") {
            add(&FRAMES, true, false);
        }
    }
    cases
}

async fn gateway(cases: &[Case], first: &Simulator, second: &Simulator) -> Gateway {
    let mut providers = Map::new();
    for (name, kind, path, _, _) in WIRES {
        providers.insert(name.into(), json!({"kind": kind, "url": first.url() + path, "key": {"env": "A_KEY"}}));
    }
    providers["responses"]["speaks"] = json!(["responses"]);
    providers.insert("second".into(), json!({"kind": "openai", "url": second.base_url(), "key": {"env": "A_KEY"}}));
    let mut models = Map::new();
    for case in cases {
        let target = json!({"provider": case.wire.0, "model": format!("{}+{}", case.wire.3, case.fault)});
        let mut model = json!({"targets": [target, {"provider": "second", "model": "gpt-sim"}]});
        if case.delivered {
            model["delivery"] = json!("whole");
        }
        models.insert(case.number.to_string(), model);
    }
    let times = json!({"answer": "20s", "first_token": "3s", "idle": "2s"});
    let file = json!({"providers": providers, "models": models, "timeouts": times, "circuit": {"failures": 1000}});
    Builder::default().with(file).start().await
}

#[tokio::test]
async fn what_fails_on_other_wires_is_rescued_or_known_as_a_failure() {
    let cases = cases();
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let gateway = gateway(&cases, &first, &second).await;
    let ask = async |case: &Case| {
        let text = format!("say answer ~{}~ of a few words", case.number);
        let mut body = crate::ask(&case.number.to_string(), &text);
        if case.stream {
            body["stream"] = json!(true);
        }
        gateway.chat(&body).await
    };
    let mut answers = Vec::new();
    for some in cases.chunks(40) {
        answers.extend(together(some.iter().map(&ask)).await);
    }
    let log = gateway.quiet().await;
    let (asked, rescued) = (first.settled(1).await, second.settled(1).await);
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let mine = |all: &[Recorded]| all.iter().filter(|request| is_of(case, request)).cloned().collect::<Vec<_>>();
        let id = answer.header("x-request-id").unwrap_or_default();
        let line = log.iter().find(|line| line["request_id"] == id).cloned().unwrap_or_default();
        if let Err(why) = judge(case, answer, &mine(&asked), &mine(&rescued), &line) {
            wrong.push(format!(
                "{case}: expected {:?}: {why}\n  {} {}\n  {line}",
                case.end,
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn is_of(case: &Case, request: &Recorded) -> bool {
    String::from_utf8_lossy(&request.body).contains(&format!("~{}~", case.number))
}

fn judge(case: &Case, answer: &Answer, first: &[Recorded], second: &[Recorded], line: &Value) -> Result<(), String> {
    let used = |all: &[Recorded]| all.last().and_then(|request| request.used).unwrap_or_default();
    let tokens = |of: &Value| ["input_tokens", "output_tokens"].map(|name| of[name].as_u64().unwrap_or_default());
    let [input, output] = tokens(line);
    let logged = (input, output);
    let ends = answer.events().last().is_some_and(|event| event.data == "[DONE]") && answer.complete;
    match case.end {
        Rescued => {
            let said = crate::said(answer) == format!("answer ~{}~ of a few words", case.number);
            let served = answer.header("x-sluice-provider").or(line["served_provider"].as_str()) == Some("second");
            // The totals of the line include the first attempt.
            let last = line["tried"].as_array().and_then(|tried| tried.last()).map(tokens);
            let counted = last == Some([used(second).input, used(second).output]);
            let right = answer.status == 200 && said && served && (ends || !case.stream) && counted;
            right.then_some(()).ok_or(format!("said {said}, served {served}, counted {counted}, asked {}", first.len()))
        }
        Broken => {
            let used = used(first);
            // Output behind a damaged frame is unknown to the gateway. A prompt without a count is estimated by all its JSON.
            let damaged = case.fault.contains("corrupt") && logged.1 <= used.output;
            let near = damaged || logged.1.abs_diff(used.output) <= 3;
            let near = near && (used.input..=4 * used.input).contains(&logged.0);
            let right = answer.status == 200 && !ends && !crate::said(answer).is_empty() && second.is_empty();
            (right && near).then_some(()).ok_or(format!("ends {ends}, logged {logged:?}, used {used:?}"))
        }
        Filtered => {
            let once = first.len() == 1 && second.is_empty() && line["attempts"] == 1;
            let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
            let refused = answer.status == 400 && (code.contains("content") || !code.is_empty());
            let stopped = answer.status == 200 && answer.text().contains("\"finish_reason\":\"content_filter\"");
            (once && (refused || stopped)).then_some(()).ok_or(format!("once {once}"))
        }
    }
}
