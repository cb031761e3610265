//! What a format can carry, as the laws need to know it. A pattern is a regular expression that texts are drawn from.

use crate::conversation::{Message, Part, Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::halves::Both;

use super::parts::{ID, ONE_LINE};

/// A format, and what reads back as it was written. It holds what most formats have in [`Can::of`]; each says where it differs.
pub struct Can {
    pub format: Both,
    /// The model that requests are written for, where it is not the request's own.
    pub written_for: Option<&'static str>,
    /// The pattern of the request's own name of the model.
    pub model: &'static str,
    /// The pattern of texts that clients send.
    pub text: &'static str,
    /// The pattern of texts in whole answers.
    pub said: &'static str,
    /// The times to live of cache marks; `None` is a mark without one.
    pub marks: &'static [Option<&'static str>],
    pub images: &'static [&'static str],
    pub image_urls: bool,
    pub details: Word,
    pub documents: &'static [&'static str],
    pub document_names: Word,
    /// How documents behind URLs are named; `None` if there are none.
    pub document_urls: Option<Word>,
    pub turns: Turns,
    pub speech: Speech,
    pub thinks: Thinks,
    pub refusals: bool,
    /// Whether arguments of calls are any text, and not objects.
    pub any_arguments: bool,
    pub results: Results,
    /// Schemas, in which `TEXT` stands for a text of JSON.
    pub schemas: &'static [&'static str],
    pub tools: std::ops::Range<usize>,
    /// The schemas of tools that may be left out.
    pub bare_tools: bool,
    pub strict: &'static [Option<bool>],
    /// A name stands for any.
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
    /// A budget stands for any between these.
    pub reasoning: &'static [Reasoning],
    pub budget: (u64, u64),
    /// How many texts may end an answer.
    pub stops: usize,
    pub user: Word,
    pub tier: Word,
    pub streams: bool,
    /// Brings a request into normal form: the format's tables say what is changed on the way.
    pub normal: fn(Request) -> Request,
    /// Takes out of a request that was read what the format had to add.
    pub bared: fn(Request) -> Request,
    /// The patterns of an answer's own names.
    pub names: (&'static str, &'static str),
    pub dated: bool,
    pub most_choices: usize,
    /// Whether whole answers always have usage, and streams.
    pub counted: bool,
    pub counted_last: bool,
    pub cache_writes: bool,
    pub reasoning_tokens: bool,
    pub answer_tiers: &'static [&'static str],
    /// Whether a call makes the reason for an answer's end, and nothing else does.
    pub settled: bool,
    /// Brings the parts of an answer into normal form.
    pub answered: fn(Vec<Part>) -> Vec<Part>,
    /// Whether usage stands at the beginning of streams too.
    pub counted_first: bool,
    pub pings: Pings,
    /// Whether pieces of several calls, and of thoughts without a seal, may come in any order.
    pub interleaved: bool,
    /// A stretch of a stream, where the format's own are peculiar.
    pub stretch: Option<fn() -> super::Drawn<Vec<StreamEvent>>>,
    /// Brings what a stream says into normal form.
    pub told: fn(Vec<StreamEvent>) -> Vec<StreamEvent>,
    /// What one who looks at a passing stream takes for content.
    pub looks: Looks,
    /// Whether streams have a terminator.
    pub ends: bool,
    /// The names of the events in an AWS event stream.
    pub frames: &'static [&'static str],
    /// The names of fields, and words, that something nearly right is made of.
    pub fields: &'static str,
    pub words: &'static str,
}

/// Whether something has a word of a pattern.
#[derive(Clone, Copy)]
pub enum Word {
    Never,
    Always(&'static str),
    Maybe(&'static str),
}

/// In which order roles speak.
pub enum Turns {
    /// Instructions first, then user and model in turns, with the results of calls at the head of the user's.
    Rounds {
        end_with_user: bool,
    },
    /// As they like, with instructions from these roles.
    Free(&'static [Role]),
    Own(fn() -> super::Drawn<Vec<Message>>),
}

/// In which order a model thinks, speaks and calls.
pub enum Speech {
    /// Thoughts, at least so many texts in a request, calls.
    Ordered(usize),
    /// Anything, at least so many parts in a request.
    Mixed(usize),
    /// At most one thought before calls, or thoughts among texts.
    Planned,
    /// In an answer, or in a request.
    Own(fn(answered: bool) -> super::Drawn<Vec<Part>>),
}

/// How thoughts are sealed.
pub enum Thinks {
    Never,
    /// Without seals.
    Plainly,
    /// With seals of these patterns in requests and in answers; perhaps without one in requests.
    Sealed {
        asked: &'static str,
        unsealed: bool,
        answered: &'static str,
    },
}

/// What results of calls hold.
pub struct Results {
    pub media: bool,
    pub least: usize,
    pub errors: bool,
    /// Whether their parts have cache marks, and not they alone.
    pub marked_within: bool,
}

/// What an answer can have to look like.
pub enum Output {
    Free,
    Schemas {
        /// Whether any object of JSON will do too.
        objects: bool,
        /// The name that every schema has, where the format has no word for it.
        name: Option<&'static str>,
        strict: &'static [Option<bool>],
    },
}

/// What becomes of signs of life.
#[derive(PartialEq, Eq)]
pub enum Pings {
    Never,
    Kept,
    /// They may pass what waits for a call's end.
    Pass,
}

/// How the peeker takes events for content.
pub enum Looks {
    /// Those that the reader takes for it.
    Alike,
    /// Those, and seals.
    AtSealsToo,
    /// Those, and others that say nothing new: ends of what was sent in pieces.
    AtMore,
}

impl Can {
    /// A format that says little.
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
