//! The differences between the models behind Converse, as far as their names tell.
//!
//! One API serves models of many makers, but cache marks and parameters beyond the common ones are each maker's own; a model that does not
//! know them answers 400. The name tells the maker, also in inference profiles (`eu.anthropic.claude-…`). An ARN that hides the name is
//! [`Family::Other`] and gets the common parameters only.

/// The maker of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's models.
    Claude,
    /// Amazon's models.
    Nova,
    /// All other models.
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

    /// Whether it takes cache marks in `system` and in turns.
    pub(super) fn caches(self) -> bool {
        self != Self::Other
    }

    /// Whether it takes cache marks among the tools.
    pub(super) fn caches_tools(self) -> bool {
        self == Self::Claude
    }
}
