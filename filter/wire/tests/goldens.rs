//! Requests, responses and streams in one format, and their translations into every other: `ls filter/wire/tests/goldens` lists them.
//!
//! A fixture is `<fixture>.<from>.json`, a client's request; `<fixture>.<from>.answer.json`, a provider's response; or
//! `<fixture>.<from>.stream.txt`, a provider's stream. Its goldens are `<fixture>.<from>-<to>` with the same ending: the request as a
//! provider of that format gets it, with the dropped fields, or the error; and the response as a client of that format reads it. The test
//! compares the order and spelling of the output, but not white space between tokens; it compares streams byte by byte. A stream of AWS's
//! frames has a line for each frame: the event's name, and its payload.
//!
//! `UPDATE_GOLDENS=1 cargo test --workspace --test goldens` writes the goldens anew; review the difference.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sluice_wire::conversation::{Guises, StreamEvent};
use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::translate::{self, ResponseContext};
use sluice_wire::dialect::{
    Client, Id, Opening, Provider, anthropic, bedrock, cohere, completions, gemini, gemini_embed, openai_chat,
    openai_embeddings, responses,
};
use sluice_wire::embedding::Encoding;
use sluice_wire::error::ApiError;
use sluice_wire::framing::eventstream;

use layout::laid_out;

mod layout;

/// The formats of clients, for chat and for embeddings.
const CLIENTS: [&Client; 5] =
    [&openai_chat::CLIENT, &responses::CLIENT, &anthropic::CLIENT, &completions::CLIENT, &openai_embeddings::CLIENT];

/// The formats of providers, each with a model.
const PROVIDERS: [(&Provider, &str); 11] = [
    (&openai_chat::PROVIDER, "gpt-4o"),
    (&responses::PROVIDER, "gpt-5"),
    (&anthropic::PROVIDER, "claude-sonnet-4-5"),
    (&anthropic::hosted::VERTEX, "claude-sonnet-4-5@20250929"),
    (&anthropic::hosted::BEDROCK, "eu.anthropic.claude-sonnet-4-5-v1:0"),
    (&gemini::PROVIDER, "gemini-2.5-pro"),
    (&bedrock::PROVIDER, "eu.anthropic.claude-sonnet-4-5-v1:0"),
    (&cohere::PROVIDER, "command-a-03-2025"),
    (openai_embeddings::CLIENT.provider, "text-embedding-3-small"),
    (&cohere::embed::PROVIDER, "embed-v4.0"),
    (&gemini_embed::PROVIDER, "gemini-embedding-001"),
];

const NOW: u64 = 1_780_000_000;

/// The endings of files, and the translation of each.
const ENDINGS: [(&str, Translate); 3] = [(".answer.json", answers), (".stream.txt", streams), (".json", requests)];

/// All goldens of a fixture in the format of this name: each golden's format and text. `None` if no client or provider has that format.
type Translate = fn(from: &str, text: &str) -> Option<Vec<(&'static str, String)>>;

#[test]
fn fixtures_become_their_goldens_in_every_format() {
    let found = files();
    let mut made = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, text) in &found {
        let Some((stem, ending, translate)) = parts(name) else {
            wrong.push(format!("{name}: no ending of a fixture or a golden"));
            continue;
        };
        let Some((fixture, from)) = stem.split_once('.').filter(|(_, from)| !from.contains('-')) else { continue };
        match translate(from, text) {
            Some(goldens) => {
                made.extend(goldens.into_iter().map(|(to, text)| (format!("{fixture}.{from}-{to}{ending}"), text)))
            }
            None => wrong.push(format!("{name}: nobody sends {from}")),
        }
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        made.iter().for_each(|(name, text)| std::fs::write(folder().join(name), text).unwrap());
    }
    let found = files();
    for (name, text) in &made {
        match found.get(name) {
            Some(golden) if golden == text => {}
            Some(golden) => wrong.push(format!("{name}: {}", difference(golden, text))),
            None => wrong.push(format!("{name}: missing; UPDATE_GOLDENS=1 writes it")),
        }
    }
    let is_golden = |name: &str| parts(name).is_some_and(|(stem, ..)| stem.contains('-'));
    let strays = found.keys().filter(|name| is_golden(name) && !made.contains_key(*name));
    wrong.extend(strays.map(|name| format!("{name}: a golden of no fixture")));
    assert!(!made.is_empty() && wrong.is_empty(), "{} of {} goldens:\n{}", wrong.len(), made.len(), wrong.join("\n"));
}

/// A name without its ending, the ending, and its translation.
fn parts(name: &str) -> Option<(&str, &'static str, Translate)> {
    ENDINGS.iter().find_map(|(ending, translate)| {
        let stem = name.strip_suffix(ending).filter(|stem| stem.split('.').count() == 2)?;
        Some((stem, *ending, *translate))
    })
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens"))
}

fn files() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The first line that differs.
fn difference(golden: &str, text: &str) -> String {
    let lines = golden.lines().map(Some).chain(std::iter::repeat(None)).zip(text.lines().map(Some).chain([None]));
    let (number, (golden, text)) = (1..).zip(lines).find(|(_, (golden, text))| golden != text).unwrap_or_default();
    format!("line {number}\n  golden: {}\n  now:    {}", golden.unwrap_or("(no more)"), text.unwrap_or("(no more)"))
}

fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.into_iter().map(|(provider, _)| provider).find(|provider| provider.id.name() == name)
}

fn clients_of(provider: &'static Provider) -> impl Iterator<Item = &'static Client> {
    CLIENTS.into_iter().filter(|client| client.asks.translates(&provider.serves))
}

fn requests(from: &str, text: &str) -> Option<Vec<(&'static str, String)>> {
    let client = CLIENTS.into_iter().find(|client| client.id().name() == from)?;
    let providers = PROVIDERS.iter().filter(|(provider, _)| client.asks.translates(&provider.serves));
    let goldens = providers.map(|(provider, model)| {
        let golden = match translate::request(client, provider, text.as_bytes(), model) {
            Ok(written) => {
                let body = String::from_utf8(written.body).unwrap();
                format!(r#"{{"dropped":{},"body":{body}}}"#, json!(written.dropped))
            }
            Err(error) => format!(
                r#"{{"refused":{{"status":{},"param":{},"message":{}}}}}"#,
                error.status,
                json!(error.param),
                json!(error.message)
            ),
        };
        (provider.id.name(), laid_out(&golden))
    });
    Some(goldens.collect())
}

fn answers(from: &str, text: &str) -> Option<Vec<(&'static str, String)>> {
    let provider = provider(from)?;
    let names = Names::default();
    let context = ResponseContext {
        model: "alias",
        id: "given",
        now: NOW,
        encoding: Encoding::Float,
        estimate: 7,
        names: &names,
    };
    let goldens = clients_of(provider).map(|client| {
        let body = match translate::answer(client, provider, text.as_bytes(), &context) {
            Ok(answer) => answer.body,
            Err(error) => (client.manner.write_error)(&error),
        };
        (client.id().name(), laid_out(&String::from_utf8(body).unwrap()))
    });
    Some(goldens.collect())
}

fn streams(from: &str, text: &str) -> Option<Vec<(&'static str, String)>> {
    let provider = provider(from)?;
    let bytes = match provider.id {
        Id::Bedrock => framed(text, |payload| payload.to_owned()),
        Id::AnthropicOnBedrock => framed(text, |payload| json!({"bytes": BASE64.encode(payload)}).to_string()),
        _ => text.as_bytes().to_vec(),
    };
    let whole = |client| read(client, provider, &[&bytes]);
    let first = clients_of(provider).next()?;
    let (expected, _) = whole(first);
    for cut in 0..=bytes.len() {
        let (before, after) = bytes.split_at(cut);
        assert_eq!(read(first, provider, &[before, after]).0, expected, "{from}'s stream, cut at {cut}");
    }
    let goldens = clients_of(provider).map(|client| {
        let (events, out) = whole(client);
        let bit_by_bit: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(client, provider, &bit_by_bit), (events, out.clone()), "{from}'s stream, byte by byte");
        (client.id().name(), String::from_utf8(out).unwrap())
    });
    Some(goldens.collect())
}

/// The client's output for a stream in these chunks.
fn read(client: &Client, provider: &Provider, portions: &[&[u8]]) -> (Vec<StreamEvent>, Vec<u8>) {
    let (asks, serves) = (client.chat().unwrap(), provider.chat().unwrap());
    let (mut reader, mut events) = (translate::stream(asks, serves, &Names::default()), Vec::new());
    let read: Result<(), ApiError> = portions.iter().try_for_each(|portion| reader.read(portion, &mut events));
    // A stream without a terminator ends with its last byte.
    events.push(read.map_or_else(StreamEvent::Error, |()| StreamEvent::End));
    let opening =
        Opening { model: "alias".to_owned(), now: NOW, include_usage: true, estimate: 7, guises: Guises::none() };
    let (mut writer, mut out) = ((asks.stream_writer)(opening), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    (events, out)
}

/// The frames of these lines, with payloads in the format's envelope.
fn framed(text: &str, envelop: fn(&str) -> String) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.lines() {
        let (name, payload) = line.split_once(' ').expect("an event's name and its payload");
        match name.ends_with("Exception") {
            true => {
                let headers = [(":message-type", "exception"), (":exception-type", name)];
                eventstream::encode(&headers, payload.as_bytes(), &mut out);
            }
            false => {
                let headers = [(":message-type", "event"), (":event-type", name)];
                eventstream::encode(&headers, envelop(payload).as_bytes(), &mut out);
            }
        }
    }
    out
}
