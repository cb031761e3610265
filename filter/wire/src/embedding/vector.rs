//! One vector in the provider's encoding; parsed only if it must be converted.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::json;

use super::Encoding;

/// Some servers omit the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A vector.
#[derive(Debug, Clone)]
pub enum Vector<'a> {
    /// The text of a non-empty JSON array of numbers: see [`Vector::read`].
    Numbers(Cow<'a, RawValue>),
    /// Base64 of 32-bit floats, little-endian; unchecked until it is decoded.
    Packed(Cow<'a, str>),
}

impl<'a> Vector<'a> {
    /// Reads a JSON array of numbers, or a base64 string.
    pub fn read(raw: &'a RawValue) -> Result<Self, ApiError> {
        if raw.get().starts_with('"') {
            return json::read(raw.get()).map(|Text(text)| Self::Packed(text)).map_err(|_| no_vector());
        }
        // The input is valid JSON: in an array, only numbers have no letters but `e`, no quotes and no brackets.
        let numbers = inside(raw.get()).is_some_and(|inside| {
            !inside.trim_ascii().is_empty()
                && inside.bytes().all(|byte| byte.is_ascii_digit() || b"-+.eE, \t\r\n".contains(&byte))
        });
        if numbers { Ok(Self::Numbers(Cow::Borrowed(raw))) } else { Err(no_vector()) }
    }

    /// Converts the vector to `encoding`; borrows if it has that encoding.
    pub fn encoded(&'a self, encoding: Encoding) -> Result<Self, ApiError> {
        match (self, encoding) {
            (Self::Numbers(raw), Encoding::Float) => Ok(Self::Numbers(Cow::Borrowed(raw))),
            (Self::Packed(text), Encoding::Base64) => Ok(Self::Packed(Cow::Borrowed(text))),
            (Self::Numbers(_), Encoding::Base64) => {
                let numbers = self.floats()?;
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                Ok(Self::Packed(Cow::Owned(STANDARD.encode(&bytes))))
            }
            (Self::Packed(_), Encoding::Float) => {
                let raw = serde_json::value::to_raw_value(&self.floats()?).map_err(|_| no_vector())?;
                Ok(Self::Numbers(Cow::Owned(raw)))
            }
        }
    }

    /// Its numbers: at least one, and all finite.
    pub fn floats(&self) -> Result<Vec<f32>, ApiError> {
        let numbers = match self {
            Self::Numbers(raw) => {
                let texts = inside(raw.get()).unwrap_or_default().split(',');
                texts.map(|text| json::number(text).map(|number| number as f32)).collect()
            }
            Self::Packed(text) => LENIENT.decode(&**text).ok().and_then(|bytes| match bytes.as_chunks::<4>() {
                (numbers, []) => Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
                _ => None,
            }),
        };
        let numbers: Vec<f32> = numbers.ok_or_else(no_vector)?;
        let valid = !numbers.is_empty() && numbers.iter().all(|number| number.is_finite());
        if valid { Ok(numbers) } else { Err(no_vector()) }
    }

    /// The vector's encoding.
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Numbers(_) => Encoding::Float,
            Self::Packed(_) => Encoding::Base64,
        }
    }

    /// The length of its text in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(raw) => raw.get().len(),
            Self::Packed(text) => text.len(),
        }
    }
}

impl PartialEq for Vector<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(one), Self::Numbers(other)) => one.get() == other.get(),
            (Self::Packed(one), Self::Packed(other)) => one == other,
            _ => false,
        }
    }
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(raw) => raw.serialize(serializer),
            Self::Packed(text) => serializer.serialize_str(text),
        }
    }
}

/// Borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn inside(array: &str) -> Option<&str> {
    array.strip_prefix('[')?.strip_suffix(']')
}

fn no_vector() -> ApiError {
    ApiError::bad_answer("The provider's answer contains an embedding that is not a vector.")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(json: &str) -> Result<Vector<'_>, ApiError> {
        Vector::read(serde_json::from_str(json).unwrap())
    }

    fn written(vector: &Vector<'_>, encoding: Encoding) -> String {
        serde_json::to_string(&vector.encoded(encoding).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_copied_to_the_letter() {
        let json = "[0.10, -1E-7,\t3]";
        assert_eq!(written(&read(json).unwrap(), Encoding::Float), json);
    }

    #[test]
    fn base64_is_of_little_endian_floats() {
        let packed = r#""AACAPwAAAMA=""#;
        assert_eq!(written(&read("[1, -2.0]").unwrap(), Encoding::Base64), packed);
        assert_eq!(written(&read(packed).unwrap(), Encoding::Float), "[1.0,-2.0]");
        assert_eq!(written(&read(packed).unwrap(), Encoding::Base64), packed);
    }

    #[test]
    fn both_encodings_have_the_same_numbers() {
        for json in ["[1, -2.0]", r#""AACAPwAAAMA=""#] {
            assert_eq!(read(json).unwrap().floats().unwrap(), [1.0, -2.0], "{json}");
        }
    }

    #[test]
    fn what_is_no_vector_is_no_answer() {
        for json in ["[]", "[ ]", "[[1]]", "[null]", "[\"1\"]", "[true]", "{}", "1", "null"] {
            assert_eq!(read(json).unwrap_err().status, 502, "{json}");
        }
        // Detected only on decoding.
        for json in ["[1e400]", r#""AACA""#, r#""!!!!""#, r#""""#, r#""AADAfw==""#] {
            let vector = read(json).unwrap();
            let other = if vector.encoding() == Encoding::Float { Encoding::Base64 } else { Encoding::Float };
            assert_eq!(vector.encoded(other).unwrap_err().status, 502, "{json}");
            assert_eq!(vector.floats().unwrap_err().status, 502, "{json}");
        }
    }
}
