//! The places of mistakes in the gateway file, and the words for them.
//!
//! `sluice check` tells an author what is wrong and where. The module receives what the command has checked, so a mistake there means that
//! something changed the command's output: the module refuses it and names the section. With all places and words, and with the fields and
//! checks that only the command needs, the module would be 91 KB larger.

pub(super) use said::*;

#[cfg(not(target_arch = "wasm32"))]
mod said {
    pub use sluice_core::suggest::one_of;
    pub use sluice_wire::json::decimal;

    use crate::diagnostic::Diagnostic;
    pub use crate::diagnostic::{Path, quoted};

    /// The words of a mistake.
    macro_rules! text {
        ($($part:tt)*) => { format!($($part)*) };
    }
    pub(in super::super) use text;

    pub fn mistake(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Diagnostic {
        Diagnostic { path: path.to_string(), found: found.into(), expected: expected.into() }
    }
}

#[cfg(target_arch = "wasm32")]
mod said {
    use crate::diagnostic::Diagnostic;

    /// A section of the file.
    #[derive(Clone)]
    pub struct Path(&'static str);

    impl Path {
        pub fn section(name: &'static str) -> Self {
            Self(name)
        }

        pub fn key(&self, _: &str) -> Self {
            Self(self.0)
        }

        pub fn index(&self, _: usize) -> Self {
            Self(self.0)
        }
    }

    macro_rules! text {
        ($($part:tt)*) => {{
            let _ = format_args!($($part)*);
            ""
        }};
    }
    pub(in super::super) use text;

    pub fn quoted(_: &str) -> &'static str {
        ""
    }

    pub fn decimal(_: f64) -> &'static str {
        ""
    }

    pub fn one_of<'a>(_: &str, _: impl IntoIterator<Item = &'a str>) -> &'static str {
        ""
    }

    pub fn mistake(path: &Path, _: impl Into<String>, _: impl Into<String>) -> Diagnostic {
        refused(path.0)
    }

    #[inline(never)]
    fn refused(section: &str) -> Diagnostic {
        let [found, expected] = ["a mistake", "what the command `sluice` has rendered"].map(str::to_owned);
        Diagnostic { path: section.to_owned(), found, expected }
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn mistakes(provider: &str, more: &str) -> Vec<String> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"{provider}}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{"t":{{}}}}{more}}}"#
        );
        let found = crate::from_json(text.as_bytes()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mistake_in_the_module_names_its_section_and_a_keys_mistake_all_of_it() {
        assert_eq!(mistakes("", r#","keys":[]"#), [""; 0]);
        let refused =
            |section: &str| [format!("{section}: found a mistake, expected what the command `sluice` has rendered")];
        assert_eq!(mistakes("", r#","keys":[],"cache":{"memory":"1 MB"}"#), refused("cache"));
        assert_eq!(mistakes(r#","key_rest":"soon""#, r#","keys":[]"#), refused("providers"));
        let key = r#","keys":[{"id":"k","team":"u","sha256":"x"}]"#;
        let found = mistakes("", key);
        assert_eq!(found[0], "keys[0].team: found \"u\", expected \"t\"");
        assert!(found[1].starts_with("keys[0].sha256: found 1 characters that are not a SHA-256"), "{found:?}");
    }

    #[test]
    fn a_field_that_the_filter_never_receives_is_unknown() {
        let found = mistakes(r#","key":{"env":"K"}"#, r#","keys":[]"#);
        assert!(found[0].contains("unknown field `key`"), "{found:?}");
    }
}
