//! Checks judges as a person writes them, and compiles them.

use std::time::Duration;

use sluice_core::callout::Endpoint;
use sluice_core::guard::judge::spec::JudgeType;
use sluice_core::guard::judge::{Api, Category, Judge, azure, bedrock, litellm, model_armor, openai, presidio};
use sluice_core::provider::url::Url;
use sluice_core::suggest::one_of;
use sluice_core::usage::price::Rate;
use sluice_wire::{calendar, json};

use crate::diagnostic::{Path, quoted};
use crate::file;

use super::super::Check;
use super::super::providers::is_provider_name;
use super::read;

use JudgeType::{AzureContentSafety, Bedrock, Litellm, ModelArmor, OpenaiModeration, Presidio};

/// The most retries of a call.
const MOST_RETRIES: u32 = 5;

impl Check<'_> {
    pub(super) fn judge(&mut self, name: &str, judge: &file::Judge, path: &Path) -> Option<Judge> {
        if let Some(rendered) = &judge.rendered {
            return read(name, rendered);
        }
        if !is_provider_name(name) {
            self.diagnostic(path, quoted(name), "a name of lower-case letters, digits, _ and -, 64 at most");
        }
        self.credentials(judge.credentials(), path);
        if let Some(key) = &judge.key {
            self.secret(key, &path.key("key"));
        }
        self.fields_of_other_types(judge, path);
        let timeout = self.judge_timeout(&judge.timeout, &path.key("timeout"));
        if judge.retries > MOST_RETRIES {
            self.diagnostic(&path.key("retries"), judge.retries.to_string(), "a number from 0 to 5");
        }
        let price = judge.price.and_then(|dollars| {
            let price = Rate::from_dollars_per_million(dollars);
            if price.is_none() {
                self.diagnostic(&path.key("price"), json::decimal(dollars), "US dollars per million characters");
            }
            price
        });
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
                Some(Judge {
                    name: name.to_owned(),
                    cluster,
                    server,
                    timeout,
                    retries: judge.retries.into(),
                    price,
                    api,
                })
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
        azure::Settings::new(categories, &judge.blocklists)
    }

    /// All categories with their thresholds.
    fn thresholds(
        &mut self,
        judge: &file::Judge,
        (least, most): (f64, f64),
        expected: &str,
        path: &Path,
    ) -> Vec<Category> {
        for (name, threshold) in &judge.thresholds {
            if !(least..=most).contains(threshold) {
                self.diagnostic(&path.key("thresholds").key(name), json::decimal(*threshold), expected);
            }
        }
        let without = judge.categories.iter().filter(|name| !judge.thresholds.contains_key(*name));
        let with = judge.thresholds.iter().map(|(name, threshold)| (name.clone(), Some(*threshold)));
        without.map(|name| (name.clone(), None)).chain(with).collect()
    }
}

/// Whether it is a template's resource name, which becomes part of a path and of a host name.
fn is_template(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(good);
    let steps: Vec<&str> = text.split('/').collect();
    matches!(steps.as_slice(), ["projects", p, "locations", l, "templates", t] if [p, l, t].iter().all(|id| is_id(id)))
}
