//! The capabilities of a target, and the ones that it lacks for a request.
//!
//! They come from the gateway file; the command fills gaps from its table. The model itself is never queried, so a capability that is not
//! stated counts as present. A wrong "no" would exclude a good target for ever. A wrong "yes" costs one failed attempt, after which the
//! next target is tried.

use std::fmt;

use super::needs::Needs;
use super::spec::ModelKind;

/// The capabilities of one target that a request can need; `None` if not stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The model's task.
    pub kind: Option<ModelKind>,
    /// The release date, in seconds since 1970.
    pub created: Option<u64>,
    /// The maximum length of a prompt, in tokens.
    pub max_input: Option<u64>,
    /// Tools.
    pub tools: Option<bool>,
    /// Images in the prompt.
    pub vision: Option<bool>,
    /// Responses that follow a JSON schema.
    pub structured_output: Option<bool>,
    /// Audio in the prompt.
    pub audio: Option<bool>,
    /// Documents in the prompt.
    pub documents: Option<bool>,
    /// Reasoning. Never excludes a target, but its first token may take long.
    pub reasoning: Option<bool>,
}

impl Capabilities {
    /// The first capability that the request needs and this target is stated not to have.
    pub fn lacks(&self, needs: &Needs) -> Option<MissingCapability> {
        let lacking = [
            (needs.tools, self.tools, MissingCapability::Tools),
            (needs.images, self.vision, MissingCapability::Vision),
            (needs.structured_output, self.structured_output, MissingCapability::StructuredOutput),
            (needs.audio, self.audio, MissingCapability::Audio),
            (needs.documents, self.documents, MissingCapability::Documents),
        ]
        .into_iter()
        .find(|(needed, has, _)| *needed && *has == Some(false))
        .map(|(_, _, lack)| lack);
        let input = needs.input_tokens;
        let too_small = || self.max_input.filter(|most| input > *most);
        lacking.or_else(|| too_small().map(|max_input| MissingCapability::Context { max_input, input }))
    }

    /// Whether a prompt that was too long for `other` may fit here: false only if both limits are known and this one is not higher.
    pub fn may_take_more_than(&self, other: &Self) -> bool {
        self.max_input.zip(other.max_input).is_none_or(|(here, there)| here > there)
    }
}

/// A capability that a request needs and a target does not have. Its text is the end of a sentence about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCapability {
    /// Tools.
    Tools,
    /// Images in the prompt.
    Vision,
    /// Responses that follow a JSON schema.
    StructuredOutput,
    /// Audio in the prompt.
    Audio,
    /// Documents in the prompt.
    Documents,
    /// A context that is large enough, in tokens.
    Context {
        /// The target's limit.
        max_input: u64,
        /// The prompt's estimated length.
        input: u64,
    },
}

impl fmt::Display for MissingCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tools => f.write_str("does not support tools"),
            Self::Vision => f.write_str("does not support images"),
            Self::StructuredOutput => f.write_str("does not support JSON schemas"),
            Self::Audio => f.write_str("does not support audio"),
            Self::Documents => f.write_str("does not support documents"),
            Self::Context { max_input, input } => {
                write!(f, "accepts at most {max_input} input tokens, and the prompt has about {input}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const EVERYTHING: Needs = Needs {
        tools: true,
        hosted: true,
        structured_output: true,
        images: true,
        audio: true,
        documents: true,
        input_tokens: 201_000,
    };

    fn able() -> Capabilities {
        let yes = Some(true);
        Capabilities {
            max_input: Some(201_000),
            tools: yes,
            vision: yes,
            structured_output: yes,
            audio: yes,
            documents: yes,
            reasoning: yes,
            ..Capabilities::default()
        }
    }

    #[test]
    fn what_is_not_stated_is_never_lacking() {
        assert_eq!(Capabilities::default().lacks(&Needs { input_tokens: u64::MAX, ..EVERYTHING }), None);
        assert_eq!(able().lacks(&EVERYTHING), None);
    }

    #[test]
    fn what_is_lacking_is_said_in_plain_words() {
        let no = Some(false);
        for (capabilities, needs, said) in [
            (Capabilities { tools: no, ..able() }, Needs { tools: true, ..Needs::default() }, "does not support tools"),
            (
                Capabilities { vision: no, ..able() },
                Needs { images: true, ..Needs::default() },
                "does not support images",
            ),
            (
                Capabilities { structured_output: no, ..able() },
                Needs { structured_output: true, ..Needs::default() },
                "does not support JSON schemas",
            ),
            (Capabilities { audio: no, ..able() }, Needs { audio: true, ..Needs::default() }, "does not support audio"),
            (
                Capabilities { documents: no, ..able() },
                Needs { documents: true, ..Needs::default() },
                "does not support documents",
            ),
            (
                Capabilities { max_input: Some(128_000), ..able() },
                Needs { input_tokens: 201_000, ..Needs::default() },
                "accepts at most 128000 input tokens, and the prompt has about 201000",
            ),
        ] {
            assert_eq!(capabilities.lacks(&needs).unwrap().to_string(), said);
            assert_eq!(capabilities.lacks(&EVERYTHING).unwrap().to_string(), said, "and nothing else");
            assert_eq!(capabilities.lacks(&Needs::default()), None, "{said}: nobody asked for it");
        }
    }

    #[test]
    fn a_prompt_that_just_fits_fits() {
        let small = Capabilities { max_input: Some(1_000), ..Capabilities::default() };
        let needs = |input_tokens| Needs { input_tokens, ..Needs::default() };
        assert_eq!(small.lacks(&needs(1_000)), None);
        assert_eq!(small.lacks(&needs(1_001)), Some(MissingCapability::Context { max_input: 1_000, input: 1_001 }));
    }

    #[test]
    fn a_context_that_is_not_known_to_be_as_small_may_take_more() {
        let most = |max_input| Capabilities { max_input, ..Capabilities::default() };
        for (this, other, more) in [
            (Some(200), Some(100), true),
            (Some(100), Some(100), false),
            (Some(100), Some(200), false),
            (Some(100), None, true),
            (None, Some(100), true),
            (None, None, true),
        ] {
            assert_eq!(most(this).may_take_more_than(&most(other)), more, "{this:?} {other:?}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        fn capabilities() -> impl Strategy<Value = Capabilities> {
            let flag = || any::<Option<bool>>();
            (any::<Option<u64>>(), flag(), flag(), flag(), flag(), flag(), flag()).prop_map(
                |(max_input, tools, vision, structured_output, audio, documents, reasoning)| Capabilities {
                    max_input,
                    tools,
                    vision,
                    structured_output,
                    audio,
                    documents,
                    reasoning,
                    ..Capabilities::default()
                },
            )
        }

        fn needs() -> impl Strategy<Value = Needs> {
            (any::<[bool; 5]>(), any::<u64>()).prop_map(
                |([tools, structured_output, images, audio, documents], input_tokens)| Needs {
                    tools,
                    hosted: false,
                    structured_output,
                    images,
                    audio,
                    documents,
                    input_tokens,
                },
            )
        }

        /// The needs without the missing one.
        fn without(needs: Needs, lack: MissingCapability) -> Needs {
            match lack {
                MissingCapability::Tools => Needs { tools: false, ..needs },
                MissingCapability::Vision => Needs { images: false, ..needs },
                MissingCapability::StructuredOutput => Needs { structured_output: false, ..needs },
                MissingCapability::Audio => Needs { audio: false, ..needs },
                MissingCapability::Documents => Needs { documents: false, ..needs },
                MissingCapability::Context { max_input, .. } => Needs { input_tokens: max_input, ..needs },
            }
        }

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn each_lack_is_something_needed_and_without_all_of_them_the_target_serves(
                capabilities in capabilities(), mut needs in needs()) {
                let mut lacks = 0;
                while let Some(lack) = capabilities.lacks(&needs) {
                    let fewer = without(needs, lack);
                    prop_assert_ne!(fewer, needs, "{} was needed", lack);
                    needs = fewer;
                    lacks += 1;
                }
                let stated = [capabilities.tools, capabilities.vision, capabilities.structured_output,
                    capabilities.audio, capabilities.documents];
                let most = stated.iter().filter(|has| **has == Some(false)).count()
                    + usize::from(capabilities.max_input.is_some());
                prop_assert!(lacks <= most, "only what is stated is lacking");
            }

            #[test]
            fn of_two_targets_that_say_it_one_at_most_takes_more(one in capabilities(), other in capabilities()) {
                let both = one.may_take_more_than(&other) && other.may_take_more_than(&one);
                prop_assert_eq!(both, one.max_input.is_none() || other.max_input.is_none());
                prop_assert_eq!(one.may_take_more_than(&one), one.max_input.is_none());
            }
        }
    }
}
