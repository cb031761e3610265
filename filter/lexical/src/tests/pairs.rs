#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use sha2::{Digest, Sha256};

use crate::Lexicon;

#[derive(serde::Deserialize)]
struct Pair {
    a: String,
    b: String,
    same: bool,
    kind: String,
    half: String,
}

fn pairs() -> Vec<Pair> {
    let lines = include_str!("../../../../envoy/data/cache-pairs.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_hash_of_the_texts_splits_the_pairs() {
    for Pair { a, b, half, .. } in pairs() {
        let odd = Sha256::digest(format!("{a}\n{b}")).first().is_some_and(|byte| byte % 2 == 1);
        assert_eq!(half == "report", odd, "{a} | {b}");
    }
}

/// The rules were chosen with the other half.
#[test]
fn no_reported_pair_of_two_questions_shares_an_answer_by_its_words() {
    let lexicon = Lexicon::new([7; 32]);
    let matches = |pair: &Pair| {
        let (one, two) = (lexicon.signature(&pair.a).unwrap(), lexicon.signature(&pair.b).unwrap());
        one.compare(&two).is_ok()
    };
    let (mut found, mut same) = (0, 0);
    for pair in pairs().iter().filter(|pair| pair.half == "report") {
        if pair.same {
            same += 1;
            found += u32::from(matches(pair));
        } else {
            assert!(!matches(pair), "{}: {} | {}", pair.kind, pair.a, pair.b);
        }
    }
    println!("{found} of {same} reported pairs with one answer pass");
    assert!(found * 5 >= same * 2, "{found} of {same}");
}
