//! Checks guardrails: each expression compiles, and each name exists.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use sluice_core::guard::Guard;
use sluice_core::guard::judge::JudgeGuard;
use sluice_core::guard::matcher::Wanted;
use sluice_core::guard::spec::{Action, GuardDelivery, MaskStyle, Side};
use sluice_core::matching::Match;

use crate::file;

use super::judges::Judges;
use super::place::{Path, quoted, text};
use super::{Check, ONLY_COMPILES};

/// The longest text of a placeholder.
const LONGEST_PLACEHOLDER: usize = 128;

impl Check<'_> {
    /// The guardrails of the gateway itself, and those with a judge.
    pub(super) fn guards(&mut self, judges: &Judges) -> (Vec<Rc<Guard>>, Vec<Rc<JudgeGuard>>) {
        let file = self.file;
        let (mut own, mut judged) = (Vec::new(), Vec::new());
        for (name, guard) in &file.guards {
            let path = Path::section("guards").key(name);
            self.public_name(name, &path);
            self.guard_sides(guard, &path);
            let file::GuardMatch { key, team, app, model } = guard.matches.clone();
            let matches = Match { key, team, app, model, provider: None };
            self.matching(&matches, &path.key("match"));
            match &guard.judge {
                Some(_) => judged.extend(self.judge_guard((name, guard, matches), judges, &path)),
                None => own.extend(self.guard(name, guard, matches, &path)),
            }
        }
        (own, judged)
    }

    fn guard(&mut self, name: &str, guard: &file::Guard, matches: Match, path: &Path) -> Option<Rc<Guard>> {
        let wanted = self.wanted(guard, path);
        match wanted.matcher() {
            Ok(finder) => {
                let file::Guard { on: sides, action, delivery, style, restore, .. } = guard.clone();
                let digest = Sha256::digest(sluice_wire::json::written(guard)).into();
                let name = name.to_owned();
                Some(Rc::new(Guard { name, matches, sides, action, delivery, style, restore, matcher: finder, digest }))
            }
            Err(found) => {
                self.diagnostic(path, found, "fewer patterns or words, smaller repetitions, or several guardrails");
                None
            }
        }
    }

    fn guard_sides(&mut self, guard: &file::Guard, path: &Path) {
        if ONLY_COMPILES {
            return;
        }
        if guard.on.is_empty() {
            self.diagnostic(&path.key("on"), "an empty list", "prompts, answers or both (remove the field for both)");
        }
        let masks = guard.action == Action::Mask;
        if !masks && guard.style != MaskStyle::default() {
            self.diagnostic(&path.key("style"), "a style without a mask", "`action: mask`, or no style");
        }
        if let MaskStyle::Text(text) = &guard.style
            && text.len() > LONGEST_PLACEHOLDER
        {
            self.diagnostic(&path.key("style"), text!("{} bytes", text.len()), "a text of at most 128 bytes");
        }
        if guard.restore && (!masks || guard.style != MaskStyle::Numbered || !guard.on.contains(&Side::Prompts)) {
            let expected = "a guardrail on prompts with `action: mask` and `style: numbered`, or `restore: false`";
            self.diagnostic(&path.key("restore"), "true", expected);
        }
        if guard.delivery != GuardDelivery::default()
            && (guard.action == Action::Log || !guard.on.contains(&Side::Answers))
        {
            let expected = "a guardrail on answers that blocks or masks, or no delivery";
            self.diagnostic(&path.key("delivery"), "whole", expected);
        }
    }

    fn wanted(&mut self, guard: &file::Guard, path: &Path) -> Wanted {
        if guard.detect.is_empty() && guard.patterns.is_empty() && guard.words.is_empty() {
            self.diagnostic(path, "a guardrail without patterns", "at least one of detect, patterns, words");
        }
        let mut wanted = Wanted::default();
        for detector in &guard.detect {
            wanted.detector(*detector);
        }
        for (label, expression) in &guard.patterns {
            let path = path.key("patterns").key(label);
            self.public_name(label, &path);
            if let Err(wrong) = wanted.pattern(label, expression) {
                let expected =
                    "a regular expression in the syntax of Rust's regex: https://docs.rs/regex/latest/regex/#syntax";
                self.diagnostic(&path, text!("{}: {wrong}", quoted(expression)), expected);
            }
        }
        let blank = |(index, word): (usize, &String)| word.trim().is_empty().then_some(index);
        for index in guard.words.iter().enumerate().filter_map(blank) {
            self.diagnostic(&path.key("words").index(index), "nothing", "a word or a phrase");
        }
        wanted.words(&guard.words);
        wanted
    }
}

#[cfg(test)]
mod tests;
