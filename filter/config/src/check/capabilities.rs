//! The targets' capabilities, as stated in the file.
//!
//! Only the form is checked, since the models are unknown here.

use super::Check;
use super::place::Path;

impl Check<'_> {
    pub(super) fn capabilities(&mut self) {
        let section = Path::section("capabilities");
        for (name, stated) in &self.file.capabilities {
            let path = section.key(name);
            self.target_name(name, &path);
            if stated.max_input == Some(0) {
                self.diagnostic(&path.key("max_input"), "0", "at least one token");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Diagnostic;
    use sluice_core::routing::capabilities::Capabilities;
    use sluice_core::routing::spec::ModelKind;

    use super::super::super::file;

    fn file(provider: &str, capabilities: &str) -> file::File {
        let json = format!(
            r#"{{
                "providers": {{ "openai": {{ "kind": "openai" }} }},
                "models": {{ "m": {{ "targets": [
                    {{ "provider": "{provider}", "model": "gpt-5" }}, {{ "provider": "openai", "model": "a/b" }}] }} }},
                "teams": {{}}, "keys": [], "capabilities": {capabilities}
            }}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn diagnostics(provider: &str, capabilities: &str) -> Vec<String> {
        let file = file(provider, capabilities);
        crate::compile(&file).err().unwrap_or_default().iter().map(Diagnostic::to_string).collect()
    }

    #[test]
    fn a_target_can_do_what_the_file_says_and_the_rest_is_not_stated() {
        let file = file(
            "openai",
            r#"{ "openai/gpt-5": { "kind": "chat", "created": 1754524800, "max_input": 272000, "vision": true, "tools": true, "audio": false,
                "structured_output": true, "documents": false, "reasoning": true, "parallel_tools": false } }"#,
        );
        let config = crate::compile(&file).unwrap();
        let targets = &config.models["m"].targets;
        let expected = Capabilities {
            kind: Some(ModelKind::Chat),
            created: Some(1_754_524_800),
            max_input: Some(272_000),
            tools: Some(true),
            vision: Some(true),
            structured_output: Some(true),
            audio: Some(false),
            documents: Some(false),
            reasoning: Some(true),
        };
        assert_eq!(targets[0].capabilities, expected);
        assert_eq!(targets[1].capabilities, Capabilities::default());
    }

    #[test]
    fn what_is_stated_stands_over_the_rest_field_by_field() {
        let read = |json: &str| serde_json::from_str::<file::Capabilities>(json).unwrap();
        let all = r#"{"kind":"chat","created":1,"max_input":1,"tools":true,"parallel_tools":true,"vision":true,"structured_output":true,
            "reasoning":true,"audio":true,"documents":true}"#;
        let none = file::Capabilities::default();
        assert_eq!(none.over(read(all)), read(all));
        assert_eq!(read(all).over(none), read(all));
        for (field, value) in [
            ("kind", "\"embedding\""),
            ("created", "2"),
            ("max_input", "2"),
            ("tools", "false"),
            ("parallel_tools", "false"),
            ("vision", "false"),
            ("structured_output", "false"),
            ("reasoning", "false"),
            ("audio", "false"),
            ("documents", "false"),
        ] {
            let over = read(&format!(r#"{{"{field}":{value}}}"#)).over(read(all));
            let of = |value: &str| format!(r#""{field}":{value}"#);
            let was = match field {
                "kind" => of("\"chat\""),
                "created" | "max_input" => of("1"),
                _ => of("true"),
            };
            assert_eq!(over, read(&all.replace(&was, &of(value))), "{field}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        assert_eq!(diagnostics("openai", r#"{ "openai/a/b": {} }"#), [""; 0]);
        assert_eq!(
            diagnostics("openai", r#"{ "openai/gpt-6": { "vision": true } }"#),
            ["capabilities[\"openai/gpt-6\"]: found \"openai/gpt-6\", expected one of: openai/a/b, openai/gpt-5 (did \
              you mean \"openai/gpt-5\"?)"]
        );
        assert_eq!(
            diagnostics("openai", r#"{ "openai/gpt-5": { "max_input": 0 } }"#),
            ["capabilities[\"openai/gpt-5\"].max_input: found 0, expected at least one token"]
        );
    }

    #[test]
    fn a_misspelt_provider_is_one_mistake() {
        let found = diagnostics("opnai", r#"{ "openai/gpt-5": { "vision": true } }"#);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("models.m.targets[0].provider: found \"opnai\""), "{found:?}");
    }
}
