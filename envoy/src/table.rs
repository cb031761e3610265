//! The model table that ships with the command. It fills in prices and capabilities that the gateway file omits, so that the filter, which
//! contains no table, receives the data of its own targets only.
//!
//! The gateway file takes precedence: for prices as a whole, for capabilities per field. Otherwise the provider's name in the table
//! decides, which is its `prices` or follows from its host. An unknown host has no entries, since it may serve other models under the same
//! names. Rows of the operator's own table (`prices.file`) override the command's table.

use std::collections::BTreeMap;
use std::path;

use sluice_config::Diagnostic;
use sluice_config::diagnostic::{Path, quoted};
use sluice_config::file::{Capabilities, File, Price, Provider};
use sluice_core::provider::kind::{Kind, Row};
use sluice_core::provider::url::Url;
use sluice_core::routing::pattern::{Pattern, shape};
use sluice_core::routing::spec::ModelKind;
use sluice_core::suggest::one_of;

mod litellm;
mod own;
mod released;
mod row;

use own::Own;
use row::Columns;

/// The column names are in its header; so are its source, its date, and what it omits.
const TABLE: &str = include_str!("../data/prices.tsv");

/// Hosts of table providers that have no kind of their own. A leading dot or hyphen matches any host with that suffix.
const HOSTS: &[(&str, &str)] = &[(".services.ai.azure.com", "azure_ai")];

/// Completes the gateway file from the tables: replaces stars by names where only one name is possible, and adds prices and capabilities
/// that the file does not set. Rows of `prices.file`, read from `base`, override the command's table. Returns the mistakes in that table
/// and in providers' `prices`, and a description of the table.
///
/// A target with a pattern receives all of its provider's models that match it.
pub fn resolve(file: &mut File, base: &path::Path) -> (Vec<Diagnostic>, String) {
    file.name_targets();
    let mut table = Table::read(TABLE);
    let mut diagnostics = Vec::new();
    // The filter does not need a local path.
    let name = file.prices.file.take();
    let own = name.as_deref().map(|name| own::read(&base.join(name), &known_providers(&table, file)));
    let own = own.unwrap_or_else(|| Ok(Own::default())).unwrap_or_else(|faults| {
        let path = Path::root().key("prices").key("file").to_string();
        let diagnostic = |(found, expected)| Diagnostic { path: path.clone(), found, expected };
        diagnostics.extend(faults.into_iter().map(diagnostic));
        Own::default()
    });
    table.overrule(&own);
    let about = match name {
        Some(name) => {
            format!("{name} (models: {}; {}), overriding the built-in table of {}", own.rows.len(), own.words, date())
        }
        None => format!("the built-in table of {}", date()),
    };
    for (name, provider) in &file.providers {
        if let Some(found) = provider.prices.as_deref().filter(|found| !table.0.contains_key(found)) {
            let path = Path::root().key("providers").key(name).key("prices");
            let expected = one_of(found, table.0.keys().copied());
            diagnostics.push(Diagnostic { path: path.to_string(), found: quoted(found), expected });
        }
    }
    for (name, known) in meant(file, &table) {
        if known.capabilities != Capabilities::default() {
            let stated = file.capabilities.entry(name.clone()).or_default();
            *stated = stated.over(known.capabilities);
        }
        file.prices.models.entry(name).or_insert_with(|| known.price.clone());
    }
    (diagnostics, about)
}

/// The table's entry of every model that a target requests or may request, by `provider/model`.
fn meant<'t>(file: &File, table: &'t Table<'_>) -> Vec<(String, &'t Known)> {
    let mut meant = Vec::new();
    for (name, model) in &file.models {
        let pattern = Pattern::read(name);
        for target in &model.targets {
            let Some(of) = file.providers.get(&target.provider).and_then(table_name) else { continue };
            let asks = pattern.as_ref().and_then(|pattern| shape(pattern, &target.provider, &target.model));
            let Some(asks) = asks else {
                meant.extend(table.model(of, &target.model).map(|known| (target.price_name(), known)));
                continue;
            };
            let fitting = table.0.get(of).into_iter().flatten().filter(|(model, _)| asks.part(model).is_some());
            meant.extend(fitting.map(|(model, known)| (format!("{}/{model}", target.provider), known)));
        }
    }
    meant
}

/// The providers that an operator's table may contain: those of the command's table and of the gateway file.
fn known_providers<'a>(table: &Table<'a>, file: &'a File) -> Vec<&'a str> {
    let named = file.providers.values().filter_map(|provider| provider.prices.as_deref());
    let mut all: Vec<&str> = table.0.keys().copied().chain(named).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The names of a provider's models in the command's table; none for an unknown provider.
pub fn known_models(provider: &Provider) -> Vec<&'static str> {
    let mut table = Table::read(TABLE);
    let models = table_name(provider).and_then(|name| table.0.remove(name));
    models.into_iter().flat_map(BTreeMap::into_keys).collect()
}

/// The date of the command's table.
pub fn date() -> &'static str {
    let first = TABLE.lines().next().unwrap_or_default();
    first.rsplit(' ').next().unwrap_or_default().trim_end_matches('.')
}

/// A provider's name in the table.
fn table_name(provider: &Provider) -> Option<&str> {
    if let Some(name) = &provider.prices {
        return Some(name);
    }
    let host = Url::parse(provider.url()?).ok()?.host;
    let is = |known: &str| host == known || (known.starts_with(['.', '-']) && host.ends_with(known));
    known_hosts().find(|(known, _)| is(known)).map(|(_, name)| name)
}

/// The hosts of the kinds that the table contains, and the others.
fn known_hosts() -> impl Iterator<Item = (String, &'static str)> {
    let of_kinds = Kind::all().flat_map(|kind| {
        let Row { url, hosts, prices, .. } = kind.row();
        let own = url.and_then(|url| Url::parse(url).ok()).map(|url| url.host);
        let hosts = own.into_iter().chain(hosts.iter().map(|host| (*host).to_owned()));
        hosts.filter_map(|host| Some((host, (*prices)?)))
    });
    of_kinds.chain(HOSTS.iter().map(|(host, name)| ((*host).to_owned(), *name)))
}

/// The table's data of one model.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    price: Price,
    capabilities: Capabilities,
}

/// A provider, a model and its data.
type Listed = (String, String, Known);

/// The parsed table: models by provider.
struct Table<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Known>>);

impl<'a> Table<'a> {
    fn read(text: &'a str) -> Self {
        let mut table = Self(BTreeMap::new());
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let Some(Ok(columns)) = lines.next().map(Columns::read) else { return table };
        for (provider, model, mut known) in lines.filter_map(|line| columns.row(line).ok()) {
            // The table lists only chat models and embeddings, and only embeddings have no output price.
            let is_embedding = known.price.output == 0.0;
            known.capabilities.kind = Some(if is_embedding { ModelKind::Embedding } else { ModelKind::Chat });
            table.0.entry(provider).or_default().insert(model, known);
        }
        released::date_all(table.0.values_mut());
        table
    }

    /// Overrides rows with those of an operator's table. Fields without a column in the new table keep their values.
    fn overrule(&mut self, own: &'a Own) {
        for (provider, model, known) in &own.rows {
            let models = self.0.entry(provider).or_default();
            let mut known = known.clone();
            if let Some(before) = models.get(model.as_str()) {
                let silent = |name| own.silent.contains(&name);
                if silent("max_output") {
                    known.price.max_output = before.price.max_output;
                }
                if silent("capabilities") {
                    let max_input = known.capabilities.max_input;
                    known.capabilities = Capabilities { max_input, ..before.capabilities };
                }
                if silent("max_input") {
                    known.capabilities.max_input = before.capabilities.max_input;
                }
                known.capabilities.kind = known.capabilities.kind.or(before.capabilities.kind);
                known.capabilities.created = before.capabilities.created;
            }
            models.insert(model, known);
        }
    }

    /// Looks up a model. A fine-tuned model, `ft:gpt-4.1-2025-04-14:me::id`, has its base model's entry.
    fn model(&self, provider: &str, model: &str) -> Option<&Known> {
        let models = self.0.get(provider)?;
        models.get(model).or_else(|| {
            let (kind, _) = model.strip_prefix("ft:")?.split_once(':')?;
            models.get(model.get(.."ft:".len() + kind.len())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use sluice_config::file::TierPrice;

    use sluice_core::usage;

    use super::*;

    fn file(providers: &str, targets: &str) -> File {
        let json = format!(
            r#"{{"providers": {{{providers}}}, "models": {{"m": {{"targets": [{targets}]}}}},
                "teams": {{"t": {{}}}}, "keys": []}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn resolved(file: &mut File) -> Vec<String> {
        resolve(file, path::Path::new("")).0.iter().map(Diagnostic::to_string).collect()
    }

    fn priced(mut file: File) -> Vec<String> {
        assert_eq!(resolved(&mut file), [""; 0]);
        assert!(sluice_config::compile(&file).is_ok());
        file.prices.models.into_keys().collect()
    }

    #[test]
    fn a_pattern_is_given_what_its_names_may_be_and_nothing_else() {
        let text = r#"{"providers":{"anthropic":{"kind":"anthropic"},"openai":{"kind":"openai"},"mine":{"kind":"openai","url":"http://127.0.0.1:1/v1"}},
            "models":{"claude-haiku-*":{"targets":[{"provider":"anthropic","model":"*"},{"provider":"mine","model":"*"}]},
                      "gpt-5-mini":{"targets":[{"provider":"openai","model":"*"}]}},
            "teams":{"t":{}},"keys":[]}"#;
        let mut file: File = serde_json::from_str(text).unwrap();
        assert_eq!(resolved(&mut file), [""; 0]);
        assert_eq!(file.models["gpt-5-mini"].targets[0].model, "gpt-5-mini");
        let names: Vec<&String> = file.prices.models.keys().collect();
        assert!(names.iter().any(|name| *name == "anthropic/claude-haiku-4-5-20251001"), "{names:?}");
        let meant = |name: &&String| name.starts_with("anthropic/claude-haiku-") || *name == "openai/gpt-5-mini";
        assert!(names.iter().all(meant), "{names:?}");
        let gateway = sluice_config::compile(&file).unwrap();
        let target = gateway.find("claude-haiku-4-5-20251001", false).unwrap().model.targets[0].clone();
        assert!(target.price.is_some() && target.capabilities.max_input.is_some());
        let other = gateway.find("claude-haiku-0", false).unwrap().model.targets[0].clone();
        assert!(other.price.is_none() && other.capabilities.max_input.is_none());
    }

    #[test]
    fn every_row_is_read_and_could_stand_in_a_gateway_file() {
        let table = Table::read(TABLE);
        let lines = || TABLE.lines().filter(|line| !line.starts_with('#'));
        let columns = Columns::read(lines().next().unwrap()).unwrap();
        let mut before = "";
        for line in lines().skip(1) {
            assert!(line > before, "sorted, none twice: {line}");
            before = line;
            let (provider, model, known) = columns.row(line).unwrap();
            let read = table.model(provider, model).unwrap();
            let Capabilities { kind, created, .. } = read.capabilities;
            let capabilities = Capabilities { kind, created, ..known.capabilities };
            assert_eq!(*read, Known { capabilities, ..known.clone() }, "{line}");
            assert!(kind.is_some(), "{line}");
            usage::price::Price::try_from(&known.price).unwrap();
            assert!(known.price.input > 0.0, "free and unknown are not told apart: {line}");
            assert_ne!(known.capabilities.max_input, Some(0), "{line}");
        }
        assert_eq!(table.0.values().map(BTreeMap::len).sum::<usize>(), lines().count() - 1);
        assert_eq!(date(), "2026-11-22");
    }

    #[test]
    fn known_models_have_the_prices_they_are_known_for() {
        let table = Table::read(TABLE);
        let price = |provider, model| {
            let Price { input, output, cached_input, cache_write, max_output, .. } =
                table.model(provider, model).unwrap_or_else(|| panic!("{provider} {model}")).price;
            (input, output, cached_input, cache_write, max_output)
        };
        assert_eq!(price("openai", "gpt-4.1"), (2.0, 8.0, Some(0.5), None, Some(32_768)));
        assert_eq!(price("openai", "gpt-5-mini"), (0.25, 2.0, Some(0.025), None, Some(128_000)));
        assert_eq!(price("anthropic", "claude-sonnet-4-5"), (3.0, 15.0, Some(0.3), Some(3.75), Some(64_000)));
        assert_eq!(price("anthropic", "claude-haiku-4-5"), (1.0, 5.0, Some(0.1), Some(1.25), Some(64_000)));
        assert_eq!(price("groq", "openai/gpt-oss-20b"), (0.075, 0.3, Some(0.0375), None, Some(65_536)));
        assert_eq!(price("azure", "gpt-4o"), (2.5, 10.0, Some(1.25), None, Some(16_384)));
        assert_eq!(price("openai", "text-embedding-3-small"), (0.02, 0.0, None, None, None));
        assert_eq!(price("openai", "ft:gpt-4.1-2025-04-14:me::id"), price("openai", "ft:gpt-4.1-2025-04-14"));
        assert_eq!(table.model("openai", "ft:gpt-4.1-nonsense:me::id"), None);
        assert_eq!(table.model("anthropic", "gpt-4.1"), None);
    }

    #[test]
    fn known_models_have_the_surcharges_they_are_known_for() {
        let table = Table::read(TABLE);
        let price =
            |provider, model| &table.model(provider, model).unwrap_or_else(|| panic!("{provider} {model}")).price;
        let gpt = price("openai", "gpt-5");
        let tier = |tier: Option<TierPrice>| tier.map(|tier| (tier.input, tier.output, tier.cached_input));
        assert_eq!(tier(gpt.service_tiers.priority), Some((Some(2.5), Some(20.0), Some(0.25))));
        assert_eq!(tier(gpt.service_tiers.flex), Some((Some(0.625), Some(5.0), Some(0.0625))));
        assert_eq!((gpt.cache_write_1h, gpt.per_call.web_search), (None, Some(0.01)));
        let claude = price("anthropic", "claude-sonnet-4-5");
        assert_eq!((claude.cache_write_1h, claude.per_call.web_search), (Some(6.0), Some(0.01)));
        assert_eq!((claude.service_tiers.priority, claude.service_tiers.flex), (None, None));
    }

    #[test]
    fn known_models_can_do_what_they_are_known_for() {
        let table = Table::read(TABLE);
        let says = |provider, model| {
            let known = table.model(provider, model).unwrap_or_else(|| panic!("{provider} {model}")).capabilities;
            let Capabilities { max_input, tools, vision, structured_output, audio, documents, .. } = known;
            (max_input, [tools, vision, structured_output, audio, documents])
        };
        let (yes, no, open) = (Some(true), Some(false), None);
        assert_eq!(says("openai", "gpt-5-mini"), (Some(272_000), [yes, yes, yes, no, yes]));
        assert_eq!(says("openai", "gpt-4.1"), (Some(1_047_576), [yes, yes, yes, no, yes]));
        assert_eq!(says("openai", "gpt-3.5-turbo"), (Some(16_385), [yes, no, no, no, no]));
        assert_eq!(says("openai", "gpt-audio"), (Some(128_000), [yes, no, no, yes, no]));
        assert_eq!(says("openai", "o3-mini"), (Some(200_000), [yes, no, yes, no, no]));
        assert_eq!(says("anthropic", "claude-sonnet-4-5"), (Some(200_000), [yes, yes, yes, no, yes]));
        assert_eq!(says("groq", "openai/gpt-oss-20b"), (Some(131_072), [yes, no, yes, open, open]));
        assert_eq!(says("deepseek", "deepseek-reasoner"), (Some(131_072), [no, no, yes, no, open]));
        assert_eq!(says("vertex_ai", "gemini-2.5-pro"), (Some(1_048_576), [yes, yes, yes, yes, yes]));
        // These models support images, tools and documents, but their rows do not say so.
        assert_eq!(says("bedrock", "mistral.pixtral-large-2502-v1:0"), (Some(128_000), [yes, open, open, open, open]));
        assert_eq!(says("azure", "gpt-5.2-chat"), (Some(111_616), [yes, open, yes, open, open]));
        assert_eq!(says("openai", "ft:gpt-4.1-2025-04-14:me::id"), (Some(1_047_576), [yes, open, yes, open, open]));
        assert_eq!(says("openai", "gpt-5.5-cyber"), (None, [open; 5]));
        assert_eq!(says("together_ai", "Qwen/Qwen3-VL-8B-Instruct"), (Some(262_144), [open; 5]));
    }

    #[test]
    fn every_known_host_is_in_the_table() {
        let table = Table::read(TABLE);
        for (host, name) in known_hosts() {
            assert!(table.0.contains_key(name), "{host}");
        }
    }

    #[test]
    fn a_kind_is_priced_without_another_word_and_not_where_another_server_stands_in() {
        for (provider, model, priced_as) in [
            (r#""kind": "groq""#, "openai/gpt-oss-20b", &["p/openai/gpt-oss-20b"][..]),
            (r#""kind": "mistral""#, "codestral-latest", &["p/codestral-latest"]),
            (r#""kind": "groq", "url": "http://127.0.0.1:9000/v1""#, "openai/gpt-oss-20b", &[]),
            (
                r#""kind": "groq", "url": "http://127.0.0.1:9000/v1", "prices": "groq""#,
                "openai/gpt-oss-20b",
                &["p/openai/gpt-oss-20b"],
            ),
            (r#""kind": "ollama""#, "gpt-4o", &[]),
        ] {
            let target = format!(r#"{{"provider": "p", "model": "{model}"}}"#);
            assert_eq!(priced(file(&format!(r#""p": {{{provider}}}"#), &target)), priced_as, "{provider}");
        }
    }

    #[test]
    fn public_services_are_known_by_their_hosts() {
        let one = |url: &str, model: &str| {
            let provider = format!(r#""p": {{"kind": "openai", "url": "{url}"}}"#);
            priced(file(&provider, &format!(r#"{{"provider": "p", "model": "{model}"}}"#)))
        };
        for (url, model) in [
            ("https://api.openai.com/v1", "gpt-5"),
            ("https://API.openai.com:443/v1", "gpt-5"),
            ("https://api.groq.com/openai/v1", "openai/gpt-oss-20b"),
            ("https://some-name.openai.azure.com/openai/v1", "gpt-4o"),
            ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
            ("https://europe-west1-aiplatform.googleapis.com/v1", "gemini-2.5-flash"),
        ] {
            assert_eq!(one(url, model), [format!("p/{model}")], "{url}");
        }
        for url in [
            "http://127.0.0.1:9000/v1",
            "https://api.openai.com.example.com/v1",
            "https://api.openai.community/v1",
            "https://openai.azure.com/v1",
            "https://evil-api.openai.com/v1",
        ] {
            assert_eq!(one(url, "gpt-4o"), [""; 0], "{url}");
        }
        assert_eq!(one("https://api.openai.com/v1", "no-such-model"), [""; 0]);
    }

    #[test]
    fn what_the_file_says_stands_and_nothing_else_is_added() {
        let providers = r#""openai": {"kind": "openai"}, "claude": {"kind": "anthropic"},
            "proxy": {"kind": "openai", "url": "http://127.0.0.1:9000", "prices": "anthropic"}"#;
        let targets = r#"{"provider": "openai", "model": "gpt-5"}, {"provider": "openai", "model": "gpt-4.1"},
            {"provider": "claude", "model": "claude-haiku-4-5"}, {"provider": "proxy", "model": "claude-haiku-4-5"}"#;
        let mut file = file(providers, targets);
        let own = Price { input: 7.0, output: 8.0, ..Price::default() };
        file.prices.models.insert("openai/gpt-5".into(), own.clone());
        assert_eq!(resolved(&mut file), [""; 0]);
        assert_eq!(file.prices.models["openai/gpt-5"], own);
        let names: Vec<&str> = file.prices.models.keys().map(String::as_str).collect();
        assert_eq!(names, ["claude/claude-haiku-4-5", "openai/gpt-4.1", "openai/gpt-5", "proxy/claude-haiku-4-5"]);
        let gateway = sluice_config::compile(&file).unwrap();
        assert!(gateway.models["m"].targets.iter().all(|target| target.price.is_some()));
    }

    #[test]
    fn what_the_file_states_of_a_capability_stands_and_the_table_says_the_rest() {
        let providers = r#""openai": {"kind": "openai"}, "local": {"kind": "openai", "url": "http://127.0.0.1:9000"}"#;
        let targets = r#"{"provider": "openai", "model": "gpt-5"}, {"provider": "openai", "model": "gpt-0"},
            {"provider": "local", "model": "gpt-5"}"#;
        let mut file = file(providers, targets);
        let own = Capabilities { max_input: Some(100_000), vision: Some(false), ..Capabilities::default() };
        file.capabilities.insert("openai/gpt-5".into(), own);
        file.prices.models.insert("openai/gpt-5".into(), Price { input: 7.0, ..Price::default() });
        assert_eq!(resolved(&mut file), [""; 0]);
        assert_eq!(file.capabilities.keys().collect::<Vec<_>>(), ["openai/gpt-5"], "of the others nothing is known");
        let filled = file.capabilities["openai/gpt-5"];
        assert_eq!((filled.max_input, filled.vision), (own.max_input, own.vision));
        assert_eq!((filled.tools, filled.parallel_tools, filled.reasoning), (Some(true), Some(true), Some(true)));
        let gateway = sluice_config::compile(&file).unwrap();
        let targets = &gateway.models["m"].targets;
        assert_eq!((targets[0].capabilities.tools, targets[0].capabilities.vision), (Some(true), Some(false)));
        assert!(targets[1..].iter().all(|target| target.capabilities == Default::default()));
    }

    #[test]
    fn a_name_that_the_table_does_not_have_is_a_mistake() {
        let mut file = file(r#""p": {"kind": "openai", "prices": "opnai"}"#, r#"{"provider": "p", "model": "gpt-5"}"#);
        let diagnostics = resolved(&mut file);
        assert_eq!(diagnostics.len(), 1);
        assert!(diagnostics[0].starts_with("providers.p.prices: found \"opnai\", expected one of: anthropic, azure,"));
        assert!(diagnostics[0].ends_with("(did you mean \"openai\"?)"), "{diagnostics:?}");
    }

    const GPT: &str = r#""openai": {"kind": "openai"}, "mine": {"kind": "vllm", "prices": "mine"}"#;
    const TARGETS: &str = r#"{"provider": "openai", "model": "gpt-5"}, {"provider": "openai", "model": "gpt-4.1"},
        {"provider": "openai", "model": "gpt-99"}, {"provider": "mine", "model": "m"}"#;

    /// The file, with an operator's table next to it.
    fn with_table(text: &str) -> (File, Vec<String>, String) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("own.tsv"), text).unwrap();
        let mut file = file(GPT, TARGETS);
        file.prices.file = Some("own.tsv".into());
        file.prices.models.insert("openai/gpt-4.1".into(), Price { input: 7.0, ..Price::default() });
        let (diagnostics, about) = resolve(&mut file, directory.path());
        (file, diagnostics.iter().map(Diagnostic::to_string).collect(), about)
    }

    #[test]
    fn an_operators_table_stands_over_the_commands_and_below_the_gateway_file() {
        let table = "# Ours\nprovider\tmodel\tinput\toutput\nopenai\tgpt-5\t90\t91\nopenai\tgpt-4.1\t92\t93\n\
                     openai\tgpt-99\t94\t95\nmine\tm\t96\t97\nopenai\tunused\t1\t1\n";
        let (file, diagnostics, about) = with_table(table);
        assert_eq!(diagnostics, [""; 0]);
        let price = |name: &str| (file.prices.models[name].input, file.prices.models[name].output);
        assert_eq!(
            [price("openai/gpt-5"), price("openai/gpt-99"), price("mine/m")],
            [(90.0, 91.0), (94.0, 95.0), (96.0, 97.0)]
        );
        assert_eq!(price("openai/gpt-4.1"), (7.0, 0.0), "what the gateway file says stands");
        assert_eq!(file.prices.models.len(), 4);
        // The price is replaced as a whole; fields without a column are kept.
        let gpt = &file.prices.models["openai/gpt-5"];
        assert_eq!((gpt.cached_input, gpt.max_output), (None, Some(128_000)));
        assert_eq!(file.capabilities["openai/gpt-5"].max_input, Some(272_000));
        assert_eq!(file.capabilities["openai/gpt-5"].tools, Some(true));
        assert_eq!(file.prices.file, None);
        assert!(about.starts_with("own.tsv (models: 5; \"Ours\"; changed 20"), "{about}");
        assert!(about.ends_with("), overriding the built-in table of 2026-11-22"), "{about}");
    }

    #[test]
    fn what_is_wrong_with_an_operators_table_stands_where_the_gateway_file_names_it() {
        let (file, diagnostics, _) = with_table("provider\tmodel\tinput\toutput\nopnai\tgpt-5\t1\t2\n");
        // Then the cost of `mine` is unknown.
        assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
        assert!(
            diagnostics[0].starts_with("prices.file: found \"opnai\" (own.tsv, line 2, provider), expected one of: ")
        );
        assert!(diagnostics[1].starts_with("providers.mine.prices: found \"mine\""));
        assert_eq!(file.prices.models["openai/gpt-5"].input, 1.25, "the command's");
    }
}
