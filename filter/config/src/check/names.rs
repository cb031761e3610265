//! Checks the section `aliases`, and the stars in model names.

use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::compiled::names::{Alias, Known, Names};
use sluice_core::routing::capabilities::Capabilities;
use sluice_core::routing::pattern::Pattern;
use sluice_core::routing::{target::Model, timeouts::Timeouts};
use sluice_core::usage::price::Price;
use sluice_wire::order;

use super::super::file;
use super::place::{Path, one_of, quoted, text};
use super::{Check, ONLY_COMPILES, alone};

impl Check<'_> {
    /// Checks that a name has at most one star.
    pub(super) fn stars(&mut self, name: &str, path: &Path) {
        if name.matches('*').count() > 1 {
            self.diagnostic(path, text!("{} with several stars", quoted(name)), "one star at most, such as claude-*");
        }
    }

    pub(super) fn aliases(&mut self) {
        if ONLY_COMPILES {
            return;
        }
        let section = Path::section("aliases");
        for (alias, name) in &self.file.aliases {
            let path = section.key(alias);
            for text in [alias, name] {
                self.model_name(text, &path);
                self.stars(text, &path);
            }
            if self.file.models.contains_key(alias) {
                self.diagnostic(&path, "a name that `models` also defines", "another name, or remove one of the two");
            }
            if name.contains('*') && !alias.contains('*') {
                let expected = "a name without a star, or a star in the alias too";
                self.diagnostic(&path, quoted(name), expected);
            } else if self.file.aliases.contains_key(name) {
                self.diagnostic(&path, text!("{}, which is an alias too", quoted(name)), "the name of a model");
            } else if !self.leads_to_a_model(name) && !self.file.models.is_empty() {
                let names = self.file.models.keys().map(String::as_str);
                self.diagnostic(&path, quoted(name), one_of(name, names));
            }
        }
    }

    fn leads_to_a_model(&self, name: &str) -> bool {
        let models = &self.file.models;
        let mut patterns = models.keys().filter_map(|model| Pattern::read(model));
        match Pattern::read(name) {
            None => models.contains_key(name) || patterns.any(|pattern| pattern.part(name).is_some()),
            Some(own) => {
                models.keys().any(|model| own.part(model).is_some()) || patterns.any(|pattern| pattern.overlaps(&own))
            }
        }
    }
}

/// Compiles aliases and patterns. Their mistakes have been reported before.
pub(super) fn names(file: &file::File, models: &BTreeMap<String, Rc<Model>>, timeouts: Timeouts) -> Names {
    let pattern = |model: &Rc<Model>| Some((model.pattern.clone()?, model.clone()));
    let mut patterns: Vec<(Pattern, Rc<Model>)> = models.values().filter_map(pattern).collect();
    let (mut aliases, mut general) = (BTreeMap::new(), Vec::new());
    for (alias, name) in &file.aliases {
        match (Pattern::read(alias), Pattern::read(name)) {
            (Some(alias), Some(name)) => general.push((alias, Alias::Filled(name))),
            (Some(alias), None) => general.push((alias, Alias::Only(name.clone()))),
            (None, _) => drop(aliases.insert(alias.clone(), name.clone())),
        }
    }
    order::by(&mut general, |(one, _), (other, _)| one.rank().cmp(&other.rank()));
    order::by(&mut patterns, |(one, _), (other, _)| one.rank().cmp(&other.rank()));
    Names { aliases, general, patterns, direct: direct(models, timeouts), known: known(file, models) }
}

/// Each target with a pattern as a model. A model with the same name takes precedence.
fn direct(models: &BTreeMap<String, Rc<Model>>, timeouts: Timeouts) -> Vec<(Pattern, Rc<Model>)> {
    let mut direct: BTreeMap<String, (Pattern, Rc<Model>)> = BTreeMap::new();
    for target in models.values().flat_map(|model| &model.targets) {
        let Some(shape) = &target.shape else { continue };
        let pattern = shape.behind(&format!("{}/", target.provider.name));
        let name = pattern.text();
        if !models.contains_key(&name) {
            let model = || (pattern.clone(), alone(target, name.clone(), Some(pattern), timeouts));
            direct.entry(name.clone()).or_insert_with(model);
        }
    }
    let mut direct: Vec<_> = direct.into_values().collect();
    order::by(&mut direct, |(one, _), (other, _)| one.rank().cmp(&other.rank()));
    direct
}

/// Prices and capabilities of models that only a target with a pattern can request.
fn known(file: &file::File, models: &BTreeMap<String, Rc<Model>>) -> BTreeMap<String, Known> {
    let general: Vec<_> = models.values().flat_map(|model| &model.targets).collect();
    let is_meant = |name: &&String| {
        let Some((provider, model)) = name.split_once('/') else { return false };
        let asks = |shape: &Pattern| shape.part(model).is_some();
        let mut general = general.iter().filter(|target| target.provider.name == provider);
        general.any(|target| target.shape.as_ref().is_some_and(asks))
    };
    let priced = file.prices.models.keys().filter(is_meant);
    let stated = file.capabilities.keys().filter(is_meant);
    let known = |name: &String| Known {
        price: file.prices.models.get(name).and_then(|price| Price::try_from(price).ok()),
        capabilities: file.capabilities.get(name).map(Capabilities::from),
    };
    let names = priced.chain(stated).filter(|name| !name.contains('*'));
    order::gathered(names.map(|name| (name.clone(), known(name))))
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::super::super::Diagnostic;
    use super::*;
    use sluice_core::compiled::CompiledConfig;

    /// Compiles a file with these models and additional fields.
    fn compile(models: &str, more: &str) -> Result<CompiledConfig, Vec<String>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}},"local":{{"kind":"ollama"}}}},"models":{{{models}}},"teams":{{"t":{{}}}},"keys":[]{more}}}"#
        );
        let file: file::File = serde_json::from_str(&text).unwrap();
        crate::compile(&file).map_err(|diagnostics| diagnostics.iter().map(Diagnostic::to_string).collect())
    }

    const TARGET: &str = r#"{"targets":[{"provider":"p","model":"*"}]}"#;

    fn diagnostics(models: &str, more: &str) -> Vec<String> {
        compile(models, more).err().unwrap_or_default()
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        let key = |models: &str| {
            let hash = "0123456789abcdef".repeat(4);
            format!(r#","keys":[{{"id":"k","team":"t","sha256":"{hash}","models":[{models}]}}]"#)
        };
        let aliases = |aliases: &str| format!(r#","aliases":{{{aliases}}}"#);
        for (models, more, expected) in [
            ("a*b*", String::new(), r#"models["a*b*"]: found "a*b*" with several stars, expected one star at most"#),
            ("m", aliases(r#""x":"n""#), r#"aliases.x: found "n", expected "m""#),
            ("m", aliases(r#""m":"m""#), "aliases.m: found a name that `models` also defines"),
            (
                "m",
                aliases(r#""x":"m","y":"x""#),
                r#"aliases.y: found "x", which is an alias too, expected the name of a model"#,
            ),
            ("m*", aliases(r#""x":"m*""#), r#"aliases.x: found "m*", expected a name without a star"#),
            ("m*", aliases(r#""x*":"n*""#), r#"aliases["x*"]: found "n*", expected "m*""#),
            ("m*", aliases(r#""x*y*":"m1""#), r#"aliases["x*y*"]: found "x*y*" with several stars"#),
            ("m", aliases(r#""a b":"m""#), r#"aliases["a b"]: found "a b", expected 1 to 256 visible"#),
            ("m*", key(r#""n*""#), r#"keys[0].models[0]: found "n*", expected a pattern that matches "m*""#),
            ("m*", key(r#""n""#), r#"keys[0].models[0]: found "n", expected "m*""#),
        ] {
            let more = more.replacen(r#","keys":"#, r#","keys_":"#, 1);
            let text = format!(
                r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"{models}":{TARGET}}},"teams":{{"t":{{}}}}{},"keys":[]}}"#,
                more
            );
            let text =
                if more.contains("keys_") { text.replace(r#","keys":[]"#, "").replace("keys_", "keys") } else { text };
            let file: file::File = serde_json::from_str(&text).unwrap();
            let found = crate::compile(&file).map(|_| ()).unwrap_err();
            assert!(found[0].to_string().starts_with(expected), "{}", found[0]);
        }
        let target = r#""m*":{"targets":[{"provider":"p","model":"a*b*"}]}"#;
        assert!(diagnostics(target, "")[0].starts_with("models[\"m*\"].targets[0].model: found \"a*b*\" with several"));
        let budget = r#","budgets":[{"budget":{"daily":1,"then_model":"m*"}}]"#;
        let pattern = format!(r#""m*":{TARGET}"#);
        let found =
            diagnostics(&pattern, &format!("{budget},\"prices\":{{\"unpriced\":{{\"input\":1,\"output\":1}}}}"));
        assert!(found[0].contains("expected the full name of a model"), "{found:?}");
    }

    #[test]
    fn names_that_a_pattern_may_lead_to_can_be_referred_to() {
        let pattern = format!(r#""m-*":{TARGET},"p/*":{TARGET}"#);
        for more in [
            r#","aliases":{"x":"m-1","x*":"m-*","y*z":"m-9","w-*":"m-x-*"}"#,
            r#","prices":{"models":{"p/m-1":{"input":1,"output":1},"p/q":{"input":1,"output":1}}}"#,
            r#","capabilities":{"p/m-1":{"vision":true},"p/*":{"tools":true}}"#,
            r#","limits":[{"match":{"model":"m-*"},"limits":{"requests_per_minute":1}}]"#,
        ] {
            assert_eq!(diagnostics(&pattern, more), [""; 0], "{more}");
        }
        let only = format!(r#""m-*":{TARGET}"#);
        let wrong = diagnostics(&only, r#","prices":{"models":{"p/n":{"input":1,"output":1}}}"#);
        assert!(wrong[0].starts_with("prices.models[\"p/n\"]: found \"p/n\", expected \"p/*\""), "{wrong:?}");
    }

    #[test]
    fn a_target_with_a_star_has_what_is_said_of_it_and_what_is_said_of_the_model_stands_before() {
        let models = r#""*":{"targets":[{"provider":"local","model":"*"}]}"#;
        let prices = r#","prices":{"models":{"local/*":{"input":0,"output":0},"local/big":{"input":1,"output":2}}},
            "capabilities":{"local/*":{"vision":false},"local/big":{"vision":true}}"#;
        let config = compile(models, prices).unwrap();
        let target = |name: &str| config.find(name, false).unwrap().model.targets[0].clone();
        assert_eq!(target("small").price.unwrap().plain.output.0, 0);
        assert_eq!(target("big").price.unwrap().plain.output.0, 2_000_000);
        assert_eq!(target("small").capabilities.vision, Some(false));
        assert_eq!(target("big").capabilities.vision, Some(true));
        assert_eq!(target("ft:big:me").name, "local/ft:big:me");
    }

    #[test]
    fn a_budget_before_a_pattern_without_any_price_is_a_mistake() {
        let models = r#""*":{"targets":[{"provider":"local","model":"*"}]}"#;
        let hash = "0123456789abcdef".repeat(4);
        let compile = |prices: &str| {
            let text = format!(
                r#"{{"providers":{{"local":{{"kind":"ollama"}}}},"models":{{{models}}},"teams":{{"t":{{"budget":{{"daily":1}}}}}},
                    "keys":[{{"id":"k","team":"t","sha256":"{hash}","models":["llama*"]}}]{prices}}}"#
            );
            crate::compile(&serde_json::from_str(&text).unwrap()).map(|_| ())
        };
        let found = compile("").unwrap_err();
        assert!(
            found[0].to_string().contains("no price for \"local/*\", but teams.t.budget applies to it"),
            "{found:?}"
        );
        assert_eq!(compile(r#","prices":{"models":{"local/llama3":{"input":0,"output":0}}}"#), Ok(()));
        assert_eq!(compile(r#","prices":{"models":{"local/*":{"input":0,"output":0}}}"#), Ok(()));
    }
}
