//! Fields that a provider does not support: dropped by name, or replaced by an instruction in the prompt.

use crate::conversation::Request;

/// Added to the instructions if the response must be JSON and there is no schema.
pub const ANSWER_JSON: &str =
    "Answer with one valid JSON object and nothing else: no Markdown fence, no text before or after it.";

/// The names of dropped fields, each once.
#[derive(Debug)]
pub struct Dropped(pub Vec<String>);

impl Dropped {
    /// Starts with the fields that the client's format dropped.
    pub fn of(request: &Request) -> Self {
        Self(request.dropped.clone())
    }

    /// Adds `name` once.
    pub fn name(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// Returns `value` if it `fits`; else records `name` as dropped.
    pub fn unless<T>(&mut self, name: &str, value: Option<T>, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = value.as_ref().is_none_or(fits);
        if !fits {
            self.name(name);
        }
        value.filter(|_| fits)
    }

    /// Returns the stop sequences without blank ones, which many providers reject.
    pub fn stops<'a>(&mut self, stop: &'a [String]) -> Vec<&'a str> {
        let stops: Vec<&str> = stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
        if stops.len() != stop.len() {
            self.name("stop");
        }
        stops
    }
}
