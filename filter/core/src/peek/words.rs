//! The field names, and one value, that affect a request's cost or its references. The scan classifies each literal once; later checks
//! compare a [`Word`] instead of text.

use super::literals::{decoded, is_unescaped_ascii};
use super::mentions::folded;

/// The length of the longest word.
pub(crate) const LONGEST: usize = "previous_response_id".len();

/// The maximum length of a letter as an escape.
const ESCAPED: usize = 6;

/// A known word, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Word {
    /// Any other literal.
    #[default]
    None,
    Type,
    Url,
    ImageUrl,
    Data,
    FileData,
    FileId,
    FileUrl,
    VectorStoreIds,
    WebSearchOptions,
    ServiceTier,
    Effort,
    Ttl,
    CacheControl,
    MaxToolCalls,
    MaxUses,
    Signature,
    Input,
    ItemReference,
    /// In any case.
    Id,
    /// A key whose value offers tools; in any case.
    Offering,
    /// A key that refers to a stored object of a provider, itself or with the `id` of its object. In any case, unless one of the words
    /// above matches.
    Referring,
}

/// The words by length.
const WORDS: [&[(&[u8], Word)]; LONGEST + 1] = [
    &[],
    &[],
    &[(b"id", Word::Id)],
    &[(b"url", Word::Url), (b"ttl", Word::Ttl)],
    &[(b"type", Word::Type), (b"data", Word::Data)],
    &[(b"input", Word::Input), (b"tools", Word::Offering), (b"audio", Word::Referring), (b"voice", Word::Referring)],
    &[(b"prompt", Word::Referring), (b"effort", Word::Effort)],
    &[(b"file_id", Word::FileId)],
    &[
        (b"file_ids", Word::Referring),
        (b"file_url", Word::FileUrl),
        (b"skill_id", Word::Referring),
        (b"max_uses", Word::MaxUses),
    ],
    &[
        (b"container", Word::Referring),
        (b"image_url", Word::ImageUrl),
        (b"file_data", Word::FileData),
        (b"signature", Word::Signature),
    ],
    &[(b"definition", Word::Offering)],
    &[],
    &[(b"conversation", Word::Referring), (b"container_id", Word::Referring), (b"service_tier", Word::ServiceTier)],
    &[(b"cache_control", Word::CacheControl)],
    &[(b"max_tool_calls", Word::MaxToolCalls), (b"item_reference", Word::ItemReference)],
    &[],
    &[(b"vector_store_ids", Word::VectorStoreIds), (b"reasoning_effort", Word::Effort)],
    &[],
    &[(b"web_search_options", Word::WebSearchOptions)],
    &[(b"previous_message_id", Word::Referring)],
    &[(b"previous_response_id", Word::Referring)],
];

impl Word {
    /// Classifies the literal between two quotes, with or without escapes.
    pub(crate) fn of(literal: &[u8]) -> Self {
        if literal.len() > LONGEST * ESCAPED {
            return Self::None;
        }
        match Self::read(literal) {
            Self::None if !is_unescaped_ascii(literal) => {
                let word = decoded(literal);
                if word.is_ascii() { Self::read(word.as_bytes()) } else { Self::of_other_letters(&word) }
            }
            word => word,
        }
    }

    fn read(word: &[u8]) -> Self {
        let words = WORDS.get(word.len()).copied().unwrap_or_default();
        let first = word.first().map(u8::to_ascii_lowercase);
        let is = |name: &[u8]| name.first().copied() == first && name.eq_ignore_ascii_case(word);
        match words.iter().find(|(name, _)| is(name)) {
            None => Self::None,
            Some((name, known)) if *name == word => *known,
            Some((_, known)) => known.in_any_case(),
        }
    }

    /// Matches names with the two non-ASCII letters that servers written in Go read as ASCII.
    fn of_other_letters(word: &str) -> Self {
        let folded: String = word.chars().map(folded).take_while(char::is_ascii).take(LONGEST + 1).collect();
        if folded.len() == word.chars().count() { Self::read(folded.as_bytes()).in_any_case() } else { Self::None }
    }

    /// The word when its case differs; [`Self::None`] for most words.
    fn in_any_case(self) -> Self {
        match self {
            Self::Id | Self::Offering => self,
            word if word.is_referring() => Self::Referring,
            _ => Self::None,
        }
    }

    /// Whether it is a key that refers to a stored object of a provider.
    pub(crate) fn is_referring(self) -> bool {
        matches!(self, Self::Referring | Self::FileId | Self::VectorStoreIds)
    }
}
