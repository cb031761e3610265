//! Checks the memory limits of each worker.

use sluice_core::memory_limiter::{Bounds, LARGEST_BODY, LARGEST_REWRITTEN};

use super::super::size;
use super::Check;
use super::place::{Path, quoted, text};

const MIB: usize = 1 << 20;
/// A VM has 1 GiB, and needs the same amount again as working memory.
const MOST_OF_WORKER: usize = 512 * MIB;

impl Check<'_> {
    /// The limits. Each allows at least one body of the maximum size, so that a single request is never rejected.
    pub(super) fn memory(&mut self) -> Bounds {
        let written = &self.file.memory;
        let rewritten = self.memory_size("rewritten_body", &written.rewritten_body, MIB, LARGEST_REWRITTEN);
        let worker = self.memory_size("worker", &written.worker, LARGEST_BODY, MOST_OF_WORKER);
        let key = self.memory_size("key", &written.key, LARGEST_BODY, MOST_OF_WORKER);
        if let (Some(worker), Some(key)) = (worker, key)
            && key > worker
        {
            let expected = text!("at most the value of worker, {}", written.worker);
            self.diagnostic(&Path::section("memory").key("key"), quoted(&written.key), expected);
        }
        if let (Some(rewritten), Some(key)) = (rewritten, key)
            && rewritten > key
        {
            let expected = text!("at most the value of key, {}", written.key);
            self.diagnostic(&Path::section("memory").key("rewritten_body"), quoted(&written.rewritten_body), expected);
        }
        let [rewritten, worker, key] = [rewritten, worker, key].map(Option::unwrap_or_default);
        Bounds { rewritten, worker, key }
    }

    fn memory_size(&mut self, field: &str, text: &str, least: usize, most: usize) -> Option<usize> {
        let size = size::bytes(text).and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| (least..=most).contains(size));
        if size.is_none() {
            let (least, most) = (least / MIB, most / MIB);
            let expected = text!("a size from {least}MiB to {most}MiB, such as {least}MiB");
            self.diagnostic(&Path::section("memory").key(field), quoted(text), expected);
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::memory_limiter::Bounds;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn compile(memory: &str) -> Result<Bounds, Vec<String>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"m"}}]}}}},
                "teams":{{"t":{{}}}},"keys":[],"memory":{memory}}}"#
        );
        let config = crate::from_json(text.as_bytes());
        config.map(|config| config.memory).map_err(|diagnostics| diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn bounds_have_defaults_and_can_be_changed_one_by_one() {
        let defaults = Bounds { rewritten: 48 << 20, worker: 256 << 20, key: 64 << 20 };
        assert_eq!(compile("{}"), Ok(defaults));
        assert_eq!(compile(r#"{"key":"128MiB"}"#), Ok(Bounds { key: 128 << 20, ..defaults }));
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn a_bound_that_one_request_could_not_meet_is_a_mistake() {
        for (memory, place) in [
            (r#"{"key":"31MiB"}"#, "memory.key"),
            (r#"{"key":"257MiB"}"#, "memory.key"),
            (r#"{"worker":"1GiB"}"#, "memory.worker"),
            (r#"{"rewritten_body":"57MiB"}"#, "memory.rewritten_body"),
            (r#"{"rewritten_body":"48MiB","key":"32MiB"}"#, "memory.rewritten_body"),
            (r#"{"worker":"64 MB"}"#, "memory.worker"),
        ] {
            let diagnostics = compile(memory).unwrap_err();
            assert!(diagnostics.len() == 1 && diagnostics[0].contains(place), "{memory}: {diagnostics:?}");
        }
    }
}
