//! Operations on one key: read, create, update, revoke, rotate.
//!
//! A change reads the key and writes it back if it has not changed in between. Otherwise it is retried a few times.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sluice_config::file::{Key, Previous};
use sluice_core::keys::secret;
use sluice_wire::calendar;
use sluice_wire::hex;
use sluice_wire::time::whole_seconds;

use super::answer::{AdminError, AdminReply};
use super::fields::Fields;
use super::key::{self, Shown, Source, State};
use super::records::{self, Names, Record};
use super::route::{BASE, no_such_key};
use super::{AdminContext, Next, Step};

/// Attempts at a change while others change the same key.
const ATTEMPTS: u8 = 4;
/// The maximum time that the previous secret may stay valid.
const LONGEST_GRACE: Duration = Duration::from_secs(90 * 86_400);
const DEFAULT_GRACE: &str = "24h";

/// A change of a key.
type Change = Rc<dyn Fn(&mut Key, &mut AdminContext) -> Result<Option<Secret>, AdminError>>;

/// A new secret: shown in one response, and never stored.
struct Secret(String);

#[derive(Serialize)]
struct WithSecret<'a> {
    key: Shown<'a>,
    secret: &'a str,
}

/// `GET /keys/{id}`
pub fn read(id: &str, context: &mut AdminContext) -> Step {
    if let Some(key) = in_file(id, context) {
        return show(key, Source::File, context);
    }
    let Some(names) = Names::of(context) else { return Err(no_such_key()) };
    Ok(Next::ask(names.read(id), |reply, context| {
        let record = records::found(reply)?.ok_or_else(no_such_key)?;
        show(&record.key, Source::Redis, context)
    }))
}

/// `POST /keys`
pub fn create(body: &[u8], context: &mut AdminContext) -> Step {
    let names = Names::writable(context)?;
    let mut key = key::read(body)?;
    context.log_context.key = Some(key.id.clone());
    let made = make(context)?;
    key.sha256 = made.sha256();
    key::check(&key, context)?;
    let taken = || AdminError {
        param: Some("id".to_owned()),
        ..AdminError::new(409, "key_exists", "A key with this id already exists. Choose another id.")
    };
    if in_file(&key.id, context).is_some() {
        return Err(taken());
    }
    Ok(Next::ask(names.create(&key), move |reply, context| {
        if !records::done(&reply)? {
            return Err(taken());
        }
        let location = format!("{BASE}keys/{}", key.id);
        let shown = WithSecret { key: Shown::new(&key, Source::Redis, context.now), secret: &made.0 };
        Ok(Next::Answer(AdminReply::with_status(201, &shown)?.header("location", location)))
    }))
}

/// `PATCH /keys/{id}`
pub fn update(id: &str, body: &[u8], context: &mut AdminContext) -> Step {
    let body = body.to_vec();
    change(
        id,
        context,
        Rc::new(move |key, context| {
            key::patch(key, &body)?;
            key::check(key, context)?;
            Ok(None)
        }),
    )
}

/// `POST /keys/{id}/revoke`
pub fn revoke(id: &str, body: &[u8], context: &mut AdminContext) -> Step {
    Fields::read(body)?.finish()?;
    change(
        id,
        context,
        Rc::new(|key, _| {
            key.revoked = true;
            Ok(None)
        }),
    )
}

/// `POST /keys/{id}/rotate`
pub fn rotate(id: &str, body: &[u8], context: &mut AdminContext) -> Step {
    let mut fields = Fields::read(body)?;
    let grace: String = fields.optional("grace")?.unwrap_or_else(|| DEFAULT_GRACE.to_owned());
    let again = fields.optional("again")?.unwrap_or(false);
    fields.finish()?;
    let Some(grace) = calendar::duration(&grace).filter(|grace| *grace <= LONGEST_GRACE) else {
        let message = "The grace period must be a duration of at most 2160h, such as 30m or 24h. With 0s the old \
                       secret expires immediately.";
        return Err(AdminError::invalid("grace", message));
    };
    change(id, context, Rc::new(move |key, context| renew(key, grace, again, context).map(Some)))
}

/// Gives a key a new secret. The previous one stays valid for a while.
fn renew(key: &mut Key, grace: Duration, again: bool, context: &mut AdminContext) -> Result<Secret, AdminError> {
    if key.revoked {
        return Err(AdminError::new(
            409,
            "key_revoked",
            "This key is revoked, so it cannot get a new secret. Create a new key.",
        ));
    }
    let rotating = State::of(key, context.now) == State::Rotating;
    if rotating && !grace.is_zero() && !again {
        return Err(AdminError::new(
            409,
            "key_rotating",
            "This key already has two valid secrets because a rotation is in progress. Set \"again\": true to replace \
             the newest secret immediately and keep the old one until it expires. Set \"grace\": \"0s\" to replace \
             both immediately.",
        ));
    }
    let made = make(context)?;
    let old = std::mem::replace(&mut key.sha256, made.sha256());
    if grace.is_zero() {
        key.previous = None;
    } else if !rotating {
        let until = calendar::moment(context.now.seconds().saturating_add(whole_seconds(grace)));
        key.previous = Some(Previous { sha256: old, until });
    }
    Ok(made)
}

fn change(id: &str, context: &mut AdminContext, change: Change) -> Step {
    if in_file(id, context).is_some() {
        let message = "The gateway file defines this key. Change it there.";
        return Err(AdminError::new(409, "key_in_file", message));
    }
    Ok(attempt(Names::writable(context)?, id.to_owned(), change, ATTEMPTS))
}

fn attempt(names: Names, id: String, change: Change, left: u8) -> Next {
    Next::ask(names.read(&id), move |reply, context| {
        let old = records::found(reply)?.ok_or_else(no_such_key)?;
        write(names, old, change, left, context)
    })
}

fn write(names: Names, old: Record, change: Change, left: u8, context: &mut AdminContext) -> Step {
    let mut new = old.key.clone();
    let made = change(&mut new, context)?;
    let now = context.now;
    Ok(Next::ask(names.change(&old, &new, now), move |reply, context| {
        if !records::done(&reply)? {
            return match left.checked_sub(1) {
                Some(left) => Ok(attempt(names, new.id, change, left)),
                None => Err(AdminError::new(
                    409,
                    "conflict",
                    "Other requests are changing this key at the same time. Try again.",
                )),
            };
        }
        let Some(Secret(secret)) = made else { return show(&new, Source::Redis, context) };
        let shown = WithSecret { key: Shown::new(&new, Source::Redis, context.now), secret: &secret };
        Ok(Next::Answer(AdminReply::ok(&shown)?))
    }))
}

fn show(key: &Key, source: Source, context: &mut AdminContext) -> Step {
    Ok(Next::Answer(AdminReply::ok(&Shown::new(key, source, context.now))?))
}

fn in_file<'a>(id: &str, context: &AdminContext<'a>) -> Option<&'a Key> {
    context.service.keys.iter().find(|key| key.id == id)
}

/// Generates a secret from the host's randomness.
fn make(context: &mut AdminContext) -> Result<Secret, AdminError> {
    let mut text = secret::PREFIX.to_owned();
    let length = secret::PREFIX.len() + secret::RANDOM_DIGITS;
    // Each round yields too few digits with a probability of at most one in a million.
    for _ in 0..8 {
        let mut bytes = [0; 64];
        if !(context.random)(&mut bytes) {
            break;
        }
        // Rejects bytes from 248, the largest multiple of 62, so that all digits are equally likely.
        let digits =
            bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| secret::DIGITS.get(usize::from(*byte) % 62));
        text.extend(digits.map(|digit| char::from(*digit)).take(length - text.len()));
        if text.len() == length {
            text.extend(secret::checksum(text.as_bytes()).map(char::from));
            return Ok(Secret(text));
        }
    }
    Err(AdminError::new(503, "no_randomness", "The gateway could not get random bytes for a new secret. Try again."))
}

impl Secret {
    fn sha256(&self) -> String {
        hex::encoded(&Sha256::digest(&self.0))
    }
}
