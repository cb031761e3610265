//! Billable facts of a response besides its tokens: the service tier, cache writes with a lifetime of one hour, and calls of tools that run
//! at the provider. This module knows no prices.

/// A service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The standard tier.
    Plain,
    /// Faster, at a higher price.
    Priority,
    /// Slower, at a lower price.
    Flex,
    /// Processed in a batch.
    Batch,
}

impl Tier {
    /// Reads OpenAI's or Anthropic's name for a tier. `None` for `auto` and unknown names.
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

/// A tool that runs at the provider and is priced per call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Web search.
    WebSearch,
    /// Search of stored files.
    FileSearch,
    /// A sandbox that runs the model's code.
    CodeInterpreter,
    /// Image generation.
    ImageGeneration,
}

impl Tool {
    /// All tools.
    pub const ALL: [Self; 4] = [Self::WebSearch, Self::FileSearch, Self::CodeInterpreter, Self::ImageGeneration];

    /// Reads the type of a tool that a request offers, in any version.
    pub fn offered(kind: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Tool); 4] = [
            (b"web_search", Tool::WebSearch),
            (b"file_search", Tool::FileSearch),
            (b"code_interpreter", Tool::CodeInterpreter),
            (b"image_generation", Tool::ImageGeneration),
        ];
        // Calls and their results are items of the conversation, not offers.
        let is_offer = !kind.ends_with(b"_call") && !kind.ends_with(b"_tool_result");
        NAMES.iter().find(|(name, _)| is_offer && kind.starts_with(name)).map(|(_, tool)| *tool)
    }

    /// Reads the type of an item in a response of the Responses API.
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

/// The number of calls of each tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls([u64; 4]);

impl Calls {
    /// No calls.
    pub const NONE: Self = Self([0; 4]);

    /// Adds calls. The code interpreter is priced per session, and a response has at most one.
    pub fn add(&mut self, tool: Tool, calls: u64) {
        if let Some(count) = self.0.get_mut(tool as usize) {
            let most = if tool == Tool::CodeInterpreter { 1 } else { u64::MAX };
            *count = count.saturating_add(calls).min(most);
        }
    }

    /// The number of calls of `tool`.
    pub fn of(&self, tool: Tool) -> u64 {
        self.0.get(tool as usize).copied().unwrap_or_default()
    }

    /// Every tool with its number of calls.
    pub fn each(&self) -> impl Iterator<Item = (Tool, u64)> {
        Tool::ALL.into_iter().zip(self.0)
    }
}

/// The billable extras of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// The service tier that the provider used.
    pub tier: Option<Tier>,
    /// Tokens written to a cache with a lifetime of one hour, among the cache writes.
    pub hour_writes: Option<u64>,
    /// Calls of tools at the provider.
    pub calls: Calls,
}

impl Extras {
    /// Sets the tier from its name, if it is known.
    pub(crate) fn name_tier(&mut self, word: &str) {
        self.tier = Tier::read(word).or(self.tier);
    }
}
