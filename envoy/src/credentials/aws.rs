//! An AWS access key as the shared credentials file that Envoy watches.

use std::path::Path;

use sluice_config::file::Aws;

use crate::secrets::read;

/// The file's text, or what is missing; `None` if Envoy uses AWS' default credential chain.
pub fn keys(aws: &Aws, base: &Path) -> Option<Result<String, String>> {
    let (id, secret) = (aws.access_key_id.as_ref()?, aws.secret_access_key.as_ref()?);
    let text = || {
        let (id, secret) = (read(id, "access key id", base)?, read(secret, "secret access key", base)?);
        let mut text = format!("[default]\naws_access_key_id={id}\naws_secret_access_key={secret}\n");
        if let Some(token) = &aws.session_token {
            text += &format!("aws_session_token={}\n", read(token, "session token", base)?);
        }
        Ok(text)
    };
    Some(text())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_a_profile_and_what_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let part = |name: &str| format!("{{ \"file\": \"{name}\" }}");
        let aws = |text: &str| serde_json::from_str::<Aws>(text).unwrap();
        let both = format!(
            "{{ \"region\": \"r\", \"access_key_id\": {}, \"secret_access_key\": {}, \"session_token\": {} }}",
            part("id"),
            part("secret"),
            part("token")
        );
        fs::write(directory.path().join("id"), "AKID\n").unwrap();
        fs::write(directory.path().join("secret"), "a/b+c=").unwrap();
        let missing = keys(&aws(&both), directory.path()).unwrap().unwrap_err();
        assert!(missing.starts_with("cannot read the session token from"), "{missing}");
        fs::write(directory.path().join("token"), "t==").unwrap();
        let text = keys(&aws(&both), directory.path()).unwrap().unwrap();
        let expected = "[default]\naws_access_key_id=AKID\naws_secret_access_key=a/b+c=\naws_session_token=t==\n";
        assert_eq!(text, expected);
        assert_eq!(keys(&aws("{ \"region\": \"r\" }"), directory.path()), None);
    }
}
