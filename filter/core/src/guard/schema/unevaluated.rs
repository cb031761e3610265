//! `unevaluatedProperties` and `unevaluatedItems`: what no other keyword has evaluated.

use super::keyword::{Shape, counting};
use super::tree::{Fields, Json};
use super::wrong::Step;
use super::{Check, Checked, FOR_A_KEYWORD, Fit, Stop, place, to_look_up};

impl<'s> Check<'s> {
    /// Checks the fields or items that no other keyword has evaluated.
    pub(super) fn unevaluated(&self, schema: &'s Json, words: &'s Fields, whole: &Json) -> Checked<'s> {
        let parts: Vec<(Step<'s>, &Json)> = match whole {
            Json::Object(fields) => fields.iter().map(|(name, field)| (place(words, name), field)).collect(),
            other => other
                .items()
                .unwrap_or_default()
                .iter()
                .enumerate()
                .map(|(index, item)| (Step::Index(index), item))
                .collect(),
        };
        let mut seen = vec![false; parts.len()];
        let before = self.unsure.replace(false);
        let marked = self.mark(words, whole, &mut seen, true);
        let unsure = self.unsure.replace(before);
        marked?;
        for ((place, value), seen) in parts.into_iter().zip(seen) {
            if seen {
                continue;
            }
            if !unsure {
                self.below(place, schema, value)?;
            } else if self.fits(schema, value)? != Fit::Yes {
                self.unsure()?;
            }
        }
        Ok(())
    }

    /// Marks the fields or items of a value that these keywords evaluate, which the value satisfies. `own` keywords are those next to the
    /// one that asks.
    fn mark(&self, words: &'s Fields, value: &Json, seen: &mut [bool], own: bool) -> Checked<'s> {
        for (word, says) in counting(words, self.hides) {
            self.steps.take(FOR_A_KEYWORD)?;
            let first = says.items().map_or(0, <[Json]>::len);
            match (word, value) {
                ("properties", Json::Object(fields)) => {
                    for ((name, _), seen) in fields.iter().zip(seen.iter_mut()) {
                        self.steps.take(to_look_up(name))?;
                        *seen |= says.fields().is_some_and(|known| known.get(name).is_some());
                    }
                }
                ("patternProperties", Json::Object(fields)) => match self.known(words, fields)? {
                    Some(known) => seen.iter_mut().zip(known).for_each(|(seen, known)| *seen |= known),
                    None => self.unsure()?,
                },
                ("prefixItems", Json::Array(_)) => seen.iter_mut().take(first).for_each(|seen| *seen = true),
                ("items", Json::Array(_)) if says.items().is_some() => {
                    seen.iter_mut().take(first).for_each(|seen| *seen = true);
                }
                ("additionalItems", Json::Array(_)) if words.get("items").and_then(Json::items).is_none() => {}
                ("additionalProperties", Json::Object(_)) | ("items" | "additionalItems", Json::Array(_)) => {
                    seen.fill(true);
                }
                ("unevaluatedProperties", Json::Object(_)) | ("unevaluatedItems", Json::Array(_)) if !own => {
                    seen.fill(true);
                }
                ("contains", Json::Array(items)) => {
                    for (item, seen) in items.iter().zip(seen.iter_mut()) {
                        match self.fits(says, item)? {
                            Fit::Yes => *seen = true,
                            Fit::Unknown => self.unsure()?,
                            Fit::No => {}
                        }
                    }
                }
                ("allOf" | "anyOf" | "oneOf", _) => {
                    for schema in says.items().unwrap_or_default() {
                        self.mark_fitting(schema, value, seen)?;
                    }
                }
                ("if", _) => {
                    let branch = match self.mark_fitting(says, value, seen)? {
                        Fit::Yes => words.get("then"),
                        Fit::No => words.get("else"),
                        Fit::Unknown => None,
                    };
                    if let Some(schema) = branch {
                        self.mark_fitting(schema, value, seen)?;
                    }
                }
                ("dependentSchemas" | "dependencies", Json::Object(fields)) => {
                    for (name, schema) in says.fields().into_iter().flat_map(Fields::iter) {
                        if fields.get(name).is_some() && schema.items().is_none() {
                            self.mark_fitting(schema, value, seen)?;
                        }
                    }
                }
                ("$ref", _) => match self.referred(says)? {
                    Some(schema) => drop(self.mark_fitting(schema, value, seen)?),
                    None => self.unsure()?,
                },
                _ if Shape::of(word) == Some(Shape::Unsupported) => self.unsure()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Marks what a schema evaluates if the value matches it.
    fn mark_fitting(&self, schema: &'s Json, value: &Json, seen: &mut [bool]) -> Result<Fit, Stop<'s>> {
        let fit = self.fits(schema, value)?;
        match (fit, schema.fields()) {
            (Fit::Yes, Some(words)) => {
                self.enter()?;
                let marked = self.mark(words, value, seen, false);
                self.leave();
                marked?;
            }
            (Fit::Unknown, _) => self.unsure()?,
            _ => {}
        }
        Ok(fit)
    }
}
