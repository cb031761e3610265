//! The capabilities of a format, for the property tests. A pattern is a regular expression from which texts are generated.

use crate::conversation::{Message, Part, Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::halves::Both;

use super::parts::{ID, ONE_LINE};

/// A format, and the values that it reads back as written. [`Can::of`] has the values of most formats; each format overrides the rest.
pub struct Can {
    pub format: Both,
    /// The target's model in written requests, if it differs from the request's.
    pub written_for: Option<&'static str>,
    /// The pattern of the request's model.
    pub model: &'static str,
    /// The pattern of clients' texts.
    pub text: &'static str,
    /// The pattern of texts in whole responses.
    pub said: &'static str,
    /// The lifetimes of cache marks; `None` is a mark without one.
    pub marks: &'static [Option<&'static str>],
    pub images: &'static [&'static str],
    pub image_urls: bool,
    pub details: Word,
    pub documents: &'static [&'static str],
    pub document_names: Word,
    /// The names of documents with URLs; `None` if such documents are unsupported.
    pub document_urls: Option<Word>,
    pub turns: Turns,
    pub speech: Speech,
    pub thinks: Thinks,
    pub refusals: bool,
    /// Whether a call's arguments may be any text instead of an object.
    pub any_arguments: bool,
    pub results: Results,
    /// Schemas, in which `TEXT` stands for a JSON string.
    pub schemas: &'static [&'static str],
    pub tools: std::ops::Range<usize>,
    /// Whether a tool may lack a schema.
    pub bare_tools: bool,
    pub strict: &'static [Option<bool>],
    /// One name stands for all names.
    pub choices: &'static [ToolChoice],
    pub parallel: &'static [Option<bool>],
    pub output: Output,
    /// Numbers with two decimals, in hundredths.
    pub temperature: Option<(i32, i32)>,
    pub top_p: Option<(i32, i32)>,
    pub frequency_penalty: Option<(i32, i32)>,
    pub presence_penalty: Option<(i32, i32)>,
    pub top_k: Option<(u64, u64)>,
    pub seed: Option<(i64, i64)>,
    pub n: Option<(u64, u64)>,
    pub max_tokens: (u64, u64),
    pub must_limit: bool,
    /// One budget stands for all within the bounds.
    pub reasoning: &'static [Reasoning],
    pub budget: (u64, u64),
    /// The maximum number of stop sequences.
    pub stops: usize,
    pub user: Word,
    pub tier: Word,
    pub streams: bool,
    /// Brings a request into normal form, with the changes in the format's table.
    pub normal: fn(Request) -> Request,
    /// Removes from a parsed request whatever the format had to add.
    pub bared: fn(Request) -> Request,
    /// The patterns of a response's id and model.
    pub names: (&'static str, &'static str),
    pub dated: bool,
    pub most_choices: usize,
    /// Whether whole responses always have usage; `counted_last` is the same for streams.
    pub counted: bool,
    pub counted_last: bool,
    pub cache_writes: bool,
    pub reasoning_tokens: bool,
    pub answer_tiers: &'static [&'static str],
    /// Whether a call, and nothing else, determines the finish reason.
    pub settled: bool,
    /// Brings the parts of a response into normal form.
    pub answered: fn(Vec<Part>) -> Vec<Part>,
    /// Whether streams also begin with usage.
    pub counted_first: bool,
    pub pings: Pings,
    /// Whether pieces of several calls, and of reasoning without signatures, may interleave.
    pub interleaved: bool,
    /// Generates a run of events, for a format with unusual ones.
    pub stretch: Option<fn() -> super::Drawn<Vec<StreamEvent>>>,
    /// Brings a stream's events into normal form.
    pub told: fn(Vec<StreamEvent>) -> Vec<StreamEvent>,
    /// How the peeker classifies events as content.
    pub looks: Looks,
    /// Whether streams have a terminator.
    pub ends: bool,
    /// The event names in an AWS event stream.
    pub frames: &'static [&'static str],
    /// Field names and values from which nearly valid messages are generated.
    pub fields: &'static str,
    pub words: &'static str,
}

/// Whether a value is present, and its pattern.
#[derive(Clone, Copy)]
pub enum Word {
    Never,
    Always(&'static str),
    Maybe(&'static str),
}

/// The order of roles.
pub enum Turns {
    /// Instructions first, then alternating user and assistant turns, with tool results first in a user turn.
    Rounds {
        end_with_user: bool,
    },
    /// Any order, with instructions from these roles.
    Free(&'static [Role]),
    Own(fn() -> super::Drawn<Vec<Message>>),
}

/// The order of reasoning, text and calls.
pub enum Speech {
    /// Reasoning, texts (in a request at least this many), calls.
    Ordered(usize),
    /// Any order, in a request at least this many parts.
    Mixed(usize),
    /// Either reasoning at most once before calls, or reasoning among texts.
    Planned,
    /// Generates it, for a response or for a request.
    Own(fn(answered: bool) -> super::Drawn<Vec<Part>>),
}

/// How reasoning is signed.
pub enum Thinks {
    Never,
    /// Without signatures.
    Plainly,
    /// With signatures of these patterns in requests and responses; `unsigned` allows none in requests.
    Signed {
        asked: &'static str,
        unsigned: bool,
        answered: &'static str,
    },
}

/// The content of tool results.
pub struct Results {
    pub media: bool,
    pub least: usize,
    pub errors: bool,
    /// Whether their parts can have cache marks, not only the results themselves.
    pub marked_within: bool,
}

/// The supported output formats.
pub enum Output {
    Free,
    Schemas {
        /// Whether any JSON object is also supported.
        objects: bool,
        /// The fixed name of every schema, if the format cannot carry names.
        name: Option<&'static str>,
        strict: &'static [Option<bool>],
    },
}

/// How keep-alives are passed on.
#[derive(PartialEq, Eq)]
pub enum Pings {
    Never,
    Kept,
    /// They may overtake events that wait for a call's end.
    Pass,
}

/// How the peeker classifies events as content.
pub enum Looks {
    /// Like the reader.
    Alike,
    /// Signatures too.
    AtSignaturesToo,
    /// Other events too, such as the final events of content that was streamed.
    AtMore,
}

impl Can {
    /// A format with few capabilities.
    pub const fn of(format: Both) -> Self {
        Self {
            format,
            written_for: None,
            model: ID,
            text: ONE_LINE,
            said: ONE_LINE,
            marks: &[],
            images: &[],
            image_urls: false,
            details: Word::Never,
            documents: &[],
            document_names: Word::Never,
            document_urls: None,
            turns: Turns::Free(&[Role::System]),
            speech: Speech::Ordered(0),
            thinks: Thinks::Never,
            refusals: false,
            any_arguments: false,
            results: Results { media: false, least: 0, errors: false, marked_within: false },
            schemas: &[],
            tools: 0..3,
            bare_tools: false,
            strict: &[None],
            choices: &[],
            parallel: &[None],
            output: Output::Free,
            temperature: None,
            top_p: None,
            frequency_penalty: None,
            presence_penalty: None,
            top_k: None,
            seed: None,
            n: None,
            max_tokens: (0, u64::MAX),
            must_limit: false,
            reasoning: &[],
            budget: (0, u64::MAX),
            stops: 3,
            user: Word::Never,
            tier: Word::Never,
            streams: true,
            normal: |request| request,
            bared: |request| request,
            names: (ID, ID),
            dated: false,
            most_choices: 1,
            counted: false,
            counted_last: false,
            cache_writes: true,
            reasoning_tokens: true,
            answer_tiers: &[],
            settled: false,
            answered: |parts| parts,
            counted_first: false,
            pings: Pings::Kept,
            interleaved: false,
            stretch: None,
            told: |events| events,
            looks: Looks::Alike,
            ends: true,
            frames: &[],
            fields: "",
            words: "",
        }
    }
}
