//! Checks the credential of a provider or a judge: at most one kind, and complete.

use sluice_core::provider::url::Url;

use super::super::file::{Aws, Credentials, Entra, WebIdentity};
use super::Check;
use super::place::{Path, quoted};

impl Check<'_> {
    /// Checks the credential of a service, except the key itself.
    pub(super) fn credentials(&mut self, Credentials { key, aws, google, entra }: Credentials<'_>, path: &Path) {
        let given: Vec<&str> =
            [("key", key.is_some()), ("aws", aws.is_some()), ("google", google.is_some()), ("entra", entra.is_some())]
                .iter()
                .filter_map(|(name, given)| given.then_some(*name))
                .collect();
        if given.len() > 1 {
            self.diagnostic(path, given.join(" and "), "at most one of them");
        }
        if let Some(aws) = aws {
            self.aws(aws, &path.key("aws"));
        }
        if let Some(account) = google.and_then(|google| google.service_account.as_ref()) {
            self.secret(account, &path.key("google").key("service_account"));
        }
        if let Some(entra) = entra {
            self.entra(entra, &path.key("entra"));
        }
    }

    fn aws(&mut self, aws: &Aws, path: &Path) {
        if !is_made_of(&aws.region, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            self.diagnostic(&path.key("region"), quoted(&aws.region), "a region such as us-east-1");
        }
        let parts = [
            ("access_key_id", &aws.access_key_id),
            ("secret_access_key", &aws.secret_access_key),
            ("session_token", &aws.session_token),
        ];
        for (name, part) in parts {
            if let Some(secret) = part {
                self.secret(secret, &path.key(name));
            }
        }
        match (parts.map(|(_, part)| part.is_some()), &aws.web_identity) {
            ([true, true, _] | [false, false, false], None) | ([false, false, false], Some(_)) => {}
            ([false, false, true], None) => {
                self.diagnostic(path, "session_token without an access key", "access_key_id and secret_access_key too");
            }
            ([true, false, _], None) => {
                self.diagnostic(path, "access_key_id without secret_access_key", "both or neither");
            }
            ([false, true, _], None) => {
                self.diagnostic(path, "secret_access_key without access_key_id", "both or neither");
            }
            (_, Some(_)) => {
                self.diagnostic(path, "both an access key and web_identity", "either an access key or web_identity")
            }
        }
        if let Some(identity) = &aws.web_identity {
            self.web_identity(identity, &path.key("web_identity"));
        }
    }

    fn web_identity(&mut self, identity: &WebIdentity, path: &Path) {
        let role = &identity.role_arn;
        if !(role.starts_with("arn:") && role.contains(":role/") && is_made_of(role, |b| b.is_ascii_graphic())) {
            let expected = "a role ARN such as arn:aws:iam::123456789012:role/gateway";
            self.diagnostic(&path.key("role_arn"), quoted(role), expected);
        }
        if identity.token.file.trim().is_empty() {
            self.diagnostic(&path.key("token").key("file"), "empty text", "the path of a file");
        }
        // AWS' rules for RoleSessionName.
        let good = |name: &str| {
            (2..=64).contains(&name.len()) && is_made_of(name, |b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        };
        if let Some(name) = identity.session_name.as_ref().filter(|name| !good(name)) {
            self.diagnostic(
                &path.key("session_name"),
                quoted(name),
                "2 to 64 letters, digits, and any of _ + = , . @ -",
            );
        }
    }

    fn entra(&mut self, entra: &Entra, path: &Path) {
        // The tenant becomes part of a path.
        if !is_made_of(&entra.tenant, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            self.diagnostic(&path.key("tenant"), quoted(&entra.tenant), "a tenant id or domain");
        }
        if !is_made_of(&entra.client_id, |b| b.is_ascii_graphic()) {
            self.diagnostic(&path.key("client_id"), quoted(&entra.client_id), "an application (client) id");
        }
        self.secret(&entra.client_secret, &path.key("client_secret"));
        if let Err(found) = Url::parse(entra.authority()) {
            self.diagnostic(&path.key("authority"), found, "a base URL such as https://login.microsoftonline.com");
        }
    }
}

fn is_made_of(text: &str, good: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::super::super::file;
    use serde_json::{Value, json};

    fn diagnostics(fields: Value) -> Vec<String> {
        let mut provider = json!({"kind": "openai"});
        for (name, value) in fields.as_object().unwrap() {
            provider[name] = value.clone();
        }
        let file = json!({
            "providers": {"p": provider},
            "models": {"m": {"targets": [{"provider": "p", "model": "m"}]}},
            "teams": {}, "keys": [],
        });
        let file: file::File = serde_json::from_value(file).unwrap();
        let compiled = crate::compile(&file);
        compiled.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn secret() -> Value {
        json!({"env": "SOME_VARIABLE"})
    }

    #[test]
    fn each_way_of_being_known_is_good_by_itself() {
        let identity = json!({"role_arn": "arn:aws:iam::1:role/x", "token": {"file": "t"}, "session_name": "a.b"});
        for good in [
            json!({}),
            json!({"key": secret()}),
            json!({"aws": {"region": "us-east-1"}}),
            json!({"aws": {"region": "us-east-1", "access_key_id": secret(), "secret_access_key": {"file": "x"}}}),
            json!({"aws": {"region": "eu-west-3", "web_identity": identity}}),
            json!({"google": {}}),
            json!({"google": {"service_account": {"file": "account.json"}}}),
            json!({"entra": {"tenant": "contoso.com", "client_id": "1-2", "client_secret": secret()}}),
        ] {
            assert_eq!(diagnostics(good.clone()), [""; 0], "{good}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let entra = |field: &str, value: &str| {
            let mut entra = json!({"tenant": "t", "client_id": "c", "client_secret": secret()});
            entra[field] = value.into();
            json!({ "entra": entra })
        };
        let aws = |more: Value| {
            let mut aws = json!({"region": "us-east-1"});
            for (name, value) in more.as_object().unwrap() {
                aws[name] = value.clone();
            }
            json!({ "aws": aws })
        };
        let identity = |role: &str, file: &str, session: &str| {
            aws(json!({"web_identity": {"role_arn": role, "token": {"file": file}, "session_name": session}}))
        };
        let role = "arn:aws:iam::1:role/x";
        for (fields, expected) in [
            (
                json!({"key": secret(), "aws": {"region": "us-east-1"}, "google": {}}),
                "providers.p: found key and aws and google, expected at most one of them",
            ),
            (aws(json!({"region": "US East"})), "providers.p.aws.region: found \"US East\", expected a region such as"),
            (aws(json!({"access_key_id": secret()})), "providers.p.aws: found access_key_id without secret_access_key"),
            (aws(json!({"secret_access_key": secret()})), "providers.p.aws: found secret_access_key without access_"),
            (aws(json!({"session_token": secret()})), "providers.p.aws: found session_token without an access key"),
            (
                aws(json!({"access_key_id": secret(), "web_identity": {"role_arn": role, "token": {"file": "t"}}})),
                "providers.p.aws: found both an access key and web_identity, expected either",
            ),
            (
                aws(json!({"access_key_id": {"env": "A", "file": "b"}, "secret_access_key": secret()})),
                "providers.p.aws.access_key_id: found both env and file",
            ),
            (identity("gateway", "t", "ab"), "providers.p.aws.web_identity.role_arn: found \"gateway\""),
            (identity(role, " ", "ab"), "providers.p.aws.web_identity.token.file: found empty text"),
            (identity(role, "t", "a b"), "providers.p.aws.web_identity.session_name: found \"a b\""),
            (json!({"google": {"service_account": {}}}), "providers.p.google.service_account: found neither env nor"),
            (entra("tenant", "a/b"), "providers.p.entra.tenant: found \"a/b\", expected a tenant id or domain"),
            (entra("client_id", ""), "providers.p.entra.client_id: found \"\""),
            (entra("authority", "login"), "providers.p.entra.authority: found no http:// or https://"),
        ] {
            let found = diagnostics(fields);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(expected), "{found:?}");
        }
    }
}
