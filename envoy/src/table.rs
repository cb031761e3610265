//! The table of models that comes with the command: it fills in what the gateway file leaves out of prices and capabilities,
//! so that the filter, which carries no table, is given all it needs of its targets and nothing of others.
//!
//! What the file says of a model stands: a price as a whole, of capabilities each by itself. For the rest the provider's name
//! in the table decides, which is its `prices` or follows from its host; a host that is not known has nothing in the table, for
//! whatever listens there is not who the table means.

use std::collections::BTreeMap;

use sluice_core::config::Mistake;
use sluice_core::config::file::{Capabilities, File, Price, Provider};
use sluice_core::config::kind::{Kind, Row};
use sluice_core::config::mistake::{Path, quoted};
use sluice_core::config::suggest::one_of;
use sluice_core::config::url::Url;

mod row;

/// Columns are named in its head; where it comes from, of which day it is, and what was left out, too.
const TABLE: &str = include_str!("../data/prices.tsv");

/// Hosts that are one of the table's providers and of no kind of its own. What begins with a dot or a hyphen stands for any
/// host that ends so.
const HOSTS: &[(&str, &str)] = &[(".services.ai.azure.com", "azure_ai")];

/// Gives every target that has no price in the file the table's, if there is one, and its capabilities where the file does not
/// state them. A provider's `prices` that the table does not know is a mistake.
pub fn resolve(file: &mut File) -> Vec<Mistake> {
    let table = Table::read(TABLE);
    let mut mistakes = Vec::new();
    for (name, provider) in &file.providers {
        if let Some(found) = provider.prices.as_deref().filter(|found| !table.0.contains_key(found)) {
            let path = Path::root().key("providers").key(name).key("prices");
            let expected = one_of(found, table.0.keys().copied());
            mistakes.push(Mistake { path: path.to_string(), found: quoted(found), expected });
        }
    }
    for target in file.models.values().flat_map(|model| &model.targets) {
        let Some(provider) = file.providers.get(&target.provider) else { continue };
        let Some(known) = table_name(provider).and_then(|name| table.model(name, &target.model)) else { continue };
        let name = target.price_name();
        if known.capabilities != Capabilities::default() {
            let stated = file.capabilities.entry(name.clone()).or_default();
            *stated = stated.over(known.capabilities);
        }
        file.prices.models.entry(name).or_insert_with(|| known.price.clone());
    }
    mistakes
}

/// Under what name the table has a provider.
fn table_name(provider: &Provider) -> Option<&str> {
    if let Some(name) = &provider.prices {
        return Some(name);
    }
    let host = Url::parse(provider.url()?).ok()?.host;
    let is = |known: &str| host == known || (known.starts_with(['.', '-']) && host.ends_with(known));
    known_hosts().find(|(known, _)| is(known)).map(|(_, name)| name)
}

/// The hosts of the kinds that the table has, and the others.
fn known_hosts() -> impl Iterator<Item = (String, &'static str)> {
    let of_kinds = Kind::all().flat_map(|kind| {
        let Row { url, hosts, prices, .. } = kind.row();
        let own = url.and_then(|url| Url::parse(url).ok()).map(|url| url.host);
        let hosts = own.into_iter().chain(hosts.iter().map(|host| (*host).to_owned()));
        hosts.filter_map(|host| Some((host, (*prices)?)))
    });
    of_kinds.chain(HOSTS.iter().map(|(host, name)| ((*host).to_owned(), *name)))
}

/// What the table says of a model.
#[derive(Debug, PartialEq)]
struct Known {
    price: Price,
    capabilities: Capabilities,
}

/// The table, read: models by their providers.
struct Table<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Known>>);

impl<'a> Table<'a> {
    fn read(text: &'a str) -> Self {
        let mut providers = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (provider, model, known) in rows(text).filter_map(row::read) {
            providers.entry(provider).or_default().insert(model, known);
        }
        Self(providers)
    }

    /// A model. One that was tuned by the customer, `ft:gpt-4.1-2025-04-14:me::id`, is as its kind.
    fn model(&self, provider: &str, model: &str) -> Option<&Known> {
        let models = self.0.get(provider)?;
        models.get(model).or_else(|| {
            let (kind, _) = model.strip_prefix("ft:")?.split_once(':')?;
            models.get(model.get(.."ft:".len() + kind.len())?)
        })
    }
}

/// What follows the comments and the columns' names.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#')).skip(1)
}

#[cfg(test)]
mod tests {
    use sluice_core::config::Gateway;
    use sluice_core::usage;

    use super::*;

    fn file(providers: &str, targets: &str) -> File {
        let json = format!(
            r#"{{"providers": {{{providers}}}, "models": {{"m": {{"targets": [{targets}]}}}},
                "teams": {{"t": {{}}}}, "keys": []}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn priced(mut file: File) -> Vec<String> {
        assert_eq!(resolve(&mut file), []);
        assert!(Gateway::compile(&file).is_ok());
        file.prices.models.into_keys().collect()
    }

    #[test]
    fn every_row_is_read_and_could_stand_in_a_gateway_file() {
        let table = Table::read(TABLE);
        let names = TABLE.lines().find(|line| !line.starts_with('#')).unwrap();
        assert!(names.starts_with("provider\tmodel\tinput\toutput\tcached_input\tcache_write\treasoning\tper_image\t"));
        assert_eq!(names.split('\t').count(), 12);
        let mut before = "";
        for line in rows(TABLE) {
            assert_eq!(line.split('\t').count(), 12, "{line}");
            assert!(line > before, "sorted, none twice: {line}");
            before = line;
            let (provider, model, known) = row::read(line).unwrap();
            assert_eq!(table.model(provider, model), Some(&known), "{line}");
            usage::price::Price::try_from(&known.price).unwrap();
            assert!(known.price.input > 0.0, "free and unknown are not told apart: {line}");
            assert_ne!(known.capabilities.max_input, Some(0), "{line}");
        }
        assert_eq!(table.0.values().map(BTreeMap::len).sum::<usize>(), rows(TABLE).count());
        assert!(TABLE.lines().next().unwrap().ends_with("read 2026-11-22."));
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
        // They see, call tools and read documents, and their rows forgot it.
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
        assert_eq!(resolve(&mut file), []);
        assert_eq!(file.prices.models["openai/gpt-5"], own);
        let names: Vec<&str> = file.prices.models.keys().map(String::as_str).collect();
        assert_eq!(names, ["claude/claude-haiku-4-5", "openai/gpt-4.1", "openai/gpt-5", "proxy/claude-haiku-4-5"]);
        let gateway = Gateway::compile(&file).unwrap();
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
        assert_eq!(resolve(&mut file), []);
        assert_eq!(file.capabilities.keys().collect::<Vec<_>>(), ["openai/gpt-5"], "of the others nothing is known");
        let filled = file.capabilities["openai/gpt-5"];
        assert_eq!((filled.max_input, filled.vision), (own.max_input, own.vision));
        assert_eq!((filled.tools, filled.parallel_tools, filled.reasoning), (Some(true), Some(true), Some(true)));
        let gateway = Gateway::compile(&file).unwrap();
        let targets = &gateway.models["m"].targets;
        assert_eq!((targets[0].capabilities.tools, targets[0].capabilities.vision), (Some(true), Some(false)));
        assert!(targets[1..].iter().all(|target| target.capabilities == Default::default()));
    }

    #[test]
    fn a_name_that_the_table_does_not_have_is_a_mistake() {
        let mut file = file(r#""p": {"kind": "openai", "prices": "opnai"}"#, r#"{"provider": "p", "model": "gpt-5"}"#);
        let mistakes: Vec<String> = resolve(&mut file).iter().map(Mistake::to_string).collect();
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].starts_with("providers.p.prices: found \"opnai\", expected one of: anthropic, azure,"));
        assert!(mistakes[0].ends_with("(did you mean \"openai\"?)"), "{mistakes:?}");
    }
}
