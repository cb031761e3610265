//! What the keys of a request mean: which refer to what a provider keeps, and behind which there is nothing to look for.

/// A kind of thing that a provider keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// An answer, or an item of one.
    Response,
    /// An answer of Anthropic's, with what was said before.
    Message,
    /// A conversation.
    Conversation,
    /// A prompt that was written at the provider.
    Prompt,
    /// A file.
    File,
    /// Files to be searched.
    VectorStore,
    /// A machine that runs what a model has written.
    Container,
    /// Instructions with files.
    Skill,
    /// An answer of chat completions, of which the sound is kept.
    Completion,
    /// A voice that was recorded.
    Voice,
}

impl Kept {
    /// Below which path it has its own: `/v1/files/`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Response => "/v1/responses/",
            Self::Message => "/v1/messages/",
            Self::Conversation => "/v1/conversations/",
            Self::Prompt => "/v1/prompts/",
            Self::File => "/v1/files/",
            Self::VectorStore => "/v1/vector_stores/",
            Self::Container => "/v1/containers/",
            Self::Skill => "/v1/skills/",
            Self::Completion => "/v1/chat/completions/",
            Self::Voice => "/v1/audio/voices/",
        }
    }
}

/// A field that refers to something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referring {
    /// To what.
    pub kept: Kept,
    /// Whether by a text behind it, or by each in a list.
    pub text: bool,
    /// Whether by the `id` of an object behind it.
    pub object: bool,
    /// Whether only at the top level.
    top: bool,
}

const TEXT: Referring = Referring { kept: Kept::File, text: true, object: false, top: false };
const OBJECT: Referring = Referring { text: false, object: true, ..TEXT };

/// The fields that refer to something, in OpenAI's and Anthropic's documentation of their requests.
const REFERRING: [(&str, Referring); 12] = [
    ("previous_response_id", Referring { kept: Kept::Response, top: true, ..TEXT }),
    // In Anthropic's `thread`.
    ("previous_message_id", Referring { kept: Kept::Message, ..TEXT }),
    ("conversation", Referring { kept: Kept::Conversation, object: true, top: true, ..TEXT }),
    ("prompt", Referring { kept: Kept::Prompt, top: true, ..OBJECT }),
    ("file_id", TEXT),
    ("file_ids", TEXT),
    ("vector_store_ids", Referring { kept: Kept::VectorStore, ..TEXT }),
    ("container", Referring { kept: Kept::Container, object: true, ..TEXT }),
    ("container_id", Referring { kept: Kept::Container, ..TEXT }),
    ("skill_id", Referring { kept: Kept::Skill, ..TEXT }),
    // The sound of an answer before, in a message of the assistant's.
    ("audio", Referring { kept: Kept::Completion, ..OBJECT }),
    ("voice", Referring { kept: Kept::Voice, ..OBJECT }),
];

/// The fields that a client may fill as it likes, in which it repeats what an answer has cited, or which only compare.
const FREE: [&[u8]; 12] = [
    b"parameters",
    b"input_schema",
    b"input_examples",
    b"schema",
    b"metadata",
    b"arguments",
    b"headers",
    b"annotations",
    b"citations",
    b"results",
    b"output_schema",
    b"diagnostics",
];

/// What a key means for the value behind it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    Nothing,
    /// Nothing in it refers to anything.
    Free,
    /// Its keys are names of the client's own.
    Names,
    /// A list of items, which may be references.
    Items,
    /// An object that offers a tool, or a list of such.
    Tools,
    Refers(Referring),
    Id,
    Type,
    Role,
}

/// What `key` means, at the top level or below it.
pub(super) fn meaning(key: &[u8], top: bool) -> Meaning {
    // A key of other letters may be longer than the name that it is, and begin with another.
    let (is_ascii, first) = (key.is_ascii(), key.first().map(u8::to_ascii_lowercase));
    let may_be = |name: &str| key.len() == name.len() && name.bytes().next() == first;
    let is = |name: &str| (!is_ascii || may_be(name)) && same(key, name);
    if let Some((_, field)) = REFERRING.iter().find(|(name, field)| is(name) && (top || !field.top)) {
        return Meaning::Refers(*field);
    }
    match key {
        b"input" if top => Meaning::Items,
        // The arguments of a call, in Anthropic's format.
        b"input" => Meaning::Free,
        b"variables" => Meaning::Names,
        // Of Anthropic's `tool_definition`, the latter.
        _ if is("tools") || is("definition") => Meaning::Tools,
        b"type" => Meaning::Type,
        b"role" => Meaning::Role,
        _ if is("id") => Meaning::Id,
        _ if FREE.contains(&key) => Meaning::Free,
        _ => Meaning::Nothing,
    }
}

/// Whether a key is this name for any server: those written in Go take letters in any case for the same, and two letters of other
/// scripts for an `s` and a `k`.
pub fn same(key: &[u8], name: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(name.as_bytes());
    }
    std::str::from_utf8(key).is_ok_and(|key| key.chars().map(folded).eq(name.chars()))
}

/// The letter of a name that such a server takes this one for.
pub(crate) fn folded(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::words::Word;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_field_that_refers_to_something_is_a_word_that_does() {
        for (name, _) in REFERRING {
            for written in
                [name.to_owned(), name.to_ascii_uppercase(), name.replace('s', "\u{17f}").replace('k', "\u{212a}")]
            {
                assert!(Word::of(written.as_bytes()).is_referring(), "{written}");
            }
        }
        for name in ["id", "Id", r"\u0049d"] {
            assert_eq!(Word::of(name.as_bytes()), Word::Id, "{name}");
        }
    }
}
