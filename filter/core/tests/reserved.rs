//! For every admitted request, a provider that counts correctly never reports more usage than the gateway reserved.
//!
//! The provider in this test shares no code with the gateway. It sees the request before it is written as JSON: texts, images, and the
//! number of prompts and responses. It counts prompts as [limits.md](../../../docs/limits.md#reserve-then-settle) estimates them, and
//! produces the longest responses that the request allows, by its endpoint's own limit fields. The test leaves out the cases in which that
//! page allows a higher charge: a response above `reservation.output_tokens`, a stored object above `reservation.unknown_input`, text with
//! less than four bytes a token, and reasoning or cache writes that cost more than plain tokens.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use sluice_config::file;
use sluice_core::compiled::CompiledConfig;
use sluice_core::limits::Unit;
use sluice_core::pipeline::gateway::dry_run::{Question, dry_run};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

/// `reservation.output_tokens` and `reservation.unknown_input`.
const LONGEST: u64 = 1_000;
const UNKNOWN: u64 = 5_000;
/// The maximum tokens of an image.
const IMAGE: u64 = 1_600;
/// The longest response of the model with a stated limit.
const MAX_OUTPUT: u64 = 300;

/// Odd prices: picodollars per token, micro-dollars per image and request.
const INPUT: u64 = 3_330_000;
const CACHED: u64 = 333_000;
const OUTPUT: u64 = 14_770_000;
const PER_IMAGE: u64 = 1_234;
const PER_REQUEST: u64 = 77;

/// An endpoint: its path, its models, its own limit fields, those of other endpoints, and its multipliers.
struct Endpoint {
    path: &'static str,
    models: &'static [&'static str],
    limits: &'static [&'static str],
    others: &'static [&'static str],
    multipliers: &'static [&'static str],
}

const CHAT: Endpoint = Endpoint {
    path: "/v1/chat/completions",
    models: &["openai", "short", "anthropic", "gemini"],
    limits: &["max_tokens", "max_completion_tokens"],
    others: &["max_output_tokens", "best_of"],
    multipliers: &["n"],
};
const RESPONSES: Endpoint = Endpoint {
    path: "/v1/responses",
    models: &["openai", "short"],
    limits: &["max_output_tokens"],
    others: &["max_tokens", "max_completion_tokens", "n"],
    multipliers: &[],
};
const MESSAGES: Endpoint = Endpoint {
    path: "/v1/messages",
    models: &["anthropic"],
    limits: &["max_tokens"],
    others: &["max_completion_tokens", "max_output_tokens"],
    multipliers: &[],
};
const COMPLETIONS: Endpoint = Endpoint {
    path: "/v1/completions",
    models: &["openai", "short"],
    limits: &["max_tokens"],
    others: &["max_completion_tokens", "max_output_tokens"],
    multipliers: &["n", "best_of"],
};
const EMBEDDINGS: Endpoint = Endpoint {
    path: "/v1/embeddings",
    models: &["openai"],
    limits: &[],
    others: &["max_tokens", "n"],
    multipliers: &[],
};
const IMAGES: Endpoint = Endpoint {
    path: "/v1/images/generations",
    models: &["openai"],
    limits: &[],
    others: &["max_tokens", "max_output_tokens"],
    multipliers: &["n"],
};
const ENDPOINTS: [&Endpoint; 6] = [&CHAT, &RESPONSES, &MESSAGES, &COMPLETIONS, &EMBEDDINGS, &IMAGES];

/// A count as written, and the value that a lenient parser reads; `None` if it requests nothing.
const COUNTS: [(&str, Option<u64>); 16] = [
    ("1", Some(1)),
    ("2", Some(2)),
    ("7", Some(7)),
    ("20", Some(20)),
    ("128", Some(128)),
    ("500", Some(500)),
    ("999999", Some(999_999)),
    ("3.0", Some(3)),
    ("2.5", Some(3)),
    ("1e1", Some(10)),
    ("18446744073709551616", Some(u64::MAX)),
    ("0", None),
    ("-0", None),
    ("-5", None),
    ("null", None),
    ("\"128\"", Some(128)),
];

/// Pieces of texts, with letters of one to four bytes.
const PIECES: [&str; 10] = ["word ", "x", "1, 2,", "\"quoted\"\n", "é", "你好", "ไทย", "🙂", "𐎀", "\\u0041"];

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// Token ids, for endpoints that accept them.
    Tokens(Vec<u32>),
    /// A URL or base64.
    Image {
        base64: bool,
        typed: bool,
    },
    /// A file id from the provider.
    File,
}

/// A request before it is written.
#[derive(Debug, Clone)]
struct Ask {
    endpoint: usize,
    model: prop::sample::Index,
    parts: Vec<Part>,
    /// Fields with counts, of this endpoint or of others, and their values.
    counts: Vec<(prop::sample::Index, prop::sample::Index)>,
    /// The JSON layout: one field per line, spaces before commas, or compact.
    layout: u8,
    /// Whether non-ASCII letters are escaped.
    ascii: bool,
    /// The share of the prompt in the provider's cache, in percent.
    cached: u64,
}

fn part() -> impl Strategy<Value = Part> {
    let mixed = prop::collection::vec(select(&PIECES[..]), 1..60).prop_map(|pieces| Part::Text(pieces.concat()));
    let of_one = (select(&PIECES[..]), 1_usize..300).prop_map(|(piece, times)| Part::Text(piece.repeat(times)));
    prop_oneof![
        2 => mixed,
        2 => of_one,
        2 => prop::collection::vec(0_u32..10, 1..200).prop_map(Part::Tokens),
        1 => prop::collection::vec(0_u32..200_000, 1..200).prop_map(Part::Tokens),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(base64, typed)| Part::Image { base64, typed }),
        1 => Just(Part::File),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    (
        0..ENDPOINTS.len(),
        any::<prop::sample::Index>(),
        prop::collection::vec(part(), 1..8),
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        0_u8..3,
        any::<bool>(),
        0_u64..=100,
    )
        .prop_map(|(endpoint, model, parts, counts, layout, ascii, cached)| Ask {
            endpoint,
            model,
            parts,
            counts,
            layout,
            ascii,
            cached,
        })
}

impl Ask {
    fn endpoint(&self) -> &'static Endpoint {
        ENDPOINTS[self.endpoint]
    }

    fn model(&self) -> &'static str {
        let models = self.endpoint().models;
        models[self.model.index(models.len())]
    }

    /// The fields with counts: names, JSON texts and values.
    fn counts(&self) -> Vec<(&'static str, &'static str, Option<u64>)> {
        let Endpoint { limits, others, multipliers, .. } = self.endpoint();
        let names = [*limits, *multipliers, *others].concat();
        let named = self.counts.iter().map(|(name, count)| {
            let (written, means) = COUNTS[count.index(COUNTS.len())];
            (names[name.index(names.len())], written, means)
        });
        named.collect()
    }

    /// The parts that the endpoint accepts: only some accept tokens, only others images and files.
    fn parts(&self) -> Vec<Part> {
        let takes = |part: &&Part| match (self.endpoint().path, part) {
            (_, Part::Text(_)) => true,
            ("/v1/completions" | "/v1/embeddings", part) => matches!(part, Part::Tokens(_)),
            (path, Part::Image { .. }) => path != IMAGES.path,
            (path, Part::File) => path == RESPONSES.path || (path == CHAT.path && self.model() == "openai"),
            (_, Part::Tokens(_)) => false,
        };
        let parts: Vec<Part> = self.parts.iter().filter(takes).cloned().collect();
        if parts.is_empty() { vec![Part::Text("hi".into())] } else { parts }
    }

    fn body(&self) -> String {
        let parts = self.parts();
        let mut body = match self.endpoint().path {
            "/v1/chat/completions" => {
                json!({"messages": [{"role": "user", "content": parts.iter().map(chat_part).collect::<Value>()}]})
            }
            "/v1/responses" => {
                json!({"input": [{"role": "user", "content": parts.iter().map(input_part).collect::<Value>()}]})
            }
            "/v1/messages" => {
                json!({"messages": [{"role": "user", "content": parts.iter().map(block).collect::<Value>()}]})
            }
            "/v1/completions" => json!({"prompt": one_or_many(&parts)}),
            "/v1/embeddings" => json!({"input": one_or_many(&parts)}),
            _ => json!({"prompt": parts.iter().map(text).collect::<String>()}),
        };
        body["model"] = json!(self.model());
        let written = match self.layout {
            0 => format!("{body:#}"),
            1 => spread(&body.to_string()),
            _ => body.to_string(),
        };
        let counts = self.counts().into_iter().map(|(name, written, _)| format!(",\"{name}\":{written}"));
        let written = written.strip_suffix('}').expect("an object");
        let written = format!("{written}{}}}", counts.collect::<String>());
        if self.ascii { escaped(&written) } else { written }
    }
}

/// Escapes all non-ASCII letters; those of four bytes become two escapes.
fn escaped(json: &str) -> String {
    let escape = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(escape).collect()
}

/// Adds a space before each comma outside of texts.
fn spread(json: &str) -> String {
    let (mut inside, mut escapes) = (false, false);
    let mut spread = String::new();
    for letter in json.chars() {
        if letter == ',' && !inside {
            spread.push(' ');
        }
        inside ^= letter == '"' && !escapes;
        escapes = letter == '\\' && !escapes;
        spread.push(letter);
    }
    spread
}

const ADDRESS: &str = "https://example.com/a.png";

fn data() -> String {
    "iVBORw0KGgoAAAANSUhEUgAAB".repeat(40)
}

fn text(part: &Part) -> &str {
    if let Part::Text(text) = part { text } else { "" }
}

fn chat_part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image { base64, .. } => {
            let url = if *base64 { format!("data:image/png;base64,{}", data()) } else { ADDRESS.to_owned() };
            json!({"type": "image_url", "image_url": {"url": url}})
        }
        Part::File | Part::Tokens(_) => json!({"type": "file", "file": {"file_id": "file-1"}}),
    }
}

fn input_part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "input_text", "text": text}),
        Part::Image { typed, .. } => {
            let image = json!({"type": "input_image", "image_url": ADDRESS});
            // Some servers recognize an image by its URL.
            if *typed { image } else { json!({"image_url": ADDRESS}) }
        }
        Part::File | Part::Tokens(_) => json!({"type": "input_file", "file_id": "file-1"}),
    }
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image { base64: true, .. } => {
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data()}})
        }
        _ => json!({"type": "image", "source": {"type": "url", "url": ADDRESS}}),
    }
}

fn one_or_many(parts: &[Part]) -> Value {
    let one = |part: &Part| if let Part::Tokens(tokens) = part { json!(tokens) } else { json!(text(part)) };
    if let [alone] = parts { one(alone) } else { parts.iter().map(one).collect() }
}

/// The usage that the provider counts.
struct Truth {
    input: u64,
    output: u64,
    images: u64,
}

fn truth(ask: &Ask) -> Truth {
    let bytes_per_100_tokens = if ask.model() == "anthropic" { 350 } else { 400 };
    let (mut input, mut images) = (3, 0);
    for part in ask.parts() {
        match part {
            Part::Text(text) => {
                let (rare, common): (Vec<char>, Vec<char>) = text.chars().partition(|letter| letter.len_utf8() == 4);
                let bytes: usize = common.into_iter().map(char::len_utf8).sum();
                input += (bytes as u64 * 100).div_ceil(bytes_per_100_tokens) + 4 * rare.len() as u64;
            }
            Part::Tokens(tokens) => input += tokens.len() as u64,
            Part::Image { .. } => {
                input += IMAGE;
                images += 1;
            }
            Part::File => input += UNKNOWN,
        }
    }
    if ask.endpoint().path == IMAGES.path {
        images += answers(ask);
    }
    Truth { input, output: answer(ask) * answers(ask), images }
}

/// The longest response that the provider allows.
fn answer(ask: &Ask) -> u64 {
    if ask.endpoint().path == EMBEDDINGS.path {
        return 0;
    }
    let counts = ask.counts();
    let limits = counts.iter().filter(|(name, ..)| ask.endpoint().limits.contains(name));
    let asked = limits.filter_map(|(.., means)| *means).max().unwrap_or(LONGEST);
    asked.min(LONGEST).min(if ask.model() == "short" { MAX_OUTPUT } else { LONGEST })
}

fn answers(ask: &Ask) -> u64 {
    let counts = ask.counts();
    let multipliers = counts.iter().filter(|(name, ..)| ask.endpoint().multipliers.contains(name));
    let each = multipliers.filter_map(|(.., means)| *means).max().unwrap_or(1);
    let prompts = if ask.endpoint().path == COMPLETIONS.path { ask.parts().len() as u64 } else { 1 };
    each * prompts
}

/// The cost in micro-dollars, rounded up once.
fn cost(truth: &Truth, cached: u64) -> u64 {
    let cached = truth.input * cached / 100;
    let pico = (truth.input - cached) * INPUT + cached * CACHED + truth.output * OUTPUT;
    pico.div_ceil(1_000_000) + truth.images * PER_IMAGE + PER_REQUEST
}

fn config() -> Rc<CompiledConfig> {
    let dollars = |pico: u64| pico as f64 / 1e6;
    let price = |max_output: Option<u64>| {
        let mut price = json!({
            "input": dollars(INPUT), "output": dollars(OUTPUT), "cached_input": dollars(CACHED),
            "per_image": dollars(PER_IMAGE), "per_request": dollars(PER_REQUEST),
        });
        if let Some(most) = max_output {
            price["max_output"] = json!(most);
        }
        price
    };
    let target = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
    let file = json!({
        "providers": {
            "openai": {"kind": "openai", "speaks": ["chat", "responses", "completions", "embeddings"]},
            "anthropic": {"kind": "anthropic"}, "gemini": {"kind": "gemini"},
        },
        "models": {
            "openai": target("openai", "m"), "short": target("openai", "s"),
            "anthropic": target("anthropic", "m"), "gemini": target("gemini", "m"),
        },
        "prices": {"models": {"openai/s": price(Some(MAX_OUTPUT))}, "unpriced": price(None)},
        "reservation": {"output_tokens": LONGEST, "unknown_input": UNKNOWN},
        "teams": {"t": {}},
        "keys": [{"id": "k", "team": "t", "budget": {"total": 1}, "sha256": "0".repeat(64)}],
    });
    let file: file::File = serde_json::from_value(file).unwrap();
    Rc::new(sluice_config::compile(&file).unwrap())
}

/// The amount reserved in the budget; `None` if the request is rejected.
fn reserved(config: &Rc<CompiledConfig>, ask: &Ask) -> Option<u64> {
    let (body, headers, now) = (ask.body(), HeaderMap::default(), Time(1_790_000_000 * 1_000_000_000));
    let question = Question { key: "k", path: ask.endpoint().path, headers: &headers, body: body.as_bytes(), now };
    let foresight = dry_run(config, &question).ok()?;
    let parts = foresight.plan.candidates.first()?.parts.iter();
    parts.filter(|part| part.rule.unit == Unit::MicroUsd).map(|part| part.debit.amount).next()
}

#[test]
fn what_a_truthful_provider_counts_never_exceeds_what_was_reserved() {
    let config = config();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let passed: Vec<Cell<u32>> = ENDPOINTS.iter().map(|_| Cell::default()).collect();
    let done = runner.run(&ask(), |ask| {
        let Some(reserved) = reserved(&config, &ask) else { return Ok(()) };
        passed[ask.endpoint].set(passed[ask.endpoint].get() + 1);
        let cost = cost(&truth(&ask), ask.cached);
        if cost > reserved {
            let says =
                format!("{cost} are charged of {reserved} micro-dollars: {} {}", ask.endpoint().path, ask.body());
            return Err(TestCaseError::fail(says));
        }
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
    // Rejected requests prove nothing, so the gateway must admit enough.
    assert!(passed.iter().all(|passed| passed.get() > Config::default().cases / 60), "{passed:?}");
}
