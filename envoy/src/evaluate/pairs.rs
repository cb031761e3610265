//! Pairs of questions, with a person's judgement.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::cli::Failure;

const SHIPPED: &str = include_str!("../../data/cache-pairs.jsonl");

/// Two questions.
#[derive(Debug, Deserialize)]
pub struct Pair {
    pub a: String,
    pub b: String,
    /// Whether an answer to one may serve the other.
    pub same: bool,
    half: Option<Half>,
}

/// The pairs to choose a threshold with, and those to measure it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    Design,
    Report,
}

impl Pair {
    /// Its half, by a hash of its texts if it names none.
    pub fn half(&self) -> Half {
        self.half.unwrap_or_else(|| {
            let hash = Sha256::digest(format!("{}\n{}", self.a, self.b));
            if hash.first().is_some_and(|first| first % 2 == 1) { Half::Report } else { Half::Design }
        })
    }
}

/// Reads a file of pairs, or those that the command has with it.
pub fn read(path: Option<&Path>) -> Result<Vec<Pair>, Failure> {
    let (name, text) = match path {
        None => ("the shipped pairs".to_owned(), SHIPPED.to_owned()),
        Some(path) => {
            let name = path.display().to_string();
            let text =
                fs::read_to_string(path).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
            (name, text)
        }
    };
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let pairs = lines.map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| {
            let expected = r#"{"a": "TEXT", "b": "TEXT", "same": true}, with "half": "design" or "report" if you wish"#;
            Failure::new(format!("{name}, line {number}: {error}. Expected {expected}"))
        })
    });
    let pairs: Vec<Pair> = pairs.collect::<Result<_, _>>()?;
    if pairs.is_empty() { Err(Failure::new(format!("{name} has no pairs"))) } else { Ok(pairs) }
}
