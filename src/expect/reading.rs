//! What a judge says, read from the text of its answer. What says two things, or was cut off, says nothing.

use serde::Deserialize;
use serde_json::Value;

use super::Finding;
use super::judge::off_menu;
use super::oracle::Judgement;
use super::schema::slices_in;
use super::shown::quoted;
use crate::core::json::same;
use crate::core::record::FinishReason;

/// What serde says of a key that stands twice in an object.
const DOUBLED: &str = "duplicate field";
/// The field with the words for people; it may differ where everything else is the same.
const REASON: &str = "reason";

/// What a judgement says, in the form that is wanted. A model may think before it says so, in JSON too; objects in the form
/// that is wanted must then all say the same.
pub(super) fn read<T: for<'d> Deserialize<'d>>(judgement: &Judgement) -> Result<T, Finding> {
    if let Some(what) = unfinished(judgement.finish) {
        return Err(off_menu(judgement, &format!("{what}: {}", quoted(judgement.text.trim()))));
    }
    let mut said: Option<(T, Value)> = None;
    let mut error = None;
    for text in slices_in(&judgement.text).filter(|text| text.starts_with('{')) {
        match serde_json::from_str::<T>(text) {
            Ok(one) => {
                let verdict = without_reason(text);
                if said.as_ref().is_some_and(|(_, before)| !same(before, &verdict)) {
                    let what = format!("several things that differ: {}", quoted(judgement.text.trim()));
                    return Err(off_menu(judgement, &what));
                }
                said = Some((one, verdict));
            }
            Err(why) if why.to_string().starts_with(DOUBLED) => {
                return Err(off_menu(judgement, &format!("the same twice ({why}): {}", quoted(text))));
            }
            Err(why) => error = Some(why),
        }
    }
    said.map(|(said, _)| said).ok_or_else(|| {
        let why = error.or_else(|| serde_json::from_str::<Value>(&judgement.text).err());
        let why = why.map_or_else(|| "it is no object".to_owned(), |why| why.to_string());
        off_menu(judgement, &format!("something else than was asked for ({why}): {}", quoted(judgement.text.trim())))
    })
}

/// Why an answer that did not end by itself is none.
fn unfinished(finish: FinishReason) -> Option<&'static str> {
    match finish {
        FinishReason::Length => Some("something that was cut off at the limit on tokens (finish reason `length`)"),
        FinishReason::ContentFilter => Some("something that was filtered (finish reason `content-filter`)"),
        FinishReason::Refusal => Some("that it declines (finish reason `refusal`)"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Unknown => None,
    }
}

/// An object without the words for people.
fn without_reason(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove(REASON);
    }
    value
}
