//! The paths of a provider's endpoints.

use sluice_wire::dialect::Provider;
use sluice_wire::percent::{RESERVED, encoded};

/// How a kind of provider lays out its endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Below the base URL, at the format's own path.
    Plain,
    /// As in Azure OpenAI: below its v1 surface, or below each deployment.
    Azure,
}

/// The endpoint layout of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The prefix of every path, without a slash at the end. Often empty.
    base: String,
    /// The API version of Azure's surface before v1, where a model's path contains its deployment's name. Source:
    /// <https://learn.microsoft.com/azure/ai-foundry/openai/reference>
    version: Option<String>,
}

impl Layout {
    /// Endpoints below the base URL's path; on Azure, of this API version. `v1` or none selects the surface without versions.
    pub fn new(surface: Surface, base_path: &str, version: Option<&str>) -> Self {
        let plain = Self { base: base_path.to_owned(), version: None };
        match (surface, version) {
            (Surface::Plain, _) => plain,
            (Surface::Azure, version) => {
                // Base URLs are often copied with these suffixes.
                let host = base_path.strip_suffix("/v1").unwrap_or(base_path);
                let host = host.strip_suffix("/openai").unwrap_or(host);
                match version.filter(|version| *version != "v1") {
                    None => Self { base: format!("{host}/openai/v1"), version: None },
                    Some(version) => Self { base: format!("{host}/openai"), version: Some(version.to_owned()) },
                }
            }
        }
    }

    /// The path of a request in this format.
    pub fn path(&self, format: &Provider, model: &str, stream: bool) -> String {
        self.locate(&(format.path)(model, stream), model)
    }

    /// The path of a pass-through request: the client's path and query below the base.
    pub fn passed(&self, path: &str, model: &str) -> String {
        match path.split_once('?') {
            Some((path, query)) if self.version.is_some() => format!("{}&{query}", self.locate(path, model)),
            _ => self.locate(path, model),
        }
    }

    fn locate(&self, path: &str, model: &str) -> String {
        let Self { base, version } = self;
        match version {
            None => [base.as_str(), path].concat(),
            // Stored objects do not belong to a deployment.
            Some(version) if model.is_empty() => format!("{base}{path}?api-version={version}"),
            // Of these endpoints, only this one takes its deployment from the body.
            Some(version) if path == "/responses" => format!("{base}{path}?api-version={version}"),
            Some(version) => format!("{base}/deployments/{}{path}?api-version={version}", encoded(model, &RESERVED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::dialect::openai_chat;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_are_below_the_base_url() {
        for (base, path) in [("", "/chat/completions"), ("/openai/v1", "/openai/v1/chat/completions")] {
            assert_eq!(Layout::new(Surface::Plain, base, None).path(&openai_chat::PROVIDER, "m", true), path);
        }
    }

    #[test]
    fn azure_has_a_surface_without_versions_and_one_of_deployments() {
        let v1 = "/openai/v1/chat/completions";
        let dated = "/openai/deployments/my%2Fgpt%3F/chat/completions?api-version=2024-10-21";
        for (base, version, expected) in [
            ("", None, v1.to_owned()),
            ("", Some("v1"), v1.to_owned()),
            ("/openai", None, v1.to_owned()),
            ("/openai/v1", None, v1.to_owned()),
            ("/proxy", None, format!("/proxy{v1}")),
            ("", Some("2024-10-21"), dated.to_owned()),
            ("/openai/v1", Some("2024-10-21"), dated.to_owned()),
            ("/proxy", Some("2024-10-21"), format!("/proxy{dated}")),
        ] {
            let layout = Layout::new(Surface::Azure, base, version);
            assert_eq!(layout.path(&openai_chat::PROVIDER, "my/gpt?", false), expected, "{base} {version:?}");
        }
    }

    #[test]
    fn what_is_passed_through_keeps_its_query() {
        let plain = Layout::new(Surface::Plain, "/v1", None);
        assert_eq!(plain.passed("/files/f/content?x=1", ""), "/v1/files/f/content?x=1");
        let azure = Layout::new(Surface::Azure, "", Some("2024-10-21"));
        assert_eq!(azure.passed("/files?limit=1", ""), "/openai/files?api-version=2024-10-21&limit=1");
        let images = "/openai/deployments/d/images/generations?api-version=2024-10-21";
        assert_eq!(azure.passed("/images/generations", "d"), images);
    }

    #[test]
    fn azures_responses_belong_to_no_deployment() {
        let layout = Layout::new(Surface::Azure, "", Some("2025-04-01-preview"));
        assert_eq!(layout.locate("/responses", "m"), "/openai/responses?api-version=2025-04-01-preview");
    }
}
