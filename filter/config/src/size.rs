//! Sizes in a gateway file.

/// Parses a whole number with a unit, such as `512KiB`, `64MiB` or `1GiB`, into bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let unit: u64 = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sizes_have_a_number_and_a_unit() {
        for (text, size) in [("1KiB", 1_024), ("64MiB", 67_108_864), ("2GiB", 2_147_483_648), ("0KiB", 0)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in [
            "",
            "64",
            "MiB",
            "64MB",
            "64 MiB",
            "-1KiB",
            "1.5MiB",
            "64mib",
            "99999999999999999999KiB",
            "18014398509481984KiB",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
