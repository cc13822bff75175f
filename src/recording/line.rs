//! One recorded answer, as it stands in a line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::names::{CaseName, ModelAlias, RequestKey};
use crate::core::record::{Request, Response};

/// A request with its response. The fields are written in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The key of the request and the sample.
    pub key: RequestKey,
    /// The case that was asked for.
    pub case: CaseName,
    /// The number of the sample, from 0.
    pub sample: u32,
    /// The alias of the model.
    pub model: ModelAlias,
    /// The check that asked, where it is no answer but what somebody says of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The turn of the conversation, from 2; left out of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The experiment of an audit that asked, where it was no test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// What was asked; left out where the project does not want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// What came back.
    pub response: Response,
    /// When, as RFC 3339.
    pub recorded_at: String,
}

impl Line {
    /// The line's JSON, without a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in a line can fail to serialise: every map has text keys.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The order of lines in a file.
    #[must_use]
    pub fn sort_key(&self) -> (&str, u32, &str) {
        (self.case.as_str(), self.sample, self.key.as_str())
    }

    /// Reads a line and checks that its key belongs to its request.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line: Self = serde_json::from_str(text).map_err(|error| reason(&error))?;
        line.check()?;
        Ok(line)
    }

    /// Whether the line is one that this program writes: its key belongs to its request, its time is one.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(request) = &self.request
            && request.key(self.sample) != self.key
        {
            return Err("its key does not match its request and sample; recordings are never edited by hand".into());
        }
        if self.time().is_none() {
            return Err(format!("its recorded_at `{}` is no RFC 3339 time", self.recorded_at));
        }
        Ok(())
    }

    /// When it was recorded. Times are compared as times: as text, an offset or a fraction would sort them wrongly.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.recorded_at.parse().ok()
    }
}

/// What serde says, without the place in the line, which for JSON lines is always the line itself.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    if error.is_eof() {
        return format!("it is cut off in column {} ({text})", error.column());
    }
    format!("column {}: {text}", error.column())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::record::{FinishReason, Message, RequestKind, Role};
    use proptest::prelude::*;

    pub(in crate::recording) fn line(case: &str, content: &str, answer: &str) -> Line {
        let request = Request {
            provider: "mock".into(),
            model: "m".into(),
            kind: RequestKind::Answer,
            messages: vec![Message::new(Role::User, content)],
            tools: Vec::new(),
            response_format: None,
            params: serde_json::Map::new(),
            extras: None,
            retrieved: None,
        };
        Line {
            key: request.key(0),
            case: CaseName::new(case).expect("a name"),
            sample: 0,
            model: ModelAlias::new("fast").expect("an alias"),
            check: None,
            turn: None,
            experiment: None,
            request: Some(request),
            response: Response { text: answer.into(), finish_reason: FinishReason::Stop, ..Response::default() },
            recorded_at: "2026-01-02T03:04:05Z".into(),
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(content in any::<String>(), answer in any::<String>()) {
            let line = line("a", &content, &answer);
            let text = line.to_json();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Line::parse(&text), Ok(line));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = Line::parse(&text);
        }
    }

    #[test]
    fn the_fields_stand_in_the_documented_order() {
        let text = line("a", "x", "y").to_json();
        let places: Vec<_> =
            ["\"key\"", "\"case\"", "\"sample\"", "\"model\"", "\"request\"", "\"response\"", "\"recorded_at\""]
                .iter()
                .map(|field| text.find(field))
                .collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
    }

    #[test]
    fn an_edited_line_is_refused() {
        let text = line("a", "x", "y").to_json().replace("\"content\":\"x\"", "\"content\":\"z\"");
        assert!(Line::parse(&text).is_err_and(|why| why.contains("does not match")));
        let text = line("a", "x", "y").to_json().replace("2026-01-02T", "yesterday ");
        assert!(Line::parse(&text).is_err_and(|why| why.contains("no RFC 3339 time")));
        let cut = &line("a", "x", "y").to_json()[..60];
        assert!(Line::parse(cut).is_err_and(|why| why.contains("cut off")));
    }
}
