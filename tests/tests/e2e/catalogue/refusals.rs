//! The provider reports its own error, or an error in the request.

use super::{A_SECOND, Case, Sees, Set, play};

const CASES: &[Case<'_>] = &[
    // The gateway waits for a short retry time, but not for a long one while another target is left.
    Case::once(&["status=429+retry-after=1"], Sees::First, (2, 0)).after(A_SECOND),
    Case::always("status=429+retry-after=1", Sees::Second, (2, 1)).after(A_SECOND),
    Case::always("status=429+retry-after=3600", Sees::Second, (1, 1)),
    Case::always("status=429", Sees::Second, (1, 1)),
    Case::always("quota", Sees::Second, (1, 1)),
    Case::once(&["status=500"], Sees::First, (2, 0)),
    Case::always("status=500", Sees::Second, (2, 1)),
    Case::always("status=503", Sees::Second, (1, 1)),
    Case::always("status=503+retry-after=3600", Sees::Second, (1, 1)),
    Case::always("status=529", Sees::Second, (1, 1)),
    Case::once(&["status=408"], Sees::First, (2, 0)),
    Case::always("status=408", Sees::Second, (2, 1)),
    // A conflict of two concurrent requests; another provider has none.
    Case::once(&["status=409"], Sees::First, (2, 0)),
    Case::always("status=409", Sees::Error(409, ""), (2, 0)),
    // The provider does not have the model; another may.
    Case::always("status=404", Sees::Second, (1, 1)),
    // The request is at fault, so no other provider is tried.
    Case::always("status=400", Sees::Error(400, ""), (1, 0)),
    Case::always("status=422", Sees::Error(422, ""), (1, 0)),
];

/// Each provider has its own codes for these.
const BLAMED: [(&str, &str, u16, &str); 2] =
    [("openai", "filter", 400, "content_filter"), ("anthropic", "filter", 400, "content_policy_violation")];

const REFUSALS: Set = Set::plain("refusals", CASES.len());
const BLAME: Set = Set::plain("blame", BLAMED.len());

/// The sets of the tests here.
pub const SETS: &[Set] = &[REFUSALS, BLAME];

#[tokio::test]
async fn openai_refuses() {
    play("openai", &REFUSALS, CASES, &[false, true]).await;
}

#[tokio::test]
async fn anthropic_refuses() {
    play("anthropic", &REFUSALS, CASES, &[false, true]).await;
}

#[tokio::test]
async fn what_a_content_filter_refuses_is_asked_nowhere_else() {
    for provider in ["openai", "anthropic"] {
        let of_it = BLAMED.into_iter().filter(|(who, ..)| *who == provider);
        let case = |(_, fault, status, code)| Case::always(fault, Sees::Error(status, code), (1, 0));
        play(provider, &BLAME, &of_it.map(case).collect::<Vec<_>>(), &[false, true]).await;
    }
}
