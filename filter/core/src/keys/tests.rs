use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PATH: &str = "/v1/chat/completions";

fn caller() -> Caller {
    Caller { key_id: "alice".into(), team: "research".into(), ..Caller::default() }
}

fn admitted(caller: Caller, until: Option<u64>, now: u64, from: Option<&str>) -> Result<(), Denied> {
    let credential = Credential { caller: Rc::new(caller), until };
    let source = from.map(|address| address.parse().unwrap());
    admit(Some(&credential), b"any", now, PATH, || source).map(|_| ())
}

#[test]
fn a_key_that_nobody_has_is_unknown_and_one_of_ours_that_was_mistyped_is_malformed() {
    let denied = |presented: &[u8]| admit(None, presented, 0, PATH, || None).unwrap_err();
    let mut key = b"sk-sluice-0123456789ABCDEFGHIJKLMNOPa".to_vec();
    key.extend(secret::checksum(&key));
    assert_eq!(denied(&key), Denied::Unknown);
    assert_eq!(denied(b"sk-proj-123"), Denied::Unknown);
    assert_eq!(denied(b"\xff"), Denied::Unknown);
    assert_eq!(denied(&key[..key.len() - 1]), Denied::Malformed);
    assert_eq!(denied(b"sk-sluice-"), Denied::Malformed);
}

#[test]
fn a_key_is_valid_until_its_moment_and_its_previous_secret_until_its_own() {
    let ending = || Caller { expires: Some(100), ..caller() };
    assert_eq!(admitted(ending(), None, 99, None), Ok(()));
    assert_eq!(admitted(ending(), None, 100, None), Err(Denied::Expired));
    assert_eq!(admitted(ending(), Some(50), 49, None), Ok(()));
    assert_eq!(admitted(ending(), Some(50), 50, None), Err(Denied::Expired));
    assert_eq!(admitted(Caller { revoked: true, ..ending() }, None, 200, None), Err(Denied::Revoked));
}

#[test]
fn a_key_bound_to_addresses_is_refused_elsewhere_and_where_the_address_is_not_known() {
    let bound = || Caller { sources: Cidr::parse("10.0.0.0/8").map(|cidr| vec![cidr]), ..caller() };
    assert_eq!(admitted(bound(), None, 0, Some("10.1.1.1")), Ok(()));
    assert_eq!(admitted(bound(), None, 0, Some("11.1.1.1")), Err(Denied::Source));
    assert_eq!(admitted(bound(), None, 0, None), Err(Denied::Source));
}

#[test]
fn the_address_is_not_asked_for_when_the_key_is_bound_to_none() {
    let credential = Credential { caller: Rc::new(caller()), until: None };
    let found = admit(Some(&credential), b"any", 0, PATH, || panic!("asked"));
    assert_eq!(&*found.unwrap().key_id, "alice");
}

#[test]
fn a_key_calls_its_own_paths_only() {
    let only = |pattern: &str| Caller { endpoints: Some(vec![Glob::new(pattern)]), ..caller() };
    assert_eq!(admitted(only("/v1/chat/*"), None, 0, None), Ok(()));
    assert_eq!(admitted(only("/v1/models"), None, 0, None), Err(Denied::Endpoint));
}

#[test]
fn the_log_tells_all_reasons_apart_and_the_caller_reads_the_same_of_every_invalid_key() {
    use Denied::{Endpoint, Expired, Malformed, Revoked, Source, Unknown};
    let all = [Malformed, Unknown, Expired, Revoked, Source, Endpoint];
    let codes: std::collections::BTreeSet<&str> = all.iter().map(|denied| denied.code()).collect();
    assert_eq!(codes.len(), all.len());
    for denied in [Malformed, Unknown, Expired, Revoked] {
        assert_eq!(denied.error(), Unknown.error());
        assert_eq!((denied.error().status, denied.error().code.as_deref()), (401, Some("invalid_api_key")));
    }
    assert_eq!((Source.error().status, Source.error().code.as_deref()), (401, Some("ip_not_authorized")));
    assert_eq!((Endpoint.error().status, Endpoint.error().code.as_deref()), (403, Some("endpoint_not_allowed")));
}
