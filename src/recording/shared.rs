//! Recordings that machines share through a store of objects: where one stands there, and what of it is believed.

use super::line::Line;
use crate::core::names::{CaseName, ModelAlias, RequestKey};

/// The largest object that is read, in bytes.
pub const MAX_SHARED: u64 = 64 << 20;

/// Where the answer to a request stands below the store's prefix.
#[must_use]
pub fn shared_path(key: &RequestKey) -> String {
    let key = key.as_str();
    format!("v1/{}/{key}.json", key.get(..2).unwrap_or_default())
}

/// What is put there; nothing for a line that says no more what it answers, which nobody could believe.
#[must_use]
pub fn shared_text(line: &Line) -> Option<String> {
    line.request.as_ref().map(|_| line.to_json())
}

/// What stands there, as the answer to the request with this key. It is believed only where it holds the request that it
/// answers, and that request has this key. The names of case and model are those of whoever asks.
pub fn shared_line(key: &RequestKey, text: &[u8], case: &CaseName, model: &ModelAlias) -> Result<Line, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("it is no UTF-8: {error}"))?;
    let line = Line::parse(text)?;
    if line.request.is_none() {
        return Err("it does not hold the request that it answers".to_owned());
    }
    if line.key != *key {
        return Err("it answers another request".to_owned());
    }
    Ok(Line { case: case.clone(), model: model.clone(), ..line })
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::*;

    #[test]
    fn only_the_answer_to_the_request_is_believed() {
        let known = line("a", "1", "x");
        let (case, model) = (CaseName::new("other").expect("a name"), ModelAlias::new("m").expect("an alias"));
        let text = shared_text(&known).expect("with its request");
        let read = shared_line(&known.key, text.as_bytes(), &case, &model).expect("believed");
        assert_eq!((read.case, read.response), (case.clone(), known.response.clone()));
        let other = line("a", "2", "x");
        let forged = text.replace(known.key.as_str(), other.key.as_str());
        for (wrong, why) in [
            (text.clone().into_bytes(), "another request"),
            (forged.into_bytes(), "does not match"),
            (Line { request: None, ..other.clone() }.to_json().into_bytes(), "does not hold"),
            (b"{}".to_vec(), "missing field"),
            (vec![0xff], "no UTF-8"),
            (Vec::new(), "cut off"),
        ] {
            let refused = shared_line(&other.key, &wrong, &case, &model).expect_err("refused");
            assert!(refused.contains(why), "{refused}");
        }
        assert_eq!(shared_text(&Line { request: None, ..known.clone() }), None);
        assert_eq!(shared_path(&known.key), format!("v1/{}/{}.json", &known.key.as_str()[..2], known.key));
    }
}
