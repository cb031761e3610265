//! References inside a schema: `$ref` to a place or an anchor.

use sluice_wire::percent;

use super::keyword::inside;
use super::tree::Json;
use super::{Check, DEEPEST, FOR_A_KEYWORD, FOR_A_SCHEMA};
use crate::guard::steps::{Spent, steps};

/// The parts of a schema that a reference may name.
#[derive(Default)]
pub(super) struct Targets<'s> {
    anchors: Vec<(&'s str, &'s Json)>,
    /// Whether a part has a URI of its own. References in it are relative to that.
    embeds: bool,
}

impl<'s> Check<'s> {
    /// The schema that a reference names; `None` if the gateway cannot tell.
    pub(super) fn referred(&self, reference: &'s Json) -> Result<Option<&'s Json>, Spent> {
        let reference = reference.text().unwrap_or_default();
        self.steps.take(steps(reference.len()))?;
        let targets = match self.targets.get() {
            Some(targets) => targets,
            None => {
                let mut targets = Targets::default();
                self.collect(self.root, &mut targets, DEEPEST)?;
                self.targets.get_or_init(|| targets)
            }
        };
        let own = self.root.fields().and_then(|words| words.get("$id")?.text()).unwrap_or_default();
        let own = own.trim_end_matches('#');
        let fragment = match reference.strip_prefix(own).unwrap_or(reference) {
            "" => Some(""),
            rest => rest.strip_prefix('#'),
        };
        let Some(fragment) = fragment.filter(|_| !targets.embeds) else { return Ok(None) };
        let Ok(fragment) = String::from_utf8(percent::decoded(fragment)) else { return Ok(None) };
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(self.root.pointer(&fragment));
        }
        self.steps.take(steps(targets.anchors.len()))?;
        Ok(targets.anchors.iter().find(|(name, _)| *name == fragment).map(|(_, schema)| *schema))
    }

    fn collect(&self, schema: &'s Json, targets: &mut Targets<'s>, depth: u32) -> Result<(), Spent> {
        self.steps.take(FOR_A_SCHEMA)?;
        let (Some(words), Some(depth)) = (schema.fields(), depth.checked_sub(1)) else { return Ok(()) };
        for (word, says) in words.iter() {
            self.steps.take(FOR_A_KEYWORD)?;
            match (word, says.text()) {
                ("$anchor" | "$dynamicAnchor", Some(name)) => targets.anchors.push((name, schema)),
                ("$id", Some(id)) => match id.strip_prefix('#') {
                    // Draft 7's anchor.
                    Some(name) => targets.anchors.push((name, schema)),
                    None => targets.embeds |= !std::ptr::eq(schema, self.root),
                },
                _ => {}
            }
            for (_, schema) in inside(word, says) {
                self.collect(schema, targets, depth)?;
            }
        }
        Ok(())
    }
}
