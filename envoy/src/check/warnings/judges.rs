//! Warnings about judges, and about the guardrails that use them.

use sluice_config::diagnostic::Path;
use sluice_config::file::{Guard, GuardJudge, Judge};
use sluice_core::guard::spec::{Action, Side};
use sluice_core::provider::url::Url;
use sluice_core::routing::conditional_timeout::{ConditionalTimeout, TimeoutCondition};
use sluice_core::routing::timeouts::Timeouts;
use sluice_wire::calendar;

use crate::reach;

use super::Finder;

impl Finder<'_> {
    pub(super) fn judge(&mut self, name: &str, judge: &Judge) {
        let path = Path::root().key("judges").key(name);
        let guards = self.checked.file.guards.values();
        if !guards.filter_map(|guard| guard.judge.as_ref()).any(|judge| judge.service == *name) {
            self.warn(&path, "no guardrail uses this judge, so the gateway never asks it");
        }
        let url = judge.url().and_then(|url| Url::parse(&url).ok());
        if url.is_some_and(|url| !url.tls && !reach::is_near(&url) && url.host.contains('.')) {
            let text = "the gateway sends clients' texts over plain HTTP, so others can read them. Use https://";
            self.warn(&path.key("url"), text);
        }
        self.judge_timeout(name, judge, &path.key("timeout"));
    }

    /// A judge that may take longer than a request: then its failure is never seen.
    fn judge_timeout(&mut self, name: &str, judge: &Judge, path: &Path) {
        let Some(time) = calendar::duration(&judge.timeout) else { return };
        let delays = |guard: &&Guard| {
            let is_asked =
                |judge: &GuardJudge| judge.service == name && (judge.during || guard.on.contains(&Side::Answers));
            guard.judge.as_ref().is_some_and(is_asked)
        };
        let about = |model: &str| {
            let mut guards = self.checked.file.guards.values().filter(delays);
            guards.any(|guard| guard.matches.model.as_deref().is_none_or(|of| of == model))
        };
        let models = self.checked.gateway.models.values().filter(|model| about(&model.name));
        let timeouts = models.flat_map(|model| {
            let Timeouts { total, answer, first_token, .. } = model.policy.timeouts;
            let of = |timeout: ConditionalTimeout| {
                let last = (model.targets.len() == 1).then_some(total);
                timeout.of(TimeoutCondition { slow: false, last })
            };
            let each = [("total", total), ("first_token", of(first_token)), ("answer", of(answer))];
            each.map(|(field, limit)| (limit, field, &model.name))
        });
        let Some((limit, field, model)) = timeouts.min_by_key(|(limit, ..)| *limit).filter(|found| found.0 <= time)
        else {
            return;
        };
        let text = format!(
            "a request to the model {model} fails after {limit:?} (`{field}` of its timeouts), before this judge can fail. Set a \
             shorter time, or a longer `{field}`"
        );
        self.warn(path, text);
    }

    pub(super) fn guard(&mut self, name: &str, guard: &Guard) {
        let is_masked = self.checked.file.guards.values().any(|guard| guard.action == Action::Mask);
        if guard.judge.as_ref().is_some_and(|judge| judge.raw) && is_masked {
            self.warn(
                &Path::root().key("guards").key(name).key("judge").key("raw"),
                "the judge receives the texts that other guardrails mask. Remove the field unless it may see them",
            );
        }
    }
}
