//! How much of a stream each guardrail holds back.

use sluice_core::guard::Guard;
use sluice_core::guard::spec::{Action, GuardDelivery, Side};

use super::Checked;

const WHOLE: &str = "streams are held until they are complete (delivery: whole)";

/// One line for each guardrail that acts on responses, and for each model whose structured output is checked.
pub fn told(checked: &Checked) -> Vec<String> {
    let acts = |guard: &&std::rc::Rc<Guard>| guard.sides.contains(&Side::Answers) && guard.action != Action::Log;
    let guards = checked.gateway.guards.iter().filter(acts);
    let models = checked.file.models.iter().filter(|(_, model)| model.check_structured_output);
    let whole = |(name, _)| {
        format!(
            "models.{name}: streams are held until they are complete if the request asks for JSON (check_structured_output)"
        )
    };
    let judged = checked.gateway.judges.iter().filter(|guard| guard.sides.contains(&Side::Answers));
    let judged = judged.map(|guard| match guard.window {
        Some(bytes) => format!("guards.{}: text of a stream waits for the judge, {bytes} bytes at once", guard.name),
        None => format!("guards.{}: {WHOLE}", guard.name),
    });
    let guards = guards.map(|guard| format!("guards.{}: {}", guard.name, held(guard)));
    guards.chain(judged).chain(models.map(whole)).collect()
}

fn held(guard: &Guard) -> String {
    if guard.delivery == GuardDelivery::Whole {
        return WHOLE.to_owned();
    }
    let most = guard.matcher.longest().filter_map(|(_, longest)| longest).max();
    let mut unlimited: Vec<&str> =
        guard.matcher.longest().filter_map(|(label, longest)| longest.is_none().then_some(label)).collect();
    unlimited.dedup();
    let most = most.map(|most| format!("at most {most} bytes"));
    let unlimited = (!unlimited.is_empty()).then(|| format!("for {} up to the end of the match", unlimited.join(", ")));
    let all: Vec<String> = most.into_iter().chain(unlimited).collect();
    format!("text of a stream waits while it may become a match: {}", all.join(", "))
}
