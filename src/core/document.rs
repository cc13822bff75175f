//! What a retriever finds: a document, or a part of one, that is shown to a model.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::{canonical_json, sha256_hex};

/// A document, or a part of one, as a retriever gave it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is called: what relevant documents are named by.
    pub id: String,
    /// Its text, as the template sees it.
    pub text: String,
    /// How well it fits, by the retriever's own measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Where it comes from: a file, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// SHA-256 of what was retrieved, in its order. Scores are left out: an index may give others for the same documents.
#[must_use]
pub fn digest_of_documents(documents: &[Document]) -> String {
    let shown = |document: &Document| json!([document.id, document.text, document.source]);
    sha256_hex(canonical_json(&Value::Array(documents.iter().map(shown).collect())).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str, text: &str, score: f64) -> Document {
        Document { id: id.into(), text: text.into(), score: Some(score), source: None }
    }

    #[test]
    fn the_digest_is_of_what_is_read_and_of_its_order() {
        let (a, b) = (document("a", "one", 0.5), document("b", "two", 0.25));
        let digest = digest_of_documents(&[a.clone(), b.clone()]);
        assert_eq!(digest, digest_of_documents(&[document("a", "one", 0.75), b.clone()]));
        assert_ne!(digest, digest_of_documents(&[b.clone(), a.clone()]));
        assert_ne!(digest, digest_of_documents(&[a, document("b", "two!", 0.25)]));
        // No text can be moved from one part of a document into another.
        assert_ne!(digest_of_documents(&[document("a", "b", 0.0)]), digest_of_documents(&[document("ab", "", 0.0)]));
    }
}
