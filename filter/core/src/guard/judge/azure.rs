//! Text analysis of Azure AI Content Safety:
//! <https://learn.microsoft.com/rest/api/contentsafety/text-operations/analyze-text>.

use serde_json::Value;

use super::parts::{Capacity, Part, joined};
use super::reply::{Unreadable, list, text};
use super::verdict::Verdict;
use super::{Category, Question, add, write_strings};

/// The service accepts 10,000 characters.
pub const CAPACITY: Capacity = Capacity { characters: 10_000, parts: usize::MAX, overlap: 200 };

/// The categories of the service.
pub const CATEGORIES: [&str; 4] = ["Hate", "SelfHarm", "Sexual", "Violence"];

/// The severity from which a category blocks by default: medium, as in the filters of Azure's models.
pub const THRESHOLD: f64 = 4.0;

/// The settings.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// The categories, each with the severity from which it blocks, from 1 to 7. Without one: [`THRESHOLD`].
    pub(super) categories: Vec<Category>,
    /// The JSON members after the text.
    pub(super) members: String,
}

impl Settings {
    /// The categories, each with the severity from which it blocks, and the names of blocklists.
    pub fn new(categories: Vec<Category>, blocklists: &[String]) -> Self {
        let mut members = ",\"categories\":".to_owned();
        write_strings(categories.iter().map(|(name, _)| &**name), &mut members);
        if !blocklists.is_empty() {
            add(&mut members, &[",\"blocklistNames\":"]);
            write_strings(blocklists.iter().map(String::as_str), &mut members);
        }
        add(&mut members, &[",\"outputType\":\"EightSeverityLevels\""]);
        Self { categories, members }
    }

    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
        let mut body = "{\"text\":".to_owned();
        sluice_wire::json::write_string(&joined(parts, question.texts), &mut body);
        add(&mut body, &[&self.members, "}"]);
        ("/contentsafety/text:analyze?api-version=2024-09-01", body)
    }

    pub(super) fn verdict(&self, reply: &Value) -> Result<Verdict, Unreadable> {
        let analyses = list(reply, "categoriesAnalysis")?;
        if let Some(list) = reply.get("blocklistsMatch").and_then(Value::as_array).and_then(|found| found.first()) {
            return Ok(Verdict::block(text(list, "blocklistName").unwrap_or("blocklist")));
        }
        for (category, least) in &self.categories {
            let analysis = analyses.iter().find(|analysis| text(analysis, "category") == Some(category));
            let severity = analysis.and_then(|analysis| analysis.get("severity")?.as_f64());
            if severity.ok_or_else(|| Unreadable::without(&format!("the severity of {category}")))?
                >= least.unwrap_or(THRESHOLD)
            {
                return Ok(Verdict::block(category));
            }
        }
        Ok(Verdict::Pass)
    }
}
