//! `sluice keys new`.

use sluice_config::is_public_name;
use sluice_core::keys::Cidr;
use sluice_wire::calendar;

use super::arguments::NewKey;
use super::{Failure, print};
use crate::keys::{Entry, Secret};

pub(super) fn new_key(arguments: &NewKey) -> Result<(), Failure> {
    check_key(arguments)?;
    let secret = Secret::generate()
        .map_err(|error| Failure::new(format!("the system could not provide random bytes: {error}")))?;
    let (sha256, secret) = (secret.sha256(), secret.text());
    if arguments.admin {
        return print(&format!(
            "# The administrator's key (shown only once):\n{secret}\n\n# Add this to the gateway file:\nadmin:\n  \
             sha256: \"{sha256}\"\n"
        ));
    }
    let entry = Entry {
        id: arguments.id.as_deref().unwrap_or_default(),
        team: arguments.team.as_deref().unwrap_or_default(),
        sha256: &sha256,
        app: arguments.app.as_deref(),
        owner: arguments.owner.as_deref(),
        labels: &arguments.labels,
        models: &arguments.models,
        endpoints: &arguments.endpoints,
        forbid: &arguments.forbid,
        sources: &arguments.sources,
        control: &arguments.control.iter().map(|control| control.word().to_owned()).collect::<Vec<_>>(),
        expires: arguments.expires.as_deref(),
    };
    print(&format!(
        "# The secret (shown only once; give it to the key's user):\n{secret}\n\n# Add this entry under `keys:` in \
         the gateway file:\n{entry}"
    ))
}

/// Checks the arguments as far as possible without the gateway file.
fn check_key(arguments: &NewKey) -> Result<(), Failure> {
    let names = [("--id", &arguments.id), ("--team", &arguments.team), ("--app", &arguments.app)];
    for (option, name) in names {
        if let Some(name) = name.as_ref().filter(|name| !is_public_name(name)) {
            return Err(Failure::new(format!(
                "{option} {name:?}: expected 1 to 64 letters, digits, and any of . _ - @"
            )));
        }
    }
    if let Some(text) = arguments.expires.as_ref().filter(|text| calendar::rfc3339(text).is_none()) {
        return Err(Failure::new(format!(
            "--expires {text:?}: expected a time such as 2027-01-31T00:00:00Z (RFC 3339)"
        )));
    }
    if let Some(text) = arguments.sources.iter().find(|text| Cidr::parse(text).is_none()) {
        return Err(Failure::new(format!(
            "--sources {text:?}: expected IP addresses, or networks without host bits such as 10.0.0.0/8"
        )));
    }
    Ok(())
}
