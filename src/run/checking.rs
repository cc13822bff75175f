//! Checking an answer, and the conversation behind it: what is expected of each turn, until one fails.

use super::answer::Answer;
use super::bound::{BoundCase, BoundTurn, Spoken, as_message};
use super::desk::Desk;
use crate::core::price::Price;
use crate::core::record::{FinishReason, Request, Response, Tool, Usage};
use crate::core::verdict::{AnswerSource, Checked, Lack, SampleOutcome, TurnOutcome, Verdict};
use crate::expect::{Bound, Nobody, Subject, total};

/// What became of a sample.
pub(super) fn check_sample(answer: &Answer, case: &BoundCase, price: Option<&Price>, desk: &Desk<'_>) -> SampleOutcome {
    let verdict = answer.verdict_without().unwrap_or(Verdict::Passed);
    let mut sample = SampleOutcome { reason: answer.reason(), ..SampleOutcome::new(desk.sample, verdict) };
    let Answer::Here(response, source, recorded_at) = answer else { return sample };
    let mut talk = Talk { case, price, desk, sample: &mut sample, open: None };
    talk.take(response, 1, &case.first);
    let lacks = talk.go_on(response);
    let checked: Vec<&Checked> = sample.expectations.iter().collect();
    let total = total(&checked, case.threshold);
    sample.verdict = if total.pass && sample.reason.is_none() { Verdict::Passed } else { Verdict::Failed };
    sample.score = Some(total.score);
    if let Some(threshold) = case.threshold.filter(|_| !total.pass && sample.reason.is_none()) {
        sample.reason = Some(format!("the score {} is below the threshold {threshold}", below(total.score, threshold)));
    }
    if let Some((verdict, reason)) = lacking(&sample.expectations).or(lacks) {
        sample.verdict = verdict;
        sample.reason = Some(reason);
        sample.score = None;
    }
    sample.judging = desk.judging();
    sample.output = Some(transcript(response, &sample.turns));
    sample.tool_calls.clone_from(&response.tool_calls);
    sample.finish_reason = Some(response.finish_reason);
    sample.served_model.clone_from(&response.model);
    sample.source = Some(*source);
    sample.recorded_at.clone_from(recorded_at);
    sample
}

/// A conversation while it goes on.
struct Talk<'t, 'd> {
    case: &'t BoundCase,
    price: Option<&'t Price>,
    desk: &'t Desk<'d>,
    sample: &'t mut SampleOutcome,
    /// What has been said so far.
    open: Option<Request>,
}

type Without = (Verdict, String);

impl Talk<'_, '_> {
    /// Takes an answer of a turn, and what is made of it.
    fn take(&mut self, response: &Response, turn: u32, expected: &BoundTurn) {
        let cost_usd = self.price.and_then(|price| price.cost(&response.usage));
        let asks = expected.bound.iter().any(Bound::asks) && !self.case.is_labelled;
        let sent = match &self.open {
            _ if !asks => Vec::new(),
            Some(request) => request.messages.clone(),
            None => self.desk.request().map(|request| request.messages).unwrap_or_default(),
        };
        let subject = Subject { response, cost_usd, tools: self.desk.tools(), oracle: self.desk, turn, sent: &sent };
        let unfinished = unfinished(response, expected.any_finish);
        let checked = check_all(&expected.bound, &subject, self.case.threshold, unfinished.is_some());
        self.sample.expectations.extend(checked.into_iter().map(|checked| of_turn(checked, turn)));
        if let Some(why) = unfinished {
            self.sample.reason = Some(if turn > 1 { format!("turn {turn}: {why}") } else { why });
        }
        let sample = &mut *self.sample;
        let first = turn == 1;
        sample.usage = if first { response.usage } else { sum(sample.usage, response.usage) };
        sample.latency_ms = if first { response.latency_ms } else { both(sample.latency_ms, response.latency_ms) };
        sample.cost_usd = if first { cost_usd } else { sample.cost_usd.zip(cost_usd).map(|(a, b)| a + b) };
    }

    /// Says what is to be said after each answer, as long as nothing fails. Gives why an answer is not there.
    fn go_on(&mut self, first: &Response) -> Option<Without> {
        let mut answer = first.clone();
        let mut lacks = None;
        for (((own, expected), turn), place) in self.case.later.iter().zip(2..).zip(0..) {
            let why =
                self.stops(turn - 1).or_else(|| lacks.is_some().then(|| "an answer before is missing".to_owned()));
            if let Some(why) = why {
                let unasked =
                    expected.bound.iter().map(|bound| of_turn(bound.unasked(&format!("not asked: {why}")), turn));
                self.sample.expectations.extend(unasked);
                continue;
            }
            let spoken = match self.desk.says(place, own) {
                Ok(spoken) => spoken,
                Err(why) => {
                    lacks = Some((Verdict::Unrecorded, format!("turn {turn}: {why}")));
                    continue;
                }
            };
            match self.say(spoken, &answer, turn) {
                Ok(next) => {
                    answer = next;
                    self.take(&answer, turn, expected);
                }
                Err(without) => lacks = without,
            }
        }
        lacks
    }

    /// Why no more is said after a turn.
    fn stops(&self, turn: u32) -> Option<String> {
        let sample = &*self.sample;
        if sample.reason.is_some() {
            return Some(format!("turn {turn} fails already"));
        }
        let of_turn = |checked: &&Checked| checked.turn.unwrap_or(1) <= turn;
        let mut checked = sample.expectations.iter().filter(of_turn);
        // With a threshold every turn counts.
        let failed = checked.clone().find(|one| !one.pass && one.decides() && one.weight > 0.0);
        if let Some(failed) = failed.filter(|_| self.case.threshold.is_none()) {
            return Some(format!("`{}` fails after turn {}", failed.kind, failed.turn.unwrap_or(1)));
        }
        checked
            .find(|one| one.lack.is_some_and(|lack| lack != Lack::Unasked))
            .map(|one| format!("nobody can say yet whether `{}` holds after turn {}", one.kind, one.turn.unwrap_or(1)))
    }

    /// The next answer. An error is why there is none; none where that is a failure of the answer before.
    fn say(&mut self, spoken: &Spoken, answer: &Response, turn: u32) -> Result<Response, Option<Without>> {
        let messages = match spoken.messages(answer) {
            Ok(messages) => messages,
            Err(why) => {
                self.sample.reason = Some(format!("turn {turn}: {why}"));
                return Err(None);
            }
        };
        let mut request = match self.open.take() {
            Some(request) => request,
            None => self.desk.request().map_err(|why| Some((Verdict::Errored, why)))?,
        };
        request.messages.push(as_message(answer));
        request.messages.extend(messages);
        let key = request.key(self.desk.sample);
        let told = self.desk.turn(&request, turn);
        self.open = Some(request);
        match told {
            Ok((response, source)) => {
                self.desk.asks_now(&spoken.shown());
                self.sample.turns.push(TurnOutcome {
                    turn,
                    who: spoken.who().to_owned(),
                    said: spoken.shown(),
                    key,
                    output: response.text.clone(),
                    tool_calls: response.tool_calls.clone(),
                    finish_reason: response.finish_reason,
                    cost_usd: self.price.and_then(|price| price.cost(&response.usage)),
                    source,
                });
                Ok(response)
            }
            Err((lack, why)) => Err(verdict_of(lack).map(|verdict| {
                (verdict, if verdict == Verdict::Skipped { why } else { format!("turn {turn}: {why}") })
            })),
        }
    }
}

fn of_turn(checked: Checked, turn: u32) -> Checked {
    if turn == 1 {
        return checked;
    }
    let reason = format!("after turn {turn}: {}", checked.reason);
    Checked { turn: Some(turn), reason, ..checked }
}

/// The whole conversation as a person reads it; the answer alone where there is only one.
pub(super) fn transcript(first: &Response, turns: &[TurnOutcome]) -> String {
    if turns.is_empty() {
        return first.text.clone();
    }
    let calls = |calls: &[crate::core::record::ToolCall]| -> String {
        calls.iter().map(|call| format!("\n[call {} {}]", call.name, call.arguments)).collect()
    };
    let mut text = format!("assistant: {}{}", first.text, calls(&first.tool_calls));
    for turn in turns {
        let (who, said) = (&turn.who, &turn.said);
        text.push_str(&format!("\n\n{who}: {said}\n\nassistant: {}{}", turn.output, calls(&turn.tool_calls)));
    }
    text
}

/// Checks everything, what costs nothing first: an answer that fails by it already is shown to no judge.
fn check_all(bound: &[Bound], subject: &Subject<'_>, threshold: Option<f64>, is_bad: bool) -> Vec<Checked> {
    let free: Vec<Option<Checked>> = bound.iter().map(|one| (!one.asks()).then(|| one.check(subject))).collect();
    let failed = free.iter().flatten().find(|checked| !checked.pass && checked.weight > 0.0);
    let why = match failed.filter(|_| threshold.is_none()) {
        Some(checked) => Some(format!("not asked: `{}` fails already", checked.kind)),
        None => is_bad.then(|| "not asked: the answer fails already".to_owned()),
    };
    let rest = bound.iter().zip(free).map(|(bound, checked)| match (checked, &why) {
        (Some(checked), _) => checked,
        (None, Some(why)) => bound.unasked(why),
        (None, None) => bound.check(subject),
    });
    rest.collect()
}

/// A score with as many digits as it takes to see that it is below its threshold.
fn below(score: f64, threshold: f64) -> String {
    let shown = |digits: usize| format!("{score:.digits$}");
    let is_below = |text: &String| text.parse::<f64>().is_ok_and(|shown| shown < threshold);
    (2..=9).map(shown).find(is_below).unwrap_or_else(|| score.to_string())
}

/// Whether a first answer fails by what nobody needs to be asked for.
pub(super) fn fails_already(case: &BoundCase, response: &Response, price: Option<&Price>, tools: &[Tool]) -> bool {
    let cost_usd = price.and_then(|price| price.cost(&response.usage));
    let subject = Subject { response, cost_usd, tools, oracle: &Nobody, turn: 1, sent: &[] };
    let fails = |bound: &Bound| {
        let checked = bound.check(&subject);
        !checked.pass && checked.weight > 0.0
    };
    unfinished(response, case.first.any_finish).is_some()
        || case.threshold.is_none() && case.first.bound.iter().filter(|bound| !bound.asks()).any(fails)
}

fn verdict_of(lack: Lack) -> Option<Verdict> {
    match lack {
        Lack::Errored => Some(Verdict::Errored),
        Lack::Stale => Some(Verdict::Stale),
        Lack::Unrecorded | Lack::Waiting => Some(Verdict::Unrecorded),
        Lack::Skipped => Some(Verdict::Skipped),
        Lack::Unasked => None,
    }
}

/// The verdict of an answer of which somebody did not say what was asked.
fn lacking(expectations: &[Checked]) -> Option<Without> {
    [Lack::Errored, Lack::Stale, Lack::Unrecorded, Lack::Waiting, Lack::Skipped].into_iter().find_map(|lack| {
        let checked = expectations.iter().find(|checked| checked.lack == Some(lack))?;
        let verdict = verdict_of(lack)?;
        // What tells budgets and missing keys apart stands in front.
        let reason = if verdict == Verdict::Skipped {
            checked.reason.clone()
        } else {
            format!("{}: {}", checked.kind, checked.reason)
        };
        Some((verdict, reason))
    })
}

/// Why an answer fails whatever is expected of it: it was cut off, filtered, declined, or is not there at all.
fn unfinished(response: &Response, any_finish: bool) -> Option<String> {
    if any_finish {
        return None;
    }
    let detail = response.finish_detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    match response.finish_reason {
        FinishReason::Length => {
            Some(format!("the answer was cut off at the limit on tokens (finish reason `length`{detail})"))
        }
        FinishReason::ContentFilter => {
            Some(format!("the answer was filtered (finish reason `content-filter`{detail})"))
        }
        FinishReason::Refusal => Some(format!("the model declined (finish reason `refusal`{detail})")),
        _ if response.is_empty() => Some("the answer is empty".to_owned()),
        _ => None,
    }
}

/// The tokens of two answers; what one of them does not tell is not told of both.
fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: both(a.input, b.input),
        cached_input: either(a.cached_input, b.cached_input),
        cache_write: either(a.cache_write, b.cache_write),
        output: both(a.output, b.output),
        reasoning: either(a.reasoning, b.reasoning),
    }
}

fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.saturating_add(b))
}

fn either(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    if a.is_none() && b.is_none() { None } else { Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))) }
}

/// Whether an answer of a conversation was asked for now.
pub(super) fn live_turns(sample: &SampleOutcome) -> u64 {
    sample.turns.iter().filter(|turn| turn.source == AnswerSource::Live).count() as u64
}
