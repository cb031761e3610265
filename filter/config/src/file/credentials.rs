//! What providers know the gateway by, besides a key: signatures and tokens that Envoy and the `sluice` command make. The filter
//! never sees any of it.

use serde::{Deserialize, Serialize};

use super::{Provider, Secret};

/// Signs requests for AWS (SigV4). With neither keys nor a web identity, Envoy looks where AWS' own tools do: its environment, the
/// shared credentials file, a web identity, the container's or the instance's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The region of the service: `us-east-1`.
    pub region: String,
    /// The id of an access key; with `secret_access_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<Secret>,
    /// The secret of that access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// For an access key that is valid for a while only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// Instead of an access key: a role, assumed with a token of an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentity>,
}

/// A role that is assumed with a token of an identity provider, such as a Kubernetes cluster's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebIdentity {
    /// The role: `arn:aws:iam::123456789012:role/gateway`.
    pub role_arn: String,
    /// The token. Envoy itself reads it, again each time it asks for credentials.
    pub token: TokenFile,
    /// What the session is called in AWS' logs; Envoy makes a name up when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
}

/// Where a token is that somebody else keeps fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// A file that holds the token and nothing else.
    pub file: String,
}

/// Access tokens of Google Cloud, which the `sluice` command fetches and keeps fresh. Without a service account: that of the
/// file which `GOOGLE_APPLICATION_CREDENTIALS` names, or else the machine's, from Google's metadata server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Google {
    /// A service account's key, in JSON as Google gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Secret>,
}

/// Access tokens of Microsoft Entra (Azure AD) for Azure's AI services, which Envoy fetches and keeps fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// The tenant's id or domain.
    pub tenant: String,
    /// The application's (client's) id.
    pub client_id: String,
    /// A secret of that application.
    pub client_secret: Secret,
    /// Who gives the tokens, for a cloud of its own such as `https://login.microsoftonline.us`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl Entra {
    /// Who gives the tokens, as written or the public cloud's.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or("https://login.microsoftonline.com")
    }
}

impl Provider {
    /// Leaves out where its credential comes from.
    pub fn forget_credential(&mut self) {
        self.key = None;
        self.keys.clear();
        self.aws = None;
        self.google = None;
        self.entra = None;
    }
}
