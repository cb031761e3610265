//! One row of the model table.
//!
//! Capabilities are letters, and each letter means "yes". A missing letter may mean "no" or "unknown"; the source, a community's list,
//! does not say which. A wrong "no" excludes a good target, while a wrong "yes" costs one failed attempt. So a missing letter is a "no"
//! only where the rows were compared with the models' known capabilities and found complete:
//!
//! - by provider and letter, in [`COMPLETE`]: providers whose rows follow their own list of models. Other rows lack letters of existing
//!   capabilities: images of Pixtral and Llama 4 on Bedrock, of GPT-5 chat models on Azure and of Devstral Small at Mistral, tools of
//!   o3-mini on Azure, schemas of GPT-5.5 on Bedrock and of Cohere's Command. Documents and audio are stated for too few models to include
//!   more;
//! - not in incomplete rows, which have neither tools nor images nor schemas, but perhaps reasoning or caching;
//! - not for fine-tuned models (`ft:`), whose rows lack many capabilities of their base model.
//!
//! Parallel tools and reasoning are never a "no", since they do not exclude a target for any request.

use std::str::FromStr;

use sluice_config::diagnostic::quoted;
use sluice_config::file::{Capabilities, PerCall, Price, ServiceTiers, TierPrice};
use sluice_core::suggest::one_of;
use sluice_core::usage;

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

/// All letters. The table's header explains them.
const LETTERS: &str = "tpvsrcad";

/// Required columns.
const NEEDED: [&str; 4] = ["provider", "model", "input", "output"];
/// Optional columns, which may also be empty.
const OTHERS: [&str; 14] = [
    "cached_input",
    "cache_write",
    "reasoning",
    "per_image",
    "per_request",
    "max_input",
    "max_output",
    "capabilities",
    "cache_write_1h",
    "priority",
    "flex",
    "batch",
    "web_search",
    "file_search",
];

/// A mistake in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The column's name.
    pub column: String,
    pub found: String,
    pub expected: String,
}

impl Wrong {
    pub fn new(column: &str, found: &str, expected: &str) -> Self {
        Self { column: column.to_owned(), found: quoted(found), expected: expected.to_owned() }
    }
}

/// The header of a table, with the order of its columns.
#[derive(Debug, Clone)]
pub(super) struct Columns<'a>(Vec<&'a str>);

impl<'a> Columns<'a> {
    /// Parses a header, which has the columns' names.
    pub fn read(head: &'a str) -> Result<Self, Wrong> {
        let names: Vec<&str> = head.split('\t').collect();
        let known = || NEEDED.iter().chain(&OTHERS).copied();
        for (index, name) in names.iter().enumerate() {
            if !known().any(|known| known == *name) {
                return Err(Wrong::new(name, name, &one_of(name, known())));
            }
            if names[..index].contains(name) {
                return Err(Wrong::new(name, name, "each column once"));
            }
        }
        match NEEDED.iter().find(|needed| !names.contains(needed)) {
            Some(needed) => Err(Wrong::new(needed, head, &format!("a column {needed} in the table's header"))),
            None => Ok(Self(names)),
        }
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Parses a row into the provider, the model and its data.
    pub fn row<'r>(&self, line: &'r str) -> Result<(&'r str, &'r str, Known), Wrong> {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != self.0.len() {
            let found = format!("{} columns", cells.len());
            return Err(Wrong { found, ..Wrong::new("provider", "", &format!("{}, like the header", self.0.len())) });
        }
        let cell = |name: &str| self.0.iter().position(|known| *known == name).map_or("", |place| cells[place]);
        let needed = |name| match cell(name) {
            "" => Err(Wrong::new(name, "", "a name")),
            text => Ok(text),
        };
        let dollars = |name| number::<f64>(name, cell(name), "US dollars per million tokens");
        let optional = |name| or_empty(name, cell(name), "US dollars, or an empty cell");
        let limit = |name| or_empty(name, cell(name), "a number of tokens, or an empty cell");
        let tier = |name| tier(name, cell(name));
        let (provider, model) = (needed("provider")?, needed("model")?);
        let price = Price {
            input: dollars("input")?,
            output: dollars("output")?,
            cached_input: optional("cached_input")?,
            cache_write: optional("cache_write")?,
            reasoning: optional("reasoning")?,
            cache_write_1h: optional("cache_write_1h")?,
            service_tiers: ServiceTiers { priority: tier("priority")?, flex: tier("flex")?, batch: tier("batch")? },
            per_call: PerCall {
                web_search: optional("web_search")?,
                file_search: optional("file_search")?,
                ..PerCall::default()
            },
            per_image: optional("per_image")?,
            per_request: optional("per_request")?,
            max_output: limit("max_output")?,
        };
        believable(&price)?;
        let letters = cell("capabilities");
        if !letters.chars().all(|letter| LETTERS.contains(letter)) {
            return Err(Wrong::new("capabilities", letters, &format!("letters of {LETTERS}")));
        }
        let capabilities = Capabilities { max_input: limit("max_input")?, ..stated(provider, model, letters) };
        Ok((provider, model, Known { price, capabilities }))
    }
}

/// Checks that a price is plausible, as in the gateway file.
pub(super) fn believable(price: &Price) -> Result<(), Wrong> {
    let wrong = usage::price::Price::try_from(price).err().and_then(|wrong| wrong.into_iter().next());
    match wrong {
        Some(wrong) => Err(Wrong::new(wrong.field, &wrong.found, wrong.expected)),
        None => Ok(()),
    }
}

/// The capabilities that a row's letters state.
pub(super) fn stated(provider: &str, model: &str, letters: &str) -> Capabilities {
    let filled_in = letters.contains(['t', 'v', 's']) && !model.starts_with("ft:");
    let complete =
        COMPLETE.iter().find(|(name, _)| filled_in && *name == provider).map_or("", |(_, complete)| complete);
    let state = |letter: char| {
        let yes = letters.contains(letter);
        (yes || complete.contains(letter)).then_some(yes)
    };
    Capabilities {
        tools: state('t'),
        parallel_tools: state('p'),
        vision: state('v'),
        structured_output: state('s'),
        reasoning: state('r'),
        audio: state('a'),
        documents: state('d'),
        ..Capabilities::default()
    }
}

fn number<T: FromStr>(name: &str, text: &str, expected: &str) -> Result<T, Wrong> {
    text.parse().map_err(|_| Wrong::new(name, text, expected))
}

fn or_empty<T: FromStr>(name: &str, text: &str, expected: &str) -> Result<Option<T>, Wrong> {
    if text.is_empty() { Ok(None) } else { number(name, text, expected).map(Some) }
}

/// Parses a service tier: the prices of input, output, cached input and cache writes, separated by slashes.
fn tier(name: &str, text: &str) -> Result<Option<TierPrice>, Wrong> {
    let expected = "US dollars per million tokens: INPUT/OUTPUT/CACHED_INPUT/CACHE_WRITE, where the last two are \
                    optional";
    let rates: Vec<Option<f64>> =
        text.split('/').map(|text| or_empty(name, text, expected)).collect::<Result<_, _>>()?;
    if rates.len() > 4 {
        return Err(Wrong::new(name, text, expected));
    }
    let rate = |place: usize| rates.get(place).copied().flatten();
    let tier = TierPrice { input: rate(0), output: rate(1), cached_input: rate(2), cache_write: rate(3) };
    Ok((!text.is_empty()).then_some(tier))
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

    const HEAD: &str = "provider\tmodel\tinput\toutput\tmax_input\tcapabilities";

    #[test]
    fn a_row_is_read_by_the_names_in_the_head() {
        let columns = Columns::read(HEAD).unwrap();
        let (provider, model, known) = columns.row("p\tm\t1\t2\t1000\ttv").unwrap();
        assert_eq!((provider, model, known.capabilities.max_input), ("p", "m", Some(1_000)));
        assert_eq!((known.price.input, known.price.output, known.price.cached_input), (1.0, 2.0, None));
        assert!(columns.has("max_input") && !columns.has("max_output"));
        let turned = Columns::read("output\tinput\tcached_input\tmodel\tprovider").unwrap();
        let (provider, model, known) = turned.row("2\t1\t0.5\tm\tp").unwrap();
        assert_eq!((provider, model, known.price.cached_input), ("p", "m", Some(0.5)));
    }

    #[test]
    fn a_class_of_service_is_one_cell() {
        let columns = Columns::read("provider\tmodel\tinput\toutput\tpriority\tflex\tweb_search").unwrap();
        let (.., known) = columns.row("p\tm\t1\t2\t2/4/0.2\t\t0.01").unwrap();
        let priority = TierPrice { input: Some(2.0), output: Some(4.0), cached_input: Some(0.2), cache_write: None };
        assert_eq!((known.price.service_tiers.priority, known.price.service_tiers.flex), (Some(priority), None));
        assert_eq!(known.price.per_call.web_search, Some(0.01));
        for cell in ["2/x", "1/2/3/4/5", "2;4"] {
            assert_eq!(columns.row(&format!("p\tm\t1\t2\t{cell}\t\t")).unwrap_err().column, "priority");
        }
    }

    #[test]
    fn what_cannot_be_read_is_wrong_by_its_columns_name() {
        let head = |head| Columns::read(head).map_err(|wrong| (wrong.column, wrong.expected)).unwrap_err();
        assert_eq!(head("provider\tmodel\tinput"), ("output".into(), "a column output in the table's header".into()));
        let (column, expected) = head("provider\tmodel\tinput\toutput\tcached_inputs");
        assert_eq!(column, "cached_inputs");
        assert!(expected.ends_with("(did you mean \"cached_input\"?)"), "{expected}");
        assert_eq!(head("provider\tmodel\tinput\toutput\tinput").0, "input");
        let columns = Columns::read(HEAD).unwrap();
        for (row, column) in [
            ("p\tm\t1\t2\t1000", "provider"),
            ("p\tm\t1\t2\t1000\ttv\t", "provider"),
            ("\tm\t1\t2\t1000\ttv", "provider"),
            ("p\t\t1\t2\t1000\ttv", "model"),
            ("p\tm\t\t2\t1000\ttv", "input"),
            ("p\tm\t-1\t2\t1000\ttv", "input"),
            ("p\tm\tNaN\t2\t1000\ttv", "input"),
            ("p\tm\t1\t1e9\t1000\ttv", "output"),
            ("p\tm\t1\t0.0000001\t1000\ttv", "output"),
            ("p\tm\t1\t2\tmuch\ttv", "max_input"),
            ("p\tm\t1\t2\t1000\ttvx", "capabilities"),
        ] {
            assert_eq!(columns.row(row).map_err(|wrong| wrong.column), Err(column.to_owned()), "{row}");
        }
    }

    #[test]
    fn every_complete_provider_and_letter_is_the_tables() {
        for (provider, letters) in COMPLETE {
            let of_provider = |line: &&str| line.starts_with(&format!("{provider}\t"));
            assert!(super::super::TABLE.lines().any(|line| of_provider(&line)), "{provider}");
            assert!(letters.chars().all(|letter| LETTERS.contains(letter)), "{provider}");
        }
    }
}
