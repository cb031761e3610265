//! Checks judges, and the guardrails that use them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sluice_core::callout::Endpoint;
use sluice_core::guard::judge::spec::JudgeType;
use sluice_core::guard::judge::{Api, Judge, JudgeGuard, azure, bedrock, litellm, model_armor, openai, presidio};
use sluice_core::guard::spec::{Action, Side};
use sluice_core::matching::Match;
use sluice_core::provider::url::Url;
use sluice_core::suggest::one_of;
use sluice_wire::{calendar, json};

use crate::file;

use super::super::diagnostic::{Path, quoted};
use super::providers::is_provider_name;
use super::{Check, reference};

use JudgeType::{AzureContentSafety, Bedrock, Litellm, ModelArmor, OpenaiModeration, Presidio};

/// The compiled judges by name.
pub(super) type Judges = BTreeMap<String, Rc<Judge>>;

impl Check<'_> {
    /// Rejects a file with judges: the gateway does not ask them yet.
    pub(super) fn judges_are_not_supported_yet(&mut self) {
        let expected = "no judges: this version checks them, but does not ask them. Remove the field";
        if !self.file.judges.is_empty() {
            self.diagnostic(&Path::root().key("judges"), "a feature that is not supported yet", expected);
        }
        let file = self.file;
        for (name, _) in file.guards.iter().filter(|(_, guard)| guard.judge.is_some()) {
            let path = Path::root().key("guards").key(name).key("judge");
            self.diagnostic(&path, "a feature that is not supported yet", expected);
        }
    }

    pub(super) fn judges(&mut self) -> Judges {
        let file = self.file;
        let section = Path::root().key("judges");
        let judges = file.judges.iter();
        judges.filter_map(|(name, judge)| Some((name.clone(), self.judge(name, judge, &section.key(name))?))).collect()
    }

    fn judge(&mut self, name: &str, judge: &file::Judge, path: &Path) -> Option<Rc<Judge>> {
        if !is_provider_name(name) {
            self.diagnostic(path, quoted(name), "a name of lower-case letters, digits, _ and -, 64 at most");
        }
        self.credentials(judge.credentials(), path);
        if let Some(key) = &judge.key {
            self.secret(key, &path.key("key"));
        }
        self.fields_of_other_types(judge, path);
        let timeout = self.judge_timeout(&judge.timeout, &path.key("timeout"));
        let api = self.api(judge, path)?;
        let Some(url) = judge.url() else {
            // Without a template, that is the mistake.
            let expected = match judge.kind {
                Bedrock => "the URL of the service, or `aws` with its region".to_owned(),
                kind => format!("the URL of the service: a judge of type {} has no default URL", kind.name()),
            };
            self.diagnostic(&path.key("url"), "nothing", expected);
            return None;
        };
        match Url::parse(&url) {
            Ok(url) => {
                let server = Endpoint { authority: url.authority(), tls: url.tls, path: url.base_path };
                let cluster = file::Judge::cluster(name);
                Some(Rc::new(Judge { name: name.to_owned(), cluster, server, timeout, api }))
            }
            Err(found) => {
                self.diagnostic(&path.key("url"), found, "a URL such as http://127.0.0.1:3000");
                None
            }
        }
    }

    fn judge_timeout(&mut self, text: &str, path: &Path) -> Duration {
        let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
        let timeout = calendar::duration(text).filter(|time| bounds.contains(time));
        if timeout.is_none() {
            self.diagnostic(path, quoted(text), "a time from 10ms to 1m");
        }
        timeout.unwrap_or_default()
    }

    fn fields_of_other_types(&mut self, judge: &file::Judge, path: &Path) {
        const CATEGORIES: &[JudgeType] = &[OpenaiModeration, AzureContentSafety];
        let fields: [(&str, bool, &[JudgeType]); 14] = [
            ("aws", judge.aws.is_some(), &[Bedrock]),
            ("google", judge.google.is_some(), &[ModelArmor]),
            ("entra", judge.entra.is_some(), &[AzureContentSafety]),
            ("model", judge.model.is_some(), &[OpenaiModeration]),
            ("categories", !judge.categories.is_empty(), CATEGORIES),
            ("thresholds", !judge.thresholds.is_empty(), CATEGORIES),
            ("blocklists", !judge.blocklists.is_empty(), &[AzureContentSafety]),
            ("language", judge.language.is_some(), &[Presidio]),
            ("entities", !judge.entities.is_empty(), &[Presidio]),
            ("threshold", judge.threshold.is_some(), &[Presidio]),
            ("guardrail", judge.guardrail.is_some(), &[Bedrock]),
            ("version", judge.version.is_some(), &[Bedrock]),
            ("template", judge.template.is_some(), &[ModelArmor]),
            ("params", !judge.params.is_empty(), &[Litellm]),
        ];
        for (field, is_set, kinds) in fields {
            if is_set && !kinds.contains(&judge.kind) {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                let expected = format!("no such field: it belongs to type {}", names.join(" and "));
                self.diagnostic(
                    &path.key(field),
                    format!("a field of a judge of type {}", judge.kind.name()),
                    expected,
                );
            }
        }
    }

    fn api(&mut self, judge: &file::Judge, path: &Path) -> Option<Api> {
        Some(match judge.kind {
            OpenaiModeration => {
                let categories = self.thresholds(judge, (0.0, 1.0), "a score from 0 to 1", path);
                let model = judge.model.clone().unwrap_or_else(|| "omni-moderation-latest".to_owned());
                Api::OpenAi(openai::Settings { model, categories })
            }
            AzureContentSafety => Api::Azure(self.azure(judge, path)),
            Presidio => {
                if judge.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
                    let found = json::decimal(judge.threshold.unwrap_or_default());
                    self.diagnostic(&path.key("threshold"), found, "a score from 0 to 1");
                }
                let language = judge.language.as_deref().unwrap_or("en");
                Api::Presidio(presidio::Settings::new(language, &judge.entities, judge.threshold))
            }
            Bedrock => {
                let Some(guardrail) = judge.guardrail.as_ref().filter(|id| !id.trim().is_empty()) else {
                    self.diagnostic(&path.key("guardrail"), "nothing", "the guardrail's id or ARN");
                    return None;
                };
                let version = judge.version.as_deref().unwrap_or("DRAFT");
                if version != "DRAFT" && (version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit())) {
                    self.diagnostic(&path.key("version"), quoted(version), "a number, or DRAFT");
                }
                Api::Bedrock(bedrock::Settings::new(guardrail, version))
            }
            ModelArmor => {
                let Some(template) = judge.template.as_ref().filter(|template| is_template(template)) else {
                    let found = judge.template.as_deref().map_or("nothing".to_owned(), quoted);
                    let expected = "projects/PROJECT/locations/LOCATION/templates/TEMPLATE";
                    self.diagnostic(&path.key("template"), found, expected);
                    return None;
                };
                Api::ModelArmor(model_armor::Settings::new(template))
            }
            JudgeType::Webhook => Api::Webhook,
            JudgeType::Agentgateway => Api::Agentgateway,
            Litellm => Api::LiteLlm(litellm::Settings(
                String::from_utf8(json::written(&judge.params)).unwrap_or_else(|_| "{}".to_owned()),
            )),
        })
    }

    fn azure(&mut self, judge: &file::Judge, path: &Path) -> azure::Settings {
        let mut categories = self.thresholds(judge, (1.0, 7.0), "a severity from 1 to 7", path);
        for (name, threshold) in &categories {
            if !azure::CATEGORIES.contains(&name.as_str()) {
                let field = if threshold.is_some() { path.key("thresholds").key(name) } else { path.key("categories") };
                self.diagnostic(&field, quoted(name), one_of(name, azure::CATEGORIES));
            }
        }
        if categories.is_empty() {
            categories = azure::CATEGORIES.map(|name| (name.to_owned(), None)).into();
        }
        let categories = categories.into_iter().map(|(name, least)| (name, least.unwrap_or(azure::THRESHOLD)));
        azure::Settings::new(categories.collect(), &judge.blocklists)
    }

    /// All categories with their thresholds.
    fn thresholds(
        &mut self,
        judge: &file::Judge,
        (least, most): (f64, f64),
        expected: &str,
        path: &Path,
    ) -> Vec<(String, Option<f64>)> {
        for (name, threshold) in &judge.thresholds {
            if !(least..=most).contains(threshold) {
                self.diagnostic(&path.key("thresholds").key(name), json::decimal(*threshold), expected);
            }
        }
        let without = judge.categories.iter().filter(|name| !judge.thresholds.contains_key(*name));
        let with = judge.thresholds.iter().map(|(name, threshold)| (name.clone(), Some(*threshold)));
        without.map(|name| (name.clone(), None)).chain(with).collect()
    }

    /// A guardrail with a judge.
    pub(super) fn judge_guard(
        &mut self,
        (name, guard, matches): (&str, &file::Guard, Match),
        judges: &Judges,
        path: &Path,
    ) -> Option<Rc<JudgeGuard>> {
        let written = guard.judge.as_ref()?;
        if !guard.detect.is_empty() || !guard.patterns.is_empty() || !guard.words.is_empty() {
            let expected = "one of the two: make two guardrails";
            self.diagnostic(path, "a judge, and detect, patterns or words", expected);
        }
        let path = path.key("judge");
        let service = &written.service;
        let names = self.file.judges.keys();
        if names.len() == 0 {
            self.diagnostic(&path.key("service"), quoted(service), "a judge in `judges`, which defines none");
        }
        self.diagnostics.extend(reference(service, names, &path.key("service")));
        if written.during && guard.on.contains(&Side::Answers) {
            let expected = "`on: [prompts]`: there is no answer to judge while the provider works";
            self.diagnostic(&path.key("during"), "true, for answers", expected);
        }
        let judge = judges.get(service)?;
        let is_presidio = matches!(judge.api, Api::Presidio(_));
        let action = match guard.action {
            Action::Mask if !is_presidio => Some("no action: this judge decides itself what it masks"),
            Action::Mask if written.during => Some("block: the provider has received the prompt already"),
            Action::Log => Some("`judge: { mode: shadow }`, which logs verdicts"),
            _ => None,
        };
        if let Some(expected) = action {
            let found = if guard.action == Action::Log { "log, with a judge" } else { "mask, with a judge" };
            // The path of the guardrail, not of its judge.
            self.diagnostic(&Path::root().key("guards").key(name).key("action"), found, expected);
        }
        let mut digest = Sha256::new();
        digest.update(json::written(guard));
        digest.update(json::written(&self.file.judges.get(service)));
        Some(Rc::new(JudgeGuard {
            name: name.to_owned(),
            matches,
            sides: guard.on.clone(),
            judge: judge.clone(),
            masks: !written.during && (!is_presidio || guard.action == Action::Mask),
            on_error: written.on_error,
            mode: written.mode,
            during: written.during,
            raw: written.raw,
            digest: digest.finalize().into(),
        }))
    }
}

/// Whether it is a template's resource name, which becomes part of a path and of a host name.
fn is_template(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(good);
    let steps: Vec<&str> = text.split('/').collect();
    matches!(steps.as_slice(), ["projects", p, "locations", l, "templates", t] if [p, l, t].iter().all(|id| is_id(id)))
}

#[cfg(test)]
mod tests;
