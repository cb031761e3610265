//! Reads a gateway file and finds all mistakes in one run: in its YAML, its shape and its meaning.

use std::{fmt, path};

use sluice_config::Diagnostic;
use sluice_config::diagnostic::Path;
use sluice_config::file::File;
use sluice_core::compiled::CompiledConfig;

pub mod schema;
mod shape;
pub mod streams;
pub mod warnings;
mod words;
mod yaml;

use yaml::{Document, Lines};

use crate::table;

/// A gateway file without mistakes.
#[derive(Debug)]
pub struct Checked {
    /// The file as written, completed with prices and capabilities from the table.
    pub file: File,
    pub gateway: CompiledConfig,
    /// A description of the price table that was used.
    pub table: String,
    /// The line of each place in the file.
    pub lines: Lines,
}

/// A mistake and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub line: usize,
    pub diagnostic: Diagnostic,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.diagnostic)
    }
}

/// Parses another tool's YAML file.
pub fn yaml_of(text: &str) -> Result<serde_json::Value, Located> {
    Document::read(text).map(|document| document.value).map_err(|fault| located(text, fault))
}

/// Checks a gateway file's text, with paths relative to the working directory.
pub fn check(text: &str) -> Result<Checked, Vec<Located>> {
    check_in(text, path::Path::new(""))
}

/// Checks a gateway file's text. Mistakes are in the order of their lines. Paths are relative to `base`, the file's directory.
pub fn check_in(text: &str, base: &path::Path) -> Result<Checked, Vec<Located>> {
    let mut document = Document::read(text).map_err(|fault| vec![located(text, fault)])?;
    let variables = words::variables(&document.value);
    let shape = shape::check(&schema::schema(), &mut document.value);
    let mut diagnostics = std::mem::take(&mut document.diagnostics);
    let sound = shape.diagnostics.is_empty();
    diagnostics.extend(shape.diagnostics.iter().cloned());
    let mut compiled = None;
    match serde_json::from_value::<File>(document.value.clone()) {
        Ok(mut file) => {
            let (mut others, table) = table::resolve(&mut file, base);
            // A model's price depends on its provider and on the table: a mistake there must not be reported as a missing price as well.
            let causes = [Path::root().key("providers"), Path::root().key("prices").key("file")];
            let is_cause = |diagnostic: &Diagnostic| causes.iter().any(|cause| cause.holds(&diagnostic.path));
            if diagnostics.iter().chain(&others).any(is_cause) {
                file.prices.unpriced.get_or_insert_default();
            }
            match sluice_config::compile(&file) {
                Ok(gateway) => compiled = Some((file, gateway, table)),
                Err(more) => others.extend(more),
            }
            diagnostics.extend(others.into_iter().filter(|other| shape.is_authors(&other.path)));
        }
        // The types check more than the schema can express.
        Err(error) if sound => {
            diagnostics.push(Diagnostic {
                path: String::new(),
                found: error.to_string(),
                expected: "a gateway file".into(),
            });
        }
        Err(_) => {}
    }
    refer_to_no_variables(&mut diagnostics, variables);
    match compiled {
        Some((file, gateway, table)) if diagnostics.is_empty() => {
            Ok(Checked { file, gateway, table, lines: document.lines })
        }
        _ => {
            let locate = |diagnostic: Diagnostic| Located { line: document.line(&diagnostic.path), diagnostic };
            let mut located: Vec<Located> = diagnostics.into_iter().map(locate).collect();
            located.sort_by_key(|located| located.line);
            Err(located)
        }
    }
}

/// Explains why a text is not YAML, with a hint from its line.
fn located(text: &str, fault: yaml::Fault) -> Located {
    let yaml::Fault { line, mut diagnostic } = fault;
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    if let Some(expected) = words::line(written) {
        diagnostic.expected = expected.to_owned();
    }
    Located { line, diagnostic }
}

/// Gateway files have no variables. A variable reference hides other mistakes at the same place.
fn refer_to_no_variables(diagnostics: &mut Vec<Diagnostic>, variables: Vec<(String, String)>) {
    for (path, expected) in variables {
        let known = diagnostics.iter_mut().find(|diagnostic| diagnostic.path == path);
        match known {
            // The value of an unknown field matters only if it is a credential.
            Some(diagnostic) if diagnostic.found == shape::UNKNOWN && !expected.starts_with("key:") => {}
            Some(diagnostic) => diagnostic.expected = expected,
            None => diagnostics.push(Diagnostic { path, found: "a reference to a variable".to_owned(), expected }),
        }
    }
}

#[cfg(test)]
mod diagnostics;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        check(text).err().unwrap_or_default().iter().map(Located::to_string).collect()
    }

    const GOOD: &str = "\
providers:
  openai: { kind: openai, key: { env: OPENAI_API_KEY } }
models:
  chat: { targets: [{ provider: openai, model: gpt-5 }] }
teams:
  research: {}
keys:
  - { id: alice, team: research, sha256: \"0000000000000000000000000000000000000000000000000000000000000000\" }
";

    #[test]
    fn a_good_file_has_no_mistake() {
        assert_eq!(lines(GOOD), Vec::<String>::new());
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats_and_too_large_ones_have_a_place() {
        for number in ["60.0", "1e3", "1e+06"] {
            let limits = format!("research: {{ limits: {{ requests_per_minute: {number} }} }}");
            assert_eq!(lines(&GOOD.replace("research: {}", &limits)), [""; 0], "{number}");
        }
        let found = lines(&format!("{GOOD}circuit: {{ failures: 5000000000 }}\n"));
        assert_eq!(found, ["9: circuit.failures: found 5000000000, expected a number up to 4294967295"]);
        let found = lines(&format!("{GOOD}metrics: {{ series: 9223372036854775808 }}\n"));
        assert!(found.len() == 1 && found[0].starts_with("9: metrics.series: "), "{found:?}");
    }

    #[test]
    fn models_have_the_tables_prices_and_a_mistake_in_their_provider_is_one_mistake() {
        let file = check(GOOD).unwrap().file;
        assert_eq!(file.prices.models["openai/gpt-5"].output, 10.0);
        let budget = GOOD.replace("research: {}", "research: { budget: { daily: 5 } }");
        assert_eq!(lines(&budget), [""; 0]);
        let unknown = lines(&budget.replace("gpt-5", "gpt-0"));
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert!(
            unknown[0].starts_with("4: models.chat.targets[0]: found no price for \"openai/gpt-0\""),
            "{unknown:?}"
        );
        for provider in ["kind: openia", "kind: openai, prices: opnai", "kind: openai, url: x", "kind: openai, x: 1"] {
            let diagnostics = lines(&budget.replace("gpt-5", "gpt-0").replace("kind: openai", provider));
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].starts_with("2: providers.openai."), "{diagnostics:?}");
        }
    }

    #[test]
    fn whatever_is_missing_there_is_an_answer() {
        for (index, cut) in GOOD.char_indices() {
            let _ = check(&GOOD[..index]);
            let without: String = GOOD.char_indices().filter(|(at, _)| *at != index).map(|(_, c)| c).collect();
            for located in check(&without).err().unwrap_or_default() {
                assert!(located.line <= 9, "without {cut:?} at {index}: {located}");
            }
        }
    }

    #[test]
    fn mistakes_of_shape_and_of_meaning_come_together() {
        let text = "\
listn: 127.0.0.1:80
providers:
  openai: { kind: opnai, key: sk-secret }
  claude: { kind: anthropic, url: 5 }
models:
  chat:
    targets:
      - { provider: opnai, model: 4 }
  chat: {}
teams: {}
keys:
  - { id: a b, team: research }
timeouts: { total: 0s, idle: 1m, idle: 2m }
";
        let found = lines(text);
        let (first, others) = found.split_first().unwrap();
        // For any number of fields.
        assert!(
            first.starts_with("1: listn: found an unknown field, expected one of: admin, alerts, aliases, apps, "),
            "{first}"
        );
        assert!(first.ends_with(" more (did you mean \"listen\"?)"), "{first}");
        assert_eq!(
            others,
            [
                "3: providers.openai.key: found text, expected { env: NAME }, with the secret in that environment variable, or { file: PATH }",
                "3: providers.openai.kind: found \"opnai\", expected one of: openai, anthropic, azure, gemini, vertex, vertex-anthropic, bedrock, \
             bedrock-anthropic, cohere, deepseek, fireworks, groq, and 9 more (did you mean \
                 \"openai\"?)",
                "4: providers.claude.url: found a number, expected a base URL such as https://api.openai.com/v1",
                "6: models.chat: found \"chat\" again in line 9, first in line 6, expected each key once",
                "8: models.chat.targets[0].model: found a number, expected the provider's name for the model, such as gpt-5-mini",
                "8: models.chat.targets[0].provider: found \"opnai\", expected one of: claude, openai (did you mean \
                 \"openai\"?)",
                "10: teams: found none, expected at least one team: every key belongs to a team",
                "12: keys[0].sha256: found nothing, expected 64 hexadecimal digits, as `sluice keys new` prints them",
                "12: keys[0].id: found \"a b\", expected 1 to 64 letters, digits, and any of . _ - @",
                "13: timeouts.idle: found \"idle\" again in line 13, first in line 13, expected each key once",
                "13: timeouts.total: found \"0s\", expected a time above zero and up to 24h, such as 500ms, 30s, 5m \
                 or 1h",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_said_once() {
        let found = lines("providers: {}\nmodels: []\nkeys: x\n");
        assert_eq!(
            found,
            [
                "1: teams: found nothing, expected NAME: {}",
                "1: providers: found none, expected at least one provider",
                "2: models: found a list, expected NAME: { targets: [{ provider: NAME, model: NAME }] }",
                "3: keys: found text, expected a list: [{ id: NAME, team: NAME, sha256: HASH }], as `sluice keys new` prints it",
            ]
        );
        let found = lines("just text");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("1: found text, expected a mapping with admin, alerts, aliases, apps, "),
            "{found:?}"
        );
    }
}
