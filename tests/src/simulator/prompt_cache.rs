//! A provider's prompt cache: the beginnings of prompts that an account has sent within five minutes.
//!
//! OpenAI caches each prompt. Anthropic and Converse cache a prompt up to the last mark in it, and find what earlier requests had marked up to
//! 20 blocks before each mark. A cached beginning has at least 1,024 tokens.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::call::Call;
use super::prompt::tokens;

const KEPT: Duration = Duration::from_secs(5 * 60);
const LOOKBACK: usize = 20;
const LEAST: u64 = 1024;

/// The parts of a prompt, as shares of its length.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// Read from the cache.
    pub read: f64,
    /// Written to the cache.
    pub written: f64,
}

#[derive(Debug, Default)]
pub struct PromptCache {
    /// When each beginning was last used, by account and content.
    used: Mutex<HashMap<(String, u64), Instant>>,
}

/// A block of a prompt with all blocks before it.
struct Prefix {
    hash: u64,
    bytes: usize,
    marked: bool,
}

impl PromptCache {
    /// Looks up the prompt of a chat request, and stores it.
    pub fn take(&self, call: &Call<'_>, body: &Value) -> Shares {
        let marks = call.path.contains("/messages") || call.path.starts_with("/model/");
        let account = format!("{}{} {}", call.bearer(), call.header("x-api-key"), body["model"]);
        let prefixes = prefixes(body);
        let Some(whole) = prefixes.last().map(|prefix| prefix.bytes) else { return Shares::default() };
        let now = Instant::now();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long = |prefix: &Prefix| tokens(prefix.bytes) >= LEAST;
        let known = |prefix: &&Prefix| {
            let at = used.get(&(account.clone(), prefix.hash));
            is_long(prefix) && at.is_some_and(|at| now.duration_since(*at) < KEPT)
        };
        let ends: Vec<usize> = (0..prefixes.len()).filter(|index| !marks || prefixes[*index].marked).collect();
        let reach = if marks { LOOKBACK } else { prefixes.len() };
        let read = ends.iter().flat_map(|end| prefixes[end.saturating_sub(reach)..=*end].iter()).filter(known);
        let read = read.map(|prefix| prefix.bytes).max().unwrap_or_default();
        let ends: Vec<&Prefix> = ends.into_iter().map(|end| &prefixes[end]).filter(|prefix| is_long(prefix)).collect();
        let stored = ends.last().map_or(0, |last| last.bytes).max(read);
        for prefix in &ends {
            used.insert((account.clone(), prefix.hash), now);
        }
        let share = |bytes: usize| bytes as f64 / whole as f64;
        // OpenAI does not report writes.
        Shares { read: share(read), written: if marks { share(stored - read) } else { 0.0 } }
    }
}

/// The beginnings of a prompt, in the order of tools, system prompt and messages.
fn prefixes(body: &Value) -> Vec<Prefix> {
    let lists = [&body["tools"], &body["toolConfig"]["tools"], &body["system"], &body["instructions"]];
    let messages = body["messages"].as_array().or(body["input"].as_array()).into_iter().flatten();
    let spoken = messages.flat_map(|message| {
        let role = message["role"].as_str().unwrap_or_default().to_owned();
        let content = if message["content"].is_null() { message } else { &message["content"] };
        blocks(content).into_iter().map(move |block| (role.clone(), block))
    });
    let before = lists.into_iter().flat_map(blocks).map(|block| (String::new(), block));
    let (mut hasher, mut bytes) = (DefaultHasher::new(), 0);
    let mut prefixes: Vec<Prefix> = Vec::new();
    for (role, mut block) in before.chain(spoken) {
        if block.get("cachePoint").is_some() {
            prefixes.last_mut().into_iter().for_each(|last| last.marked = true);
            continue;
        }
        let marked = block.as_object_mut().and_then(|fields| fields.remove("cache_control")).is_some();
        let text = block.to_string();
        (role, &text).hash(&mut hasher);
        bytes += text.len();
        prefixes.push(Prefix { hash: hasher.finish(), bytes, marked });
    }
    prefixes
}

/// A text is one block.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::Null => Vec::new(),
        Value::Array(blocks) => blocks.clone(),
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        other => vec![other.clone()],
    }
}
