//! The provider says that it fails, or that the request does.

use super::{A_SECOND, Case, Sees, Set, play};

const CASES: &[Case<'_>] = &[
    // A short wait is worth it, a long one is not while another target is left.
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
    // Two requests at once for the same thing: another provider knows nothing of it.
    Case::once(&["status=409"], Sees::First, (2, 0)),
    Case::always("status=409", Sees::Error(409, ""), (2, 0)),
    // The provider has no such model: another may have it.
    Case::always("status=404", Sees::Second, (1, 1)),
    // The request is to blame: nobody else is asked.
    Case::always("status=400", Sees::Error(400, ""), (1, 0)),
    Case::always("status=422", Sees::Error(422, ""), (1, 0)),
];

/// Of these each provider has its own words.
const BLAMED: [(&str, &str, u16, &str); 2] =
    [("openai", "filter", 400, "content_filter"), ("anthropic", "filter", 400, "content_policy_violation")];

const REFUSALS: Set = Set::plain("refusals", CASES.len());
const BLAME: Set = Set::plain("blame", BLAMED.len());

/// What the tests here ask for.
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
