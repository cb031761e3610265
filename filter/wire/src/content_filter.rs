//! The results of providers' own content filters, in one vocabulary: which side was judged, what it contains, and what the provider did.
//!
//! Each provider reports them in its own form, at its own places: Azure's `content_filter_results`, Google's `safetyRatings`, the trace of
//! AWS's guardrails, Anthropic's `stop_details`. One reader knows all of these. It follows only the names on the way to a result, never
//! those that a model or a client chooses, and keeps no text: a result is one of a few fixed words. A result that found nothing is not one.
//! Values of a wrong type, and JSON nested more than 32 levels deep, are ignored.
//!
//! Sources: <https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter>, Google's `GenerateContentResponse`
//! (<https://ai.google.dev/api/generate-content>), AWS's service model `bedrock-runtime-2023-09-30` (`GuardrailTraceAssessment`),
//! Anthropic's `RefusalStopDetails`.

use std::ops::BitOrAssign;

use memchr::memmem;

use crate::json::scan::Scan;

/// The side that a filter judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterSide {
    /// The client's request.
    Prompt,
    /// The model's output.
    Answer,
}

/// The result of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterCategory {
    /// The provider names no category, or one that has no word here.
    Other,
    /// Attacks on people because of their identity.
    Hate,
    /// Insults and harassment.
    Harassment,
    /// Sexual content.
    Sexual,
    /// Violence.
    Violence,
    /// Self-harm.
    SelfHarm,
    /// Help with dangerous or illegal acts.
    Dangerous,
    /// Help with attacks on computer systems.
    Cyber,
    /// Help with biological weapons.
    Bio,
    /// A prompt that tries to override the model's instructions.
    Jailbreak,
    /// The same in a document or a tool's result.
    IndirectAttack,
    /// Copyrighted text or code, or recitation.
    ProtectedMaterial,
    /// Personal data.
    Pii,
    /// Profanity.
    Profanity,
    /// A word of the operator's list.
    Word,
    /// A topic that the operator denies.
    Topic,
    /// An answer that its sources do not support.
    Grounding,
}

/// The action of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilterAction {
    /// It withheld the text, or the rest of it.
    Blocked,
    /// It replaced a part of the text.
    Masked,
    /// It only reported the finding.
    Flagged,
}

use FilterAction::{Blocked, Flagged, Masked};
use FilterCategory as Category;
use FilterSide::{Answer, Prompt};

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterResult {
    /// `prompt` or `answer`.
    pub side: &'static str,
    /// The category's word.
    pub category: &'static str,
    /// `blocked`, `masked` or `flagged`.
    pub action: &'static str,
}

const CATEGORIES: [(Category, &str); 17] = [
    (Category::Other, "other"),
    (Category::Hate, "hate"),
    (Category::Harassment, "harassment"),
    (Category::Sexual, "sexual"),
    (Category::Violence, "violence"),
    (Category::SelfHarm, "self_harm"),
    (Category::Dangerous, "dangerous"),
    (Category::Cyber, "cyber"),
    (Category::Bio, "bio"),
    (Category::Jailbreak, "jailbreak"),
    (Category::IndirectAttack, "indirect_attack"),
    (Category::ProtectedMaterial, "protected_material"),
    (Category::Pii, "pii"),
    (Category::Profanity, "profanity"),
    (Category::Word, "word"),
    (Category::Topic, "topic"),
    (Category::Grounding, "grounding"),
];

const ACTIONS: [(FilterAction, &str); 3] = [(Blocked, "blocked"), (Masked, "masked"), (Flagged, "flagged")];

/// The providers' words. Google's lack their prefixes `HARM_CATEGORY_` and `IMAGE_`.
const WORDS: [(&str, Category); 28] = [
    ("hate", Category::Hate),
    ("hate_speech", Category::Hate),
    ("harassment", Category::Harassment),
    ("insults", Category::Harassment),
    ("sexual", Category::Sexual),
    ("sexually_explicit", Category::Sexual),
    ("violence", Category::Violence),
    ("self_harm", Category::SelfHarm),
    ("dangerous_content", Category::Dangerous),
    ("misconduct", Category::Dangerous),
    ("cyber", Category::Cyber),
    ("bio", Category::Bio),
    ("jailbreak", Category::Jailbreak),
    ("prompt_attack", Category::Jailbreak),
    ("indirect_attack", Category::IndirectAttack),
    ("protected_material_text", Category::ProtectedMaterial),
    ("protected_material_code", Category::ProtectedMaterial),
    ("recitation", Category::ProtectedMaterial),
    ("personally_identifiable_information", Category::Pii),
    ("spii", Category::Pii),
    ("profanity", Category::Profanity),
    ("custom_blocklists", Category::Word),
    ("blocklist", Category::Word),
    ("custom_topics", Category::Topic),
    ("ungrounded_material", Category::Grounding),
    ("safety", Category::Other),
    ("prohibited_content", Category::Other),
    ("model_armor", Category::Other),
];

/// A set of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilterResults {
    /// A bit for each category and action.
    prompt: u64,
    answer: u64,
}

const fn bit(category: Category, action: FilterAction) -> u64 {
    1 << (category as u32 * 3 + action as u32)
}

impl FilterResults {
    /// One result.
    pub fn of(side: FilterSide, category: FilterCategory, action: FilterAction) -> Self {
        let mut results = Self::default();
        results.add(side, category, action);
        results
    }

    fn add(&mut self, side: FilterSide, category: FilterCategory, action: FilterAction) {
        let bits = match side {
            Prompt => &mut self.prompt,
            Answer => &mut self.answer,
        };
        *bits |= bit(category, action);
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether the provider blocked or masked anything.
    pub fn intervened(self) -> bool {
        let acted = |category| bit(category, Blocked) | bit(category, Masked);
        CATEGORIES.iter().any(|(category, _)| (self.prompt | self.answer) & acted(*category) != 0)
    }

    /// The results. For each side and category only the strongest action, and no `other` beside a block of a known category: providers also
    /// report the block itself.
    #[inline(never)]
    pub fn list(self) -> Vec<FilterResult> {
        let mut results = Vec::new();
        if self.is_empty() {
            return results;
        }
        for (side, bits) in [("prompt", self.prompt), ("answer", self.answer)] {
            let named = CATEGORIES.iter().skip(1).any(|(category, _)| bits & bit(*category, Blocked) != 0);
            for (category, word) in CATEGORIES.iter().skip(usize::from(named)) {
                if let Some((_, action)) = ACTIONS.iter().find(|(action, _)| bits & bit(*category, *action) != 0) {
                    results.push(FilterResult { side, category: word, action });
                }
            }
        }
        results
    }
}

impl BitOrAssign for FilterResults {
    fn bitor_assign(&mut self, more: Self) {
        self.prompt |= more.prompt;
        self.answer |= more.answer;
    }
}

impl FilterResult {
    /// The result in one word: `answer:hate:blocked`.
    pub fn text(self) -> String {
        let Self { side, category, action } = self;
        let mut text = side.to_owned();
        for part in [category, action] {
            text.push(':');
            text.push_str(part);
        }
        text
    }
}

/// Texts of which JSON with results contains at least one. Most responses contain none, and are not read.
pub type Marks = &'static [&'static [u8]];

/// Azure's, in OpenAI's formats.
pub const OPENAI: Marks = &[b"\"content_filter"];
/// Google's: ratings, and the reasons why a response ended or a prompt was blocked.
pub const GEMINI: Marks = &[b"Reason\"", b"\"safetyRatings\""];
/// Anthropic's, and those of its models on AWS.
pub const ANTHROPIC: Marks = &[b"\"refusal\"", b"\"guardrail\""];
/// AWS's.
pub const BEDROCK: Marks = &[b"\"guardrail\""];

/// Reads the results in `json`: a response, an event of a stream, or an error.
#[inline(never)]
pub fn read(json: &[u8], marks: Marks) -> FilterResults {
    let mut results = FilterResults::default();
    if marks.iter().any(|mark| memmem::find(json, mark).is_some()) {
        // The results before an unreadable value count.
        let _ = Scan::all(json, |scan| scan.objects(&mut |scan| object(scan, TOP, &mut results)));
    }
    results
}

/// The same for a body, which may be a stream.
#[inline(never)]
pub fn read_body(body: &[u8], marks: Marks) -> FilterResults {
    if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return read(body, marks);
    }
    let mut results = FilterResults::default();
    for line in body.split(|byte| *byte == b'\n') {
        if let Some(event) = line.strip_prefix(b"data:") {
            results |= read(event, marks);
        }
    }
    results
}

/// The facts about an object that follow from its path.
#[derive(Debug, Clone, Copy)]
struct Place {
    side: FilterSide,
    category: Category,
    action: Option<FilterAction>,
    members: Members,
}

/// The members of an object that lead on.
#[derive(Debug, Clone, Copy)]
enum Members {
    /// Those with a known name.
    Known,
    /// Those of a guardrail's trace.
    Trace,
    /// All: their names are ids.
    Ids,
    /// All: their names are categories.
    Categories,
}

const TOP: Place = Place { side: Answer, category: Category::Other, action: None, members: Members::Known };

impl Place {
    /// The place of the member `name`, if it leads to results.
    #[inline(never)]
    fn step(self, name: &str) -> Option<Self> {
        match self.members {
            Members::Ids => Some(Self { members: Members::Known, ..self }),
            Members::Categories => {
                Some(Self { category: category(name).unwrap_or(Category::Other), members: Members::Known, ..self })
            }
            Members::Trace => match name {
                "inputAssessment" | "input" => Some(Self { side: Prompt, members: Members::Ids, ..self }),
                "outputAssessments" | "outputs" => Some(Self { members: Members::Ids, ..self }),
                _ => None,
            },
            Members::Known => {
                let (_, step) = STEPS.iter().find(|(known, _)| *known == name)?;
                Some(match *step {
                    Step::On => self,
                    Step::Prompt => Self { side: Prompt, ..self },
                    Step::Into(members) => Self { members, ..self },
                    Step::Of(category) => Self { category, ..self },
                    Step::Blocked => Self { action: Some(Blocked), ..self },
                })
            }
        }
    }
}

/// How a member's name changes the place.
#[derive(Clone, Copy)]
enum Step {
    On,
    Prompt,
    Into(Members),
    Of(Category),
    Blocked,
}

/// The names that lead to results.
static STEPS: [(&str, Step); 31] = [
    ("choices", Step::On),
    ("candidates", Step::On),
    ("delta", Step::On),
    ("message", Step::On),
    ("response", Step::On),
    ("data", Step::On),
    ("error", Step::On),
    ("details", Step::On),
    ("content_filters", Step::On),
    ("safetyRatings", Step::On),
    ("trace", Step::On),
    ("amazon-bedrock-trace", Step::On),
    ("contentPolicy", Step::On),
    ("filters", Step::On),
    ("topics", Step::On),
    ("customWords", Step::On),
    ("managedWordLists", Step::On),
    ("piiEntities", Step::On),
    ("regexes", Step::On),
    ("prompt_filter_results", Step::Prompt),
    ("promptFeedback", Step::Prompt),
    ("innererror", Step::Prompt),
    ("inner_error", Step::Prompt),
    ("content_filter_results", Step::Into(Members::Categories)),
    ("content_filter_result", Step::Into(Members::Categories)),
    ("guardrail", Step::Into(Members::Trace)),
    ("stop_details", Step::Blocked),
    ("topicPolicy", Step::Of(Category::Topic)),
    ("wordPolicy", Step::Of(Category::Word)),
    ("sensitiveInformationPolicy", Step::Of(Category::Pii)),
    ("contextualGroundingPolicy", Step::Of(Category::Grounding)),
];

/// Reads an object and those in it.
fn object(scan: &mut Scan<'_>, place: Place, results: &mut FilterResults) -> Option<()> {
    let (mut here, mut inside, mut of_prompt) = (place, FilterResults::default(), false);
    let read = scan.members(&mut |scan, name| {
        let name = name.trim_matches('"');
        if let Some(next) = place.step(name) {
            return scan.objects(&mut |scan| object(scan, next, &mut inside));
        }
        let value = scan.raw()?;
        let action = match (name, value) {
            ("filtered" | "blocked", "true") | ("action", "\"BLOCKED\"") => Blocked,
            ("action", "\"ANONYMIZED\"") => Masked,
            ("detected", "true") => Flagged,
            ("severity" | "probability", level) if ["low", "medium", "high"].iter().any(|word| is(level, word)) => {
                Flagged
            }
            // Profanity comes as a kind of word; of personal data the category is enough.
            ("category" | "type", word) if matches!(place.category, Category::Other | Category::Word) => {
                here.category = category(word).unwrap_or(here.category);
                return Some(());
            }
            ("finishReason", word) => {
                category(word).into_iter().for_each(|category| inside.add(place.side, category, Blocked));
                return Some(());
            }
            ("blockReason", word) if word.starts_with('"') => {
                inside.add(place.side, category(word).unwrap_or(Category::Other), Blocked);
                return Some(());
            }
            ("source_type", "\"prompt\"") => {
                of_prompt = true;
                return Some(());
            }
            _ => return Some(()),
        };
        here.action = Some(here.action.map_or(action, |before| before.min(action)));
        Some(())
    });
    if let Some(action) = here.action {
        inside.add(here.side, here.category, action);
    }
    if of_prompt {
        inside = FilterResults { prompt: inside.prompt | inside.answer, answer: 0 };
    }
    *results |= inside;
    read
}

/// The category of a provider's word, in quotes or not.
fn category(word: &str) -> Option<Category> {
    let word = word.trim_matches('"');
    let word = word.strip_prefix("HARM_CATEGORY_").unwrap_or(word);
    let word = word.strip_prefix("IMAGE_").unwrap_or(word);
    WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, category)| *category)
}

/// Whether `value` is this word in quotes, in any case.
fn is(value: &str, word: &str) -> bool {
    value.trim_matches('"').eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests;
