//! One row of the table.
//!
//! What it says of capabilities is letters, each of them a "yes". That a letter is not there may be a "no", or that nobody
//! looked, and its source, a list that a community keeps, does not say which. A wrong "no" would keep a good target from
//! serving, a wrong "yes" costs one failed attempt; so it is a "no" only where the rows were compared with what the models are
//! known for, and found to be complete:
//!
//! - by provider and letter, as [`COMPLETE`] has them: those whose rows follow the provider's own list of models. Elsewhere
//!   letters are missing from models that have what they stand for: images from Pixtral and Llama 4 on Bedrock, from GPT-5
//!   chat models on Azure and from Devstral Small at Mistral, tools from o3-mini on Azure, schemas from GPT-5.5 on Bedrock
//!   and from Cohere's Command. Documents and sound are stated of too few models to say more than here;
//! - not in rows that were not filled in, which have neither tools nor images nor schemas, but perhaps reasoning or caching;
//! - not for tuned models (`ft:`), whose rows lack much that their kind can do.
//!
//! Parallel tools and reasoning are never a "no": no request needs them so that it would be kept from a target.

use std::str::FromStr;

use sluice_core::config::file::{Capabilities, Price};

use super::Known;

/// Providers, and the letters that mean "no" where they are absent from a filled-in row.
const COMPLETE: &[(&str, &str)] = &[
    ("anthropic", "tva"),
    ("cohere", "tv"),
    ("deepseek", "tva"),
    ("gemini", "tv"),
    ("groq", "tv"),
    ("openai", "tvsad"),
    ("xai", "tv"),
];

/// All letters; the table's head says what they stand for.
const LETTERS: &str = "tpvsrcad";

/// A provider, a model, and what is known of it.
pub(super) fn read(line: &str) -> Option<(&str, &str, Known)> {
    let columns: Vec<&str> = line.split('\t').collect();
    let &[
        provider,
        model,
        input,
        output,
        cached_input,
        cache_write,
        reasoning,
        per_image,
        per_request,
        max_input,
        max_output,
        letters,
    ] = columns.as_slice()
    else {
        return None;
    };
    let price = Price {
        input: input.parse().ok()?,
        output: output.parse().ok()?,
        cached_input: or_empty(cached_input)?,
        cache_write: or_empty(cache_write)?,
        reasoning: or_empty(reasoning)?,
        per_image: or_empty(per_image)?,
        per_request: or_empty(per_request)?,
        max_output: or_empty(max_output)?,
    };
    if !letters.chars().all(|letter| LETTERS.contains(letter)) {
        return None;
    }
    let capabilities = Capabilities { max_input: or_empty(max_input)?, ..stated(provider, model, letters) };
    Some((provider, model, Known { price, capabilities }))
}

/// What a row's letters state.
fn stated(provider: &str, model: &str, letters: &str) -> Capabilities {
    let filled_in = letters.contains(['t', 'v', 's']) && !model.starts_with("ft:");
    let complete =
        COMPLETE.iter().find(|(name, _)| filled_in && *name == provider).map_or("", |(_, complete)| complete);
    let state = |letter: char| {
        let yes = letters.contains(letter);
        (yes || complete.contains(letter)).then_some(yes)
    };
    Capabilities {
        max_input: None,
        tools: state('t'),
        parallel_tools: state('p'),
        vision: state('v'),
        structured_output: state('s'),
        reasoning: state('r'),
        audio: state('a'),
        documents: state('d'),
    }
}

fn or_empty<T: FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_a_yes_and_its_absence_a_no_only_where_rows_are_complete() {
        let says = |provider, model, letters| {
            let Capabilities { tools, parallel_tools, vision, reasoning, documents, .. } =
                stated(provider, model, letters);
            [tools, parallel_tools, vision, reasoning, documents]
        };
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(says("openai", "m", "tprd"), [yes, yes, no, yes, yes]);
        assert_eq!(says("openai", "m", "v"), [no, None, yes, None, no]);
        assert_eq!(says("groq", "m", "v"), [no, None, yes, None, None]);
        assert_eq!(says("bedrock", "m", "t"), [yes, None, None, None, None]);
        assert_eq!(says("openai", "ft:m", "t"), [yes, None, None, None, None]);
        for letters in ["", "r", "rc", "c"] {
            let reasons = letters.contains('r').then_some(true);
            assert_eq!(says("openai", "m", letters), [None, None, None, reasons, None], "not filled in: {letters:?}");
        }
    }

    #[test]
    fn a_row_with_a_letter_or_a_column_that_means_nothing_is_not_read() {
        let row = "p\tm\t1\t2\t\t\t\t\t\t1000\t\ttv";
        let (provider, model, known) = read(row).unwrap();
        assert_eq!((provider, model, known.capabilities.max_input), ("p", "m", Some(1_000)));
        assert_eq!(read(&format!("{row}x")), None);
        assert_eq!(read(&format!("{row}\t")), None);
        assert_eq!(read(&row.replace("1000", "much")), None);
    }

    #[test]
    fn every_complete_provider_and_letter_is_the_tables() {
        for (provider, letters) in COMPLETE {
            let of_provider = |line: &&str| line.starts_with(&format!("{provider}\t"));
            assert!(super::super::rows(super::super::TABLE).any(|line| of_provider(&line)), "{provider}");
            assert!(letters.chars().all(|letter| LETTERS.contains(letter)), "{provider}");
        }
    }
}
