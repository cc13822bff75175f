//! A text as a point among others: what an embeddings model makes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A vector that a direction can be told of: finite numbers, at least one of them not 0. Written as base64 of 32-bit
/// floats, the lowest byte first.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Vec<f32>);

/// Why numbers are no embedding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEmbedding {
    /// There are none.
    #[error("it has no numbers")]
    Empty,
    /// One is infinite, or none at all; with its place, from 0.
    #[error("its number {0} is not finite")]
    NotFinite(usize),
    /// It points nowhere.
    #[error("all its numbers are 0")]
    Zero,
    /// It is no base64.
    #[error("it is no base64")]
    NoBase64,
    /// The bytes are no whole number of floats.
    #[error("its {0} bytes are no multiple of 4")]
    Length(usize),
}

impl Embedding {
    /// The embedding of these numbers.
    pub fn new(values: Vec<f32>) -> Result<Self, NoEmbedding> {
        if values.is_empty() {
            return Err(NoEmbedding::Empty);
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(NoEmbedding::NotFinite(at));
        }
        if values.iter().all(|value| *value == 0.0) {
            return Err(NoEmbedding::Zero);
        }
        Ok(Self(values))
    }

    /// The embedding in base64 of little-endian 32-bit floats.
    pub fn from_base64(text: &str) -> Result<Self, NoEmbedding> {
        let bytes = STANDARD.decode(text).map_err(|_| NoEmbedding::NoBase64)?;
        let (floats, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(NoEmbedding::Length(bytes.len()));
        }
        Self::new(floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
    }

    /// The same as text.
    #[must_use]
    pub fn to_base64(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        STANDARD.encode(bytes)
    }

    /// Its numbers.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

impl Serialize for Embedding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(|why| D::Error::custom(format!("this is no embedding: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back_bit_by_bit(values in prop::collection::vec(any::<f32>(), 0..40)) {
            match Embedding::new(values.clone()) {
                Ok(embedding) => {
                    let text = serde_json::to_string(&embedding).expect("JSON");
                    let again: Embedding = serde_json::from_str(&text).expect("the same");
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(again.values()), bits(&values));
                }
                Err(_) => prop_assert!(values.iter().all(|v| *v == 0.0) || values.iter().any(|v| !v.is_finite())),
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9+/=]{0,40}") {
            if let Ok(embedding) = Embedding::from_base64(&text) {
                prop_assert_eq!(embedding.to_base64(), text);
            }
        }
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        assert_eq!(Embedding::new(Vec::new()), Err(NoEmbedding::Empty));
        assert_eq!(Embedding::new(vec![1.0, f32::NAN]), Err(NoEmbedding::NotFinite(1)));
        assert_eq!(Embedding::new(vec![f32::NEG_INFINITY]), Err(NoEmbedding::NotFinite(0)));
        assert_eq!(Embedding::new(vec![0.0, -0.0]), Err(NoEmbedding::Zero));
        assert_eq!(Embedding::from_base64("AAAAAAA="), Err(NoEmbedding::Length(5)));
        assert_eq!(Embedding::from_base64("a vector"), Err(NoEmbedding::NoBase64));
        assert_eq!(Embedding::from_base64("AADAfw=="), Err(NoEmbedding::NotFinite(0)));
        assert!(Embedding::new(vec![f32::MIN_POSITIVE, 0.0]).is_ok());
    }

    #[test]
    fn a_known_vector_has_a_known_text() {
        let embedding = Embedding::new(vec![1.0, -0.5]).expect("a vector");
        assert_eq!(serde_json::to_string(&embedding).expect("JSON"), "\"AACAPwAAAL8=\"");
    }
}
