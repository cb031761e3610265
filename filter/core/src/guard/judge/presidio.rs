//! The analyzer of Microsoft Presidio: <https://microsoft.github.io/presidio/api-docs/api-docs.html>.
//!
//! All texts of a call are one string, since older versions accept no list. Offsets are Unicode code points, as in Python.

use std::ops::Range;

use serde_json::Value;
use sluice_wire::json::decimal;

use super::parts::{Capacity, Part, SEPARATOR, joined};
use super::reply::{Unreadable, bounded, text};
use super::verdict::{Edit, Verdict, label, note};
use super::{Question, add, write_members, write_strings};

/// Below one megabyte in any encoding, which is the limit of the analyzer's language models and of many servers.
pub const CAPACITY: Capacity = Capacity { characters: 100_000, parts: usize::MAX, overlap: 200 };

/// The settings, as JSON members after the text.
#[derive(Debug, PartialEq)]
pub struct Settings(pub(super) String);

impl Settings {
    /// The language of the texts, the entities to find (empty: all), and the lowest score of a find.
    pub fn new(language: &str, entities: &[String], threshold: Option<f64>) -> Self {
        let mut members = String::new();
        write_members(&[("language", language)], &mut members);
        if !entities.is_empty() {
            add(&mut members, &[",\"entities\":"]);
            write_strings(entities.iter().map(String::as_str), &mut members);
        }
        if let Some(threshold) = threshold {
            add(&mut members, &[",\"score_threshold\":", &decimal(threshold)]);
        }
        Self(members)
    }

    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
        let mut body = "{\"text\":".to_owned();
        sluice_wire::json::write_string(&joined(parts, question.texts), &mut body);
        add(&mut body, &[&self.0, "}"]);
        ("/analyze", body)
    }
}

pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    let finds = bounded(reply.as_array().ok_or_else(|| Unreadable::without("a list of finds"))?)?;
    if finds.is_empty() {
        return Ok(Verdict::Pass);
    }
    let whole = joined(parts, texts);
    let places: Vec<usize> = whole.char_indices().map(|(at, _)| at).chain([whole.len()]).collect();
    let mut starts = Vec::with_capacity(parts.len());
    let mut next = 0;
    for part in parts {
        starts.push(next);
        next += part.at.len() + SEPARATOR.len();
    }
    let (mut edits, mut labels) = (Vec::new(), Vec::new());
    for find in finds {
        let entity = label(text(find, "entity_type").ok_or_else(|| Unreadable::without("an `entity_type`"))?);
        let place = |name| usize::try_from(find.get(name)?.as_u64()?).ok().and_then(|at| places.get(at).copied());
        let outside = || Unreadable::Unexpected("a find outside of the text".to_owned());
        let (start, end) = place("start").zip(place("end")).filter(|(start, end)| start < end).ok_or_else(outside)?;
        let with = format!("[{entity}]");
        let first = starts.partition_point(|at| *at <= start).saturating_sub(1);
        for (part, at) in parts.iter().zip(&starts).skip(first).take_while(|(_, at)| **at < end) {
            let within = |place: usize| place.saturating_sub(*at).min(part.at.len()) + part.at.start;
            let at: Range<usize> = within(start)..within(end);
            if !at.is_empty() {
                edits.push(Edit { text: part.text, at, with: with.clone() });
            }
        }
        note(&mut labels, entity);
    }
    Ok(if edits.is_empty() { Verdict::Pass } else { Verdict::Mask { edits, labels } })
}
