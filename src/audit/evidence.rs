//! What one answer says: whether it passes, and whether what fails is its form or its content.

use crate::core::verdict::{About, Checked, SampleOutcome, Unread, Verdict};

/// What fails in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// Only how it is put: what speaks of its content holds.
    Form,
    /// Only how it is put, as far as anybody can say: nothing speaks of its content.
    FormAlone,
    /// What it says.
    Content,
    /// Only what it took: time, money.
    Means,
    /// It is empty, cut off, filtered or declined.
    Unfinished,
}

/// One answer of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What fails; `None` where it passes.
    pub fails: Option<Fails>,
    /// The answer, to tell whether it is always the same.
    pub text: String,
    /// The first thing that fails, in a sentence.
    pub why: String,
    /// USD that it cost, where that is known.
    pub cost_usd: Option<f64>,
    /// How long it took, in milliseconds, where that is known.
    pub latency_ms: Option<u64>,
}

impl Answered {
    /// Whether it passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.fails.is_none()
    }

    /// Whether what it says is right, however it is put.
    #[must_use]
    pub fn is_right(&self) -> bool {
        matches!(self.fails, None | Some(Fails::Form))
    }
}

/// A sample as an answer; `None` where there is none, or where nobody can say whether it passes.
#[must_use]
pub fn answered(sample: &SampleOutcome) -> Option<Answered> {
    let fails = match sample.verdict {
        Verdict::Passed => None,
        Verdict::Failed if sample.reason.is_some() => Some(Fails::Unfinished),
        Verdict::Failed => Some(what_fails(&sample.expectations)),
        _ => return None,
    };
    let calls: String = sample.tool_calls.iter().map(|call| format!("\n{} {}", call.name, call.arguments)).collect();
    let bad = sample.expectations.iter().find(|checked| checked.is_bad() && checked.decides());
    let why = sample.reason.clone().or_else(|| bad.map(|checked| format!("{}: {}", checked.kind, checked.reason)));
    Some(Answered {
        fails,
        text: format!("{}{calls}", sample.output.as_deref().unwrap_or_default()),
        why: why.unwrap_or_default(),
        cost_usd: sample.cost_usd,
        latency_ms: sample.latency_ms,
    })
}

/// What the expectations of an answer found.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is another thing that was found")]
struct Found {
    form_fails: bool,
    means_fail: bool,
    content_fails: bool,
    content_holds: bool,
    /// Something speaks of the content, and could not say anything.
    content_unknown: bool,
}

fn what_fails(expectations: &[Checked]) -> Fails {
    let mut found = Found::default();
    for checked in expectations.iter().filter(|checked| checked.weight > 0.0) {
        found.take(checked, !checked.pass);
    }
    if found.content_fails {
        Fails::Content
    } else if found.form_fails && found.content_holds && !found.content_unknown {
        Fails::Form
    } else if found.form_fails {
        Fails::FormAlone
    } else if found.means_fail {
        Fails::Means
    } else {
        // Only a score fails that no single expectation makes.
        Fails::Content
    }
}

impl Found {
    /// Takes an expectation, and whether it is one of those that make the answer fail.
    fn take(&mut self, checked: &Checked, fails: bool) {
        if checked.advises {
            return;
        }
        if checked.lack.is_some() {
            self.content_unknown |= checked.about != Some(About::Form);
            return;
        }
        match (checked.about, checked.unread) {
            (Some(About::Form), _) => self.form_fails |= fails,
            (Some(About::Means), _) => self.means_fail |= fails,
            (Some(About::Content), Some(unread)) => {
                // It fails for the form, whatever it would say.
                self.form_fails |= fails && unread != Unread::Fails;
                match unread {
                    Unread::Holds => self.content_holds = true,
                    Unread::Unknown => self.content_unknown = true,
                    Unread::Fails => self.content_fails |= fails,
                }
            }
            (Some(About::Content), None) if fails && checked.void => self.content_unknown = true,
            (Some(About::Content), None) if fails => self.content_fails = true,
            (Some(About::Content), None) => self.content_holds = true,
            (None, _) => self.take_parts(checked, fails),
        }
    }

    /// A composition that fails, fails for the parts that make it fail; the others count as they are.
    fn take_parts(&mut self, checked: &Checked, fails: bool) {
        let name = checked.kind.strip_prefix("not-").unwrap_or(&checked.kind);
        // A part that holds is what is wrong with `none`, and with the others turned round.
        let turned = (name == "none") != (name.len() < checked.kind.len());
        for part in checked.parts.iter().filter(|part| part.weight > 0.0) {
            let guilty = fails && part.pass == turned;
            if guilty || part.pass != turned {
                self.take(part, guilty);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::verdict::Lack;

    fn checked(about: About, pass: bool) -> Checked {
        Checked { kind: "x".into(), about: Some(about), pass, ..Checked::default() }
    }

    fn composed(kind: &str, pass: bool, parts: Vec<Checked>) -> Checked {
        Checked { kind: kind.into(), pass, parts, ..Checked::default() }
    }

    #[test]
    fn form_is_told_from_content() {
        let (form, content, means) = (About::Form, About::Content, About::Means);
        let unread = |unread| Checked { unread: Some(unread), ..checked(content, false) };
        let unasked = Checked { lack: Some(Lack::Unasked), ..checked(content, false) };
        let advice = Checked { advises: true, ..checked(content, false) };
        for (expectations, expected) in [
            (vec![checked(form, false), checked(content, true)], Fails::Form),
            (vec![checked(form, false)], Fails::FormAlone),
            (vec![checked(form, false), checked(content, false)], Fails::Content),
            (vec![checked(form, true), checked(content, false)], Fails::Content),
            (vec![checked(means, false), checked(content, true)], Fails::Means),
            (vec![checked(means, false), checked(form, false), checked(content, true)], Fails::Form),
            (vec![checked(form, false), unread(Unread::Holds)], Fails::Form),
            (vec![unread(Unread::Holds)], Fails::Form),
            (vec![unread(Unread::Unknown)], Fails::FormAlone),
            (vec![checked(form, false), unread(Unread::Fails)], Fails::Content),
            (vec![checked(form, false), checked(content, true), unasked], Fails::FormAlone),
            (vec![checked(form, false), advice], Fails::FormAlone),
            (vec![composed("all", false, vec![checked(form, false), checked(content, true)])], Fails::Form),
            (vec![composed("all", false, vec![checked(form, false), checked(content, false)])], Fails::Content),
            (vec![composed("none", false, vec![checked(form, true), checked(content, false)])], Fails::Form),
            (vec![composed("none", false, vec![checked(form, false), checked(content, true)])], Fails::Content),
            (vec![composed("not-all", false, vec![checked(form, true), checked(content, true)])], Fails::Content),
            (vec![composed("any", false, vec![composed("all", false, vec![checked(form, false)])])], Fails::FormAlone),
        ] {
            assert_eq!(what_fails(&expectations), expected, "{expectations:#?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        let mut sample = SampleOutcome::new(0, Verdict::Errored);
        assert_eq!(answered(&sample), None);
        sample.verdict = Verdict::Failed;
        sample.reason = Some("the answer is empty".into());
        assert_eq!(answered(&sample).and_then(|answer| answer.fails), Some(Fails::Unfinished));
        sample.verdict = Verdict::Passed;
        assert!(answered(&sample).is_some_and(|answer| answer.passes()));
    }
}
