//! What a provider has no words for: left out by its name, or asked for in the prompt.

use crate::conversation::Request;

/// What stands in the instructions when the answer must be JSON and no schema says which.
pub const ANSWER_JSON: &str =
    "Answer with one valid JSON object and nothing else: no Markdown fence, no text before or after it.";

/// Names of what was left out, each once.
#[derive(Debug)]
pub struct Dropped(pub Vec<String>);

impl Dropped {
    /// What the client's format left out already.
    pub fn of(request: &Request) -> Self {
        Self(request.dropped.clone())
    }

    /// Puts `name` on the list.
    pub fn name(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// `value` if it can stay; else its name goes on the list.
    pub fn unless<T>(&mut self, name: &str, value: Option<T>, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = value.as_ref().is_none_or(fits);
        if !fits {
            self.name(name);
        }
        value.filter(|_| fits)
    }

    /// Texts that end the answer, without the blank ones, which many providers refuse.
    pub fn stops<'a>(&mut self, stop: &'a [String]) -> Vec<&'a str> {
        let stops: Vec<&str> = stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
        if stops.len() != stop.len() {
            self.name("stop");
        }
        stops
    }
}
