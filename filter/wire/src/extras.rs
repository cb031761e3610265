//! Facts of an answer that have a price besides its tokens: the class of service, writes to a cache that keeps them for an hour,
//! and calls of tools that run at the provider. The prices themselves are nobody's business here.

/// A class of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// What the plain price is for.
    Plain,
    /// Faster.
    Priority,
    /// Slower.
    Flex,
    /// Much later.
    Batch,
}

impl Tier {
    /// By the word of OpenAI's or Anthropic's for it. `auto`, and what nobody knows, is none.
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "default" | "standard" | "standard_only" => Self::Plain,
            "priority" => Self::Priority,
            "flex" => Self::Flex,
            "batch" => Self::Batch,
            _ => return None,
        })
    }
}

/// A tool that runs at the provider, and has a price for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A search of the web.
    WebSearch,
    /// A search of stored files.
    FileSearch,
    /// A machine that runs what the model has written.
    CodeInterpreter,
    /// An image.
    ImageGeneration,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WebSearch, Self::FileSearch, Self::CodeInterpreter, Self::ImageGeneration];

    /// By the type with which it is offered, whatever its version.
    pub fn offered(kind: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Tool); 4] = [
            (b"web_search", Tool::WebSearch),
            (b"file_search", Tool::FileSearch),
            (b"code_interpreter", Tool::CodeInterpreter),
            (b"image_generation", Tool::ImageGeneration),
        ];
        // What was called is an item of the conversation, and no offer.
        let is_offer = !kind.ends_with(b"_call") && !kind.ends_with(b"_tool_result");
        NAMES.iter().find(|(name, _)| is_offer && kind.starts_with(name)).map(|(_, tool)| *tool)
    }

    /// By the type of an item in an answer of the Responses API.
    pub fn called(kind: &str) -> Option<Self> {
        Some(match kind {
            "web_search_call" => Self::WebSearch,
            "file_search_call" => Self::FileSearch,
            "code_interpreter_call" => Self::CodeInterpreter,
            "image_generation_call" => Self::ImageGeneration,
            _ => return None,
        })
    }
}

/// How often each tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls([u64; 4]);

impl Calls {
    /// None.
    pub const NONE: Self = Self([0; 4]);

    /// So many more of a tool. A machine that runs what a model has written has a price for a session, of which an answer has one.
    pub fn add(&mut self, tool: Tool, calls: u64) {
        if let Some(count) = self.0.get_mut(tool as usize) {
            let most = if tool == Tool::CodeInterpreter { 1 } else { u64::MAX };
            *count = count.saturating_add(calls).min(most);
        }
    }

    /// Of this tool.
    pub fn of(&self, tool: Tool) -> u64 {
        self.0.get(tool as usize).copied().unwrap_or_default()
    }

    /// Of each tool.
    pub fn each(&self) -> impl Iterator<Item = (Tool, u64)> {
        Tool::ALL.into_iter().zip(self.0)
    }
}

/// What an answer tells of its surcharges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// The class of service that was given.
    pub tier: Option<Tier>,
    /// Of what was written to a cache, the tokens that it keeps for an hour.
    pub hour_writes: Option<u64>,
    /// What was called.
    pub calls: Calls,
}

impl Extras {
    /// The class of service names itself.
    pub(crate) fn name_tier(&mut self, word: &str) {
        self.tier = Tier::read(word).or(self.tier);
    }
}
