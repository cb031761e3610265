//! `sluice cache evaluate`: whether a semantic cache would pay with an embedding model, and from which similarity on. It measures pairs of
//! questions that a person has judged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use sluice_lexical::Lexicon;

use crate::cli::{Failure, count};
use crate::locate;

mod pairs;
mod rates;
mod server;

use pairs::{Half, Pair};
use rates::{ENOUGH, PRECISE, Rates, Scored};
use server::Server;

/// The arguments.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// A file of pairs, one JSON object per line [default: the 574 pairs that the command includes]
    #[arg(value_name = "PAIRS")]
    pairs: Option<PathBuf>,
    /// The base URL of an OpenAI-compatible API, such as https://api.openai.com/v1
    #[arg(long, value_name = "URL")]
    url: String,
    /// The embedding model
    #[arg(long, value_name = "NAME")]
    model: String,
    /// The environment variable that holds the API key [default: no key]
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// A file with the CA certificates to trust [default: the system's]
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures the pairs. Returns the report, and whether there is a threshold to use.
pub fn evaluate(arguments: &Evaluate) -> Result<(String, bool), Failure> {
    let pairs = pairs::read(arguments.pairs.as_deref())?;
    let key = arguments.key_env.as_deref().map(|variable| {
        let key = std::env::var(variable).ok().filter(|key| !key.trim().is_empty());
        key.ok_or_else(|| {
            Failure::new(format!("the environment variable {variable} is not set. Set it to the API key"))
        })
    });
    let authorities = arguments.ca.clone().unwrap_or_else(locate::authorities);
    let server = Server::new(&arguments.url, &arguments.model, key.transpose()?, &authorities)?;
    let mut vectors = BTreeMap::new();
    pairs.iter().flat_map(|pair| [&*pair.a, &pair.b]).for_each(|text| drop(vectors.insert(text, None)));
    let texts: Vec<&str> = vectors.keys().copied().collect();
    vectors.values_mut().zip(server.embed(&texts)?).for_each(|(place, vector)| *place = Some(vector));
    let lexicon = Lexicon::new([0; 32]);
    let scored = pairs.iter().map(|pair| {
        let [a, b] = [&*pair.a, &pair.b].map(|text| vectors.get(text).and_then(Option::as_ref));
        let [one, other] = [&*pair.a, &pair.b].map(|text| lexicon.signature(text));
        Scored {
            pair,
            similarity: a.zip(b).and_then(|(a, b)| a.similarity(b)).unwrap_or(-1.0),
            words: one.zip(other).is_some_and(|(one, other)| one.compare(&other).is_ok()),
        }
    });
    let dimensions = vectors.values().flatten().map(|vector| vector.dimensions()).next().unwrap_or_default();
    let report = Report::of(arguments, dimensions, &scored.collect::<Vec<_>>());
    Ok((if arguments.json { format!("{:#}\n", report.json()) } else { report.text() }, report.threshold.is_some()))
}

/// The measurements.
struct Report<'a> {
    model: &'a str,
    dimensions: usize,
    threshold: Option<f32>,
    design: Vec<Scored<'a>>,
    report: Vec<Scored<'a>>,
}

impl<'a> Report<'a> {
    fn of(arguments: &'a Evaluate, dimensions: usize, scored: &[Scored<'a>]) -> Self {
        let (design, report): (Vec<_>, Vec<_>) = scored.iter().partition(|scored| scored.pair.half() == Half::Design);
        Self { model: &arguments.model, dimensions, threshold: rates::threshold(&design), design, report }
    }

    fn halves(&self) -> [(&'static str, &[Scored<'a>]); 2] {
        [("design", &self.design), ("report", &self.report)]
    }

    fn json(&self) -> Value {
        let both = |scored: &[Scored<'_>], at: f32| json!({"pairs": scored.len(), "similarity_alone": Rates::of(scored, at, false).json(), "with_words": Rates::of(scored, at, true).json()});
        let rows = rates::steps().map(|at| json!({"threshold": rates::shown(at), "design": both(&self.design, at), "report": both(&self.report, at)}));
        let at = self.threshold.map(|at| json!({"design": both(&self.design, at), "report": both(&self.report, at)}));
        json!({
            "model": self.model,
            "dimensions": self.dimensions,
            "threshold": self.threshold.map(rates::shown),
            "at_threshold": at,
            "thresholds": rows.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}, {}, {}\n\n           similarity alone    with the comparison of words\nthreshold  precision  recall   precision  recall\n",
            self.model,
            count(self.dimensions, "dimension"),
            count(self.design.len() + self.report.len(), "pair"),
        );
        for at in rates::steps().step_by(5) {
            let [alone, words] = [false, true].map(|words| Rates::of(&self.report, at, words));
            let _ = writeln!(
                text,
                "{at:<9.2}  {:<9}  {:<7}  {:<9}  {}",
                alone.precision(),
                alone.recall(),
                words.precision(),
                words.recall()
            );
        }
        let _ = writeln!(
            text,
            "\nThe table is of the {} that the threshold is not chosen with.\n",
            count(self.report.len(), "pair")
        );
        let Some(threshold) = self.threshold else {
            let _ = writeln!(
                text,
                "A semantic cache is not worth it: with a precision of {PRECISE} it would find less than {} of the repeated questions.",
                ENOUGH
            );
            return text;
        };
        let _ = writeln!(text, "threshold: {threshold:.2}");
        for (half, scored) in self.halves() {
            let rates = Rates::of(scored, threshold, true);
            let role = if half == "design" { "chosen with" } else { "measured with" };
            let _ = writeln!(
                text,
                "{role} {}: precision {}, recall {}; {} of {} wrong",
                count(scored.len(), "pair"),
                rates.precision(),
                rates.recall(),
                rates.wrong,
                count(rates.hits(), "hit"),
            );
            for scored in scored.iter().filter(|scored| scored.hits(threshold, true) && !scored.pair.same) {
                let Pair { a, b, .. } = scored.pair;
                let _ = writeln!(text, "  wrong at {:.3}: {a} | {b}", scored.similarity);
            }
        }
        text
    }
}
