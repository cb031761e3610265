//! OpenAI's moderation endpoint: <https://platform.openai.com/docs/api-reference/moderations>.

use serde_json::Value;
use sluice_wire::json;

use super::parts::{Capacity, Part};
use super::reply::{Unreadable, list};
use super::verdict::Verdict;
use super::{Category, Question, add, write_members, write_strings};

/// OpenAI documents no limits of a call; these keep one small.
pub const CAPACITY: Capacity = Capacity { characters: 100_000, parts: 128, overlap: 200 };

/// The settings.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// The model.
    pub model: String,
    /// The categories that count, each with the score from which it blocks; without a score, the service decides. If empty, all count.
    pub categories: Vec<Category>,
}

impl Settings {
    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
        let mut body = "{\"input\":".to_owned();
        write_strings(parts.iter().map(|part| part.of(question.texts)), &mut body);
        write_members(&[("model", &self.model)], &mut body);
        add(&mut body, &["}"]);
        ("/moderations", body)
    }

    pub(super) fn verdict(&self, reply: &Value, parts: &[Part]) -> Result<Verdict, Unreadable> {
        let results = list(reply, "results")?;
        if results.len() != parts.len() {
            return Err(Unreadable::Unexpected(format!("{} results instead of {}", results.len(), parts.len())));
        }
        for result in results {
            if let Some(category) = self.found(result)? {
                return Ok(Verdict::block(category));
            }
        }
        Ok(Verdict::Pass)
    }

    /// The category for which a result blocks its text.
    fn found<'v>(&'v self, result: &'v Value) -> Result<Option<&'v str>, Unreadable> {
        let flagged = result.get("flagged").and_then(Value::as_bool).ok_or_else(|| Unreadable::without("`flagged`"))?;
        if self.categories.is_empty() {
            let categories = result.get("categories").and_then(Value::as_object);
            let first = || categories.into_iter().flatten().find(|(_, is)| is.as_bool() == Some(true));
            return Ok(flagged.then(|| first().map_or("", |(name, _)| name)));
        }
        for (category, threshold) in &self.categories {
            let value = |part| result.get(part).and_then(|part| part.get(category));
            let counts = match threshold {
                None => value("categories").and_then(Value::as_bool),
                Some(least) => value("category_scores").and_then(Value::as_f64).map(|score| score >= *least),
            };
            match counts {
                None => return Err(Unreadable::without(&format!("the category {}", json::json_string(category)))),
                Some(true) => return Ok(Some(category)),
                Some(false) => {}
            }
        }
        Ok(None)
    }
}
