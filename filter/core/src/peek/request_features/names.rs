//! The meaning of request keys: which ones refer to stored objects of a provider, and which values are skipped.

/// A kind of object that a provider stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredKind {
    /// A response, or an item of one.
    Response,
    /// An Anthropic message, with the conversation before it.
    Message,
    /// A conversation.
    Conversation,
    /// A prompt template stored at the provider.
    Prompt,
    /// A file.
    File,
    /// A vector store for file search.
    VectorStore,
    /// A sandbox that runs the model's code.
    Container,
    /// A skill: instructions with files.
    Skill,
    /// A chat completion whose audio is stored.
    Completion,
    /// A recorded voice.
    Voice,
}

impl StoredKind {
    /// The path prefix of its objects, such as `/v1/files/`.
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

/// A field that refers to a stored object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referring {
    /// The kind of object.
    pub kept: StoredKind,
    /// Whether its value is an id, or an array of ids.
    pub text: bool,
    /// Whether its value is an object with an `id`.
    pub object: bool,
    /// Whether it refers only at the top level.
    top: bool,
}

const TEXT: Referring = Referring { kept: StoredKind::File, text: true, object: false, top: false };
const OBJECT: Referring = Referring { text: false, object: true, ..TEXT };

/// The referring fields in the API references of OpenAI and Anthropic.
const REFERRING: [(&str, Referring); 12] = [
    ("previous_response_id", Referring { kept: StoredKind::Response, top: true, ..TEXT }),
    // In Anthropic's `thread`.
    ("previous_message_id", Referring { kept: StoredKind::Message, ..TEXT }),
    ("conversation", Referring { kept: StoredKind::Conversation, object: true, top: true, ..TEXT }),
    ("prompt", Referring { kept: StoredKind::Prompt, top: true, ..OBJECT }),
    ("file_id", TEXT),
    ("file_ids", TEXT),
    ("vector_store_ids", Referring { kept: StoredKind::VectorStore, ..TEXT }),
    ("container", Referring { kept: StoredKind::Container, object: true, ..TEXT }),
    ("container_id", Referring { kept: StoredKind::Container, ..TEXT }),
    ("skill_id", Referring { kept: StoredKind::Skill, ..TEXT }),
    // The audio of an earlier response, in an assistant message.
    ("audio", Referring { kept: StoredKind::Completion, ..OBJECT }),
    ("voice", Referring { kept: StoredKind::Voice, ..OBJECT }),
];

/// Fields that contain free data of the client, repeat the citations of a response, or only compare.
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

/// The meaning of a key for its value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    Nothing,
    /// Contains no references.
    Free,
    /// An object whose keys are names of the client's own.
    Names,
    /// An array of items that may be references.
    Items,
    /// A tool, or an array of tools.
    Tools,
    Refers(Referring),
    Id,
    Type,
    Role,
}

/// The meaning of `key` at the top level or below it.
pub(super) fn meaning(key: &[u8], top: bool) -> Meaning {
    // A key with non-ASCII letters may be longer than the name that it matches, and start with another letter.
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
        // `definition` belongs to Anthropic's `tool_definition`.
        _ if is("tools") || is("definition") => Meaning::Tools,
        b"type" => Meaning::Type,
        b"role" => Meaning::Role,
        _ if is("id") => Meaning::Id,
        _ if FREE.contains(&key) => Meaning::Free,
        _ => Meaning::Nothing,
    }
}

/// Whether any server takes a key for this name. Servers written in Go ignore case, and read two non-ASCII letters as `s` and `k`.
pub fn same(key: &[u8], name: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(name.as_bytes());
    }
    std::str::from_utf8(key).is_ok_and(|key| key.chars().map(folded).eq(name.chars()))
}

/// The letter that such a server reads.
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
    use crate::peek::known_names::KnownName;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_field_that_refers_to_something_is_a_word_that_does() {
        for (name, _) in REFERRING {
            for written in
                [name.to_owned(), name.to_ascii_uppercase(), name.replace('s', "\u{17f}").replace('k', "\u{212a}")]
            {
                assert!(KnownName::of(written.as_bytes()).is_referring(), "{written}");
            }
        }
        for name in ["id", "Id", r"\u0049d"] {
            assert_eq!(KnownName::of(name.as_bytes()), KnownName::Id, "{name}");
        }
    }
}
