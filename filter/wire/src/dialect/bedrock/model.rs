//! What the models behind Converse differ in, as far as their names tell.
//!
//! One API reaches models of many makers, but parameters beyond the common ones, and marks for the prompt cache, are each
//! maker's own; a model that does not know them answers 400. The name tells whose a model is, also in inference profiles
//! (`eu.anthropic.claude-…`); an ARN that hides it counts as of nobody known, and gets the common parameters only.

/// Whose model it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's.
    Claude,
    /// Amazon's.
    Nova,
    /// Anybody's.
    Other,
}

impl Family {
    pub(super) fn of(model: &str) -> Self {
        let names = |word: &str| model.contains(word);
        if names("anthropic") || names("claude") {
            Self::Claude
        } else if names("nova") {
            Self::Nova
        } else {
            Self::Other
        }
    }

    /// Whether the prompt can be cached up to a mark in `system` and in turns.
    pub(super) fn caches(self) -> bool {
        self != Self::Other
    }

    /// Whether it can be cached up to a mark among the tools.
    pub(super) fn caches_tools(self) -> bool {
        self == Self::Claude
    }
}
