//! What one answer says: whether it passes, and whether what fails is its form or its content.

use crate::core::record::FinishReason;
use crate::core::verdict::{About, Checked, SampleOutcome, Unread, Verdict};

/// What fails in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// Only how it is put: what speaks of its content holds.
    Form,
    /// Only how it is put, as far as anybody can say.
    FormAlone(Unsaid),
    /// What it says.
    Content,
    /// Only what it took: time, money.
    Means,
    /// It was cut off at the limit on tokens.
    CutOff,
    /// The provider's filter stopped it.
    Filtered,
    /// The model declined.
    Refused,
    /// It is empty.
    Unfinished,
}

/// Why nobody can say whether the content of an answer holds that fails in form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Nothing that speaks of it could say anything.
    Nothing,
    /// Something holds that speaks of it, and something else could not say anything.
    Part,
    /// What fails may be its form as well as its content.
    Either,
}

impl Unsaid {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Part, Self::Either];
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
        Verdict::Failed if ended(sample, FinishReason::Length) => Some(Fails::CutOff),
        Verdict::Failed if ended(sample, FinishReason::ContentFilter) => Some(Fails::Filtered),
        Verdict::Failed if ended(sample, FinishReason::Refusal) => Some(Fails::Refused),
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

/// Whether an answer, or one that it was followed by, ended so although nobody expects that.
fn ended(sample: &SampleOutcome, reason: FinishReason) -> bool {
    let is_expected = sample.expectations.iter().any(|checked| checked.kind == "finish-reason" && checked.pass);
    let mut ends = sample.finish_reason.into_iter().chain(sample.turns.iter().map(|turn| turn.finish_reason));
    !is_expected && ends.any(|end| end == reason)
}

/// What the expectations of an answer found.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is another thing that was found")]
struct Found {
    form_fails: bool,
    means_fail: bool,
    content_fails: bool,
    /// Something that is wanted is there. That something unwanted is not there holds of most wrong answers, too.
    content_holds: bool,
    /// Something speaks of the content, and could not say anything.
    content_unknown: bool,
    /// Something fails that may speak of the form as well as of the content.
    either_fails: bool,
}

fn what_fails(expectations: &[Checked]) -> Fails {
    let mut found = Found::default();
    for checked in expectations.iter().filter(|checked| checked.weight > 0.0) {
        found.take(checked, !checked.pass, false);
    }
    if found.content_fails {
        Fails::Content
    } else if found.form_fails && found.content_holds && !found.content_unknown {
        Fails::Form
    } else if found.form_fails {
        Fails::FormAlone(match found {
            Found { either_fails: true, .. } => Unsaid::Either,
            Found { content_holds: true, .. } => Unsaid::Part,
            _ => Unsaid::Nothing,
        })
    } else if found.means_fail {
        Fails::Means
    } else {
        // Only a score fails that no single expectation makes.
        Fails::Content
    }
}

impl Found {
    /// Takes an expectation, whether it is one of those that make the answer fail, and whether what it is part of is turned
    /// round.
    fn take(&mut self, checked: &Checked, fails: bool, turned: bool) {
        if checked.advises {
            return;
        }
        if checked.lack.is_some() {
            self.content_unknown |= checked.about != Some(About::Form);
            return;
        }
        let wants = wants(checked) != turned;
        match (checked.about, checked.unread) {
            (Some(About::Form), _) => self.form_fails |= fails,
            (Some(About::Means), _) => self.means_fail |= fails,
            (Some(About::Either), _) => {
                self.form_fails |= fails;
                self.content_unknown |= fails;
                self.either_fails |= fails;
            }
            (Some(About::Content), Some(unread)) => {
                // It fails for the form, whatever it would say.
                self.form_fails |= fails && unread != Unread::Fails;
                match unread {
                    Unread::Holds => self.content_holds |= wants,
                    Unread::Unknown => self.content_unknown = true,
                    Unread::Fails => self.content_fails |= fails,
                }
            }
            (Some(About::Content), None) if fails && checked.void => self.content_unknown = true,
            (Some(About::Content), None) if fails => self.content_fails = true,
            (Some(About::Content), None) => self.content_holds |= wants,
            (None, _) => self.take_parts(checked, fails, turned),
        }
    }

    /// A composition that fails, fails for the parts that make it fail; the others count as they are.
    fn take_parts(&mut self, checked: &Checked, fails: bool, outer: bool) {
        let turned = is_turned(checked);
        for part in checked.parts.iter().filter(|part| part.weight > 0.0) {
            let guilty = fails && part.pass == turned;
            if guilty || part.pass != turned {
                self.take(part, guilty, turned != outer);
            }
        }
    }
}

/// Whether it wants something to be there, and not to be missing.
fn wants(checked: &Checked) -> bool {
    !checked.kind.starts_with("not-") && checked.kind != "no-pii"
}

/// Whether a part that holds is what is wrong with a composition: with `none`, and with the others turned round.
fn is_turned(checked: &Checked) -> bool {
    let name = checked.kind.strip_prefix("not-").unwrap_or(&checked.kind);
    (name == "none") != (name.len() < checked.kind.len())
}

/// Whether a text has what an answer was to say and did not: something failed there that is wanted, and holds here.
pub(super) fn tells(answer: &Checked, text: &Checked) -> bool {
    let is_content = matches!(answer.about, Some(About::Content | About::Either));
    if answer.about.is_none() && !is_turned(answer) {
        return answer.parts.iter().zip(&text.parts).any(|(answer, text)| tells(answer, text));
    }
    is_content && wants(answer) && !answer.pass && answer.lack.is_none() && text.pass && text.lack.is_none()
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
            (vec![checked(form, false)], Fails::FormAlone(Unsaid::Nothing)),
            (vec![checked(form, false), checked(content, false)], Fails::Content),
            (vec![checked(form, true), checked(content, false)], Fails::Content),
            (vec![checked(means, false), checked(content, true)], Fails::Means),
            (vec![checked(means, false), checked(form, false), checked(content, true)], Fails::Form),
            (vec![checked(form, false), unread(Unread::Holds)], Fails::Form),
            (vec![unread(Unread::Holds)], Fails::Form),
            (vec![unread(Unread::Unknown)], Fails::FormAlone(Unsaid::Nothing)),
            (vec![checked(form, false), unread(Unread::Fails)], Fails::Content),
            (vec![checked(form, false), checked(content, true), unasked], Fails::FormAlone(Unsaid::Part)),
            (vec![checked(form, false), advice], Fails::FormAlone(Unsaid::Nothing)),
            (vec![composed("all", false, vec![checked(form, false), checked(content, true)])], Fails::Form),
            (vec![composed("all", false, vec![checked(form, false), checked(content, false)])], Fails::Content),
            (
                vec![composed("none", false, vec![checked(form, true), checked(content, false)])],
                Fails::FormAlone(Unsaid::Nothing),
            ),
            (vec![composed("none", false, vec![checked(form, false), checked(content, true)])], Fails::Content),
            (vec![composed("not-all", false, vec![checked(form, true), checked(content, true)])], Fails::Content),
            (
                vec![composed("any", false, vec![composed("all", false, vec![checked(form, false)])])],
                Fails::FormAlone(Unsaid::Nothing),
            ),
            (vec![checked(About::Either, false), checked(content, true)], Fails::FormAlone(Unsaid::Either)),
            (vec![checked(About::Either, true), checked(form, false), checked(content, true)], Fails::Form),
        ] {
            assert_eq!(what_fails(&expectations), expected, "{expectations:#?}");
        }
    }

    #[test]
    fn that_nothing_unwanted_is_there_says_nothing_of_the_content() {
        let named = |kind: &str, about, pass| Checked { kind: kind.into(), ..checked(about, pass) };
        let form = checked(About::Form, false);
        let absent = named("not-contains", About::Content, true);
        let present = checked(About::Content, true);
        for (rest, expected) in [
            (vec![absent.clone()], Fails::FormAlone(Unsaid::Nothing)),
            (vec![named("no-pii", About::Content, true)], Fails::FormAlone(Unsaid::Nothing)),
            (vec![composed("none", true, vec![checked(About::Content, false)])], Fails::FormAlone(Unsaid::Nothing)),
            (vec![composed("none", true, vec![named("not-contains", About::Content, false)])], Fails::Form),
            (vec![composed("all", true, vec![absent.clone()])], Fails::FormAlone(Unsaid::Nothing)),
            (vec![absent.clone(), present], Fails::Form),
            (vec![named("not-contains", About::Content, false)], Fails::Content),
        ] {
            let all: Vec<Checked> = rest.into_iter().chain([form.clone()]).collect();
            assert_eq!(what_fails(&all), expected, "{all:#?}");
        }
        // A regular expression that nothing else speaks for may want a fact as well as a form.
        assert_eq!(what_fails(&[checked(About::Either, false), absent]), Fails::FormAlone(Unsaid::Either));
    }

    #[test]
    fn an_answer_that_is_cut_off_fails_for_that() {
        let mut sample = SampleOutcome::new(0, Verdict::Failed);
        sample.finish_reason = Some(FinishReason::Length);
        let fails = |sample: &SampleOutcome| answered(sample).and_then(|answer| answer.fails);
        assert_eq!(fails(&sample), Some(Fails::CutOff));
        sample.expectations = vec![Checked { kind: "finish-reason".into(), ..checked(About::Form, true) }];
        assert_eq!(fails(&sample), Some(Fails::Content), "that it ends so is wanted");
        sample.finish_reason = Some(FinishReason::ContentFilter);
        sample.expectations[0].pass = false;
        assert_eq!(fails(&sample), Some(Fails::Filtered));
        sample.finish_reason = Some(FinishReason::Refusal);
        assert_eq!(fails(&sample), Some(Fails::Refused));
    }

    #[test]
    fn only_what_says_the_answer_can_be_copied_from() {
        let with = |pass| checked(About::Content, pass);
        assert!(tells(&with(false), &with(true)) && !tells(&with(true), &with(true)));
        assert!(
            !tells(&with(false), &with(false)) && !tells(&checked(About::Form, false), &checked(About::Form, true))
        );
        let all = |pass| composed("all", pass, vec![with(pass)]);
        assert!(tells(&all(false), &all(true)));
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
