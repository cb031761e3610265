//! The field names, and one value, that affect a request's cost or its references. The scan classifies each literal once; later checks
//! compare a [`KnownName`] instead of text.

use super::literals::{decoded, is_unescaped_ascii};
use super::request_features::folded;

/// The length of the longest word.
pub(crate) const LONGEST: usize = "previous_response_id".len();

/// The maximum length of a letter as an escape.
const ESCAPED: usize = 6;

/// A known word, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum KnownName {
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
const KNOWN_NAMES: [&[(&[u8], KnownName)]; LONGEST + 1] = [
    &[],
    &[],
    &[(b"id", KnownName::Id)],
    &[(b"url", KnownName::Url), (b"ttl", KnownName::Ttl)],
    &[(b"type", KnownName::Type), (b"data", KnownName::Data)],
    &[
        (b"input", KnownName::Input),
        (b"tools", KnownName::Offering),
        (b"audio", KnownName::Referring),
        (b"voice", KnownName::Referring),
    ],
    &[(b"prompt", KnownName::Referring), (b"effort", KnownName::Effort)],
    &[(b"file_id", KnownName::FileId)],
    &[
        (b"file_ids", KnownName::Referring),
        (b"file_url", KnownName::FileUrl),
        (b"skill_id", KnownName::Referring),
        (b"max_uses", KnownName::MaxUses),
    ],
    &[
        (b"container", KnownName::Referring),
        (b"image_url", KnownName::ImageUrl),
        (b"file_data", KnownName::FileData),
        (b"signature", KnownName::Signature),
    ],
    &[(b"definition", KnownName::Offering)],
    &[],
    &[
        (b"conversation", KnownName::Referring),
        (b"container_id", KnownName::Referring),
        (b"service_tier", KnownName::ServiceTier),
    ],
    &[(b"cache_control", KnownName::CacheControl)],
    &[(b"max_tool_calls", KnownName::MaxToolCalls), (b"item_reference", KnownName::ItemReference)],
    &[],
    &[(b"vector_store_ids", KnownName::VectorStoreIds), (b"reasoning_effort", KnownName::Effort)],
    &[],
    &[(b"web_search_options", KnownName::WebSearchOptions)],
    &[(b"previous_message_id", KnownName::Referring)],
    &[(b"previous_response_id", KnownName::Referring)],
];

impl KnownName {
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
        let words = KNOWN_NAMES.get(word.len()).copied().unwrap_or_default();
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
