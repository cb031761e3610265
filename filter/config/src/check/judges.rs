//! Checks judges, and the guardrails that use them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sluice_core::callout::Endpoint;
use sluice_core::guard::judge::{Api, Judge, JudgeGuard};
use sluice_core::guard::spec::{Action, GuardDelivery, MaskStyle, Side};
use sluice_core::matching::Match;
use sluice_core::usage::price::Rate;
use sluice_wire::json;

use crate::file;

use super::Check;
use super::place::{Path, quoted, text};

/// The bytes of text in a window.
const WINDOWS: RangeInclusive<usize> = 64..=100_000;

/// The compiled judges by name.
pub(super) type Judges = BTreeMap<String, Rc<Judge>>;

impl Check<'_> {
    pub(super) fn judges(&mut self) -> Judges {
        let file = self.file;
        let section = Path::section("judges");
        let mut judges = Judges::new();
        for (name, judge) in &file.judges {
            judges.extend(self.judge(name, judge, &section.key(name)).map(|judge| (name.clone(), Rc::new(judge))));
        }
        judges
    }

    /// The filter receives judges as [`rendered`] writes them: to read and check what a person writes would take 40 KB of the module.
    #[cfg(target_arch = "wasm32")]
    fn judge(&mut self, name: &str, judge: &serde_json::Value, path: &Path) -> Option<Judge> {
        let read = judge.get("rendered").and_then(|rendered| read(name, rendered));
        if read.is_none() {
            self.diagnostic(path, "a judge that the command `sluice` has not rendered", "its output");
        }
        read
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
        self.reference(service, names, &path.key("service"));
        if written.during && guard.on.contains(&Side::Answers) {
            let expected = "`on: [prompts]`: there is no answer to judge while the provider works";
            self.diagnostic(&path.key("during"), "true, for answers", expected);
        }
        if guard.style != MaskStyle::default() || guard.restore {
            let expected = "no style and no restore: the judge writes the placeholders";
            self.diagnostic(&path, "a style, with a judge", expected);
        }
        let window = usize::try_from(written.window).unwrap_or(usize::MAX);
        if !WINDOWS.contains(&window) {
            self.diagnostic(&path.key("window"), text!("{window}"), "a number of bytes from 64 to 100000");
        }
        if written.during && written.raw {
            let expected = "one of the two: the cache would serve a response to other raw texts that are masked alike";
            self.diagnostic(&path.key("raw"), "true, with during", expected);
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
            self.diagnostic(&Path::section("guards").key(name).key("action"), found, expected);
        }
        let mut digest = Sha256::new();
        digest.update(json::written(guard));
        digest.update(json::written(&self.file.judges.get(service)));
        Some(Rc::new(JudgeGuard {
            name: name.to_owned(),
            matches,
            sides: guard.on.clone(),
            judge: judge.clone(),
            masks: !written.during && judge.api.may_mask() && (!is_presidio || guard.action == Action::Mask),
            on_error: written.on_error,
            mode: written.mode,
            during: written.during,
            raw: written.raw,
            window: (guard.delivery == GuardDelivery::Windows).then_some(window),
            digest: digest.finalize().into(),
            fails: Cell::new(false),
        }))
    }
}

/// Writes a judge for the filter.
#[cfg(not(target_arch = "wasm32"))]
pub(in super::super) fn rendered(judge: &Judge) -> Value {
    let (kind, text, categories) = judge.api.parts();
    let Endpoint { authority, tls, path } = &judge.server;
    serde_json::json!({
        "type": kind, "text": text, "categories": categories, "authority": authority, "tls": tls, "path": path,
        "timeout": judge.timeout.as_millis() as u64, "retries": judge.retries, "price": judge.price.map(|price| price.0),
    })
}

/// Reads what [`rendered`] writes.
fn read(name: &str, rendered: &Value) -> Option<Judge> {
    let text = |field| rendered.get(field)?.as_str();
    let category = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_f64()));
    let categories = rendered.get("categories")?.as_array()?.iter().map(category).collect::<Option<_>>()?;
    let api = Api::read(text("type")?, text("text")?, categories)?;
    let (authority, path) = (text("authority")?.to_owned(), text("path")?.to_owned());
    let server = Endpoint { authority, tls: rendered.get("tls")?.as_bool()?, path };
    let timeout = Duration::from_millis(rendered.get("timeout")?.as_u64()?);
    let retries = rendered.get("retries")?.as_u64()?;
    let price = rendered.get("price").and_then(Value::as_u64).map(Rate);
    Some(Judge { name: name.to_owned(), cluster: file::Judge::cluster(name), server, timeout, retries, price, api })
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
#[cfg(not(target_arch = "wasm32"))]
mod written;
