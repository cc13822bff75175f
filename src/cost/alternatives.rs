//! From how many requests on something else is cheaper, with everything that is assumed, and where each of it is from.
//!
//! Nothing is advised whose evidence is missing: what is missing is said instead.

use std::collections::HashSet;

use serde::Serialize;

use super::bill::Bill;
use super::change::{Basis, change};
use super::{Asked, Requests, as_f64, mean};
use crate::compare::Verdict;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::price::Price;
use crate::core::record::Usage;
use crate::project::{RetrievalSettings, TunedSettings};
use crate::stats::median;

/// How often each example is trained on, where nobody says.
const EPOCHS: f64 = 3.0;
/// How many pieces are sent, how long they are, and how long a question is, where nobody says.
const CHUNKS: u64 = 4;
const CHUNK_TOKENS: u64 = 400;
const QUERY_TOKENS: u64 = 50;

/// What is held against how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another model of the project, with the same prompt.
    SmallerModel,
    /// A model that was trained on the accepted answers.
    FineTuned,
    /// Pieces of the context instead of the whole.
    Retrieval,
}

/// Where an assumption is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stands in `promptctl.yaml`.
    File,
    /// Nobody says otherwise.
    Default,
    /// The recordings say it.
    Measured,
    /// The tokenizer says it.
    Estimated,
    /// The price of a model.
    Price,
}

/// Something that is assumed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assumption {
    /// Its name, as it is written in `promptctl.yaml` where it can be.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it is counted in.
    pub unit: &'static str,
    /// Where it is from.
    pub from: Origin,
}

/// Whether the answers are as good, by the cases that both models answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Cases that both answered.
    pub cases: u64,
    /// Passes and answers of the model that is used.
    pub now: (u64, u64),
    /// Passes and answers of the other.
    pub then: (u64, u64),
    /// What a comparison of both says.
    pub verdict: Verdict,
    /// The least drop of the pass rate that matters to it.
    pub delta: f64,
}

impl Evidence {
    /// Whether the other is shown to be no worse.
    #[must_use]
    pub fn is_no_worse(&self) -> bool {
        matches!(self.verdict, Verdict::Improved | Verdict::NotRegressed | Verdict::Unchanged)
    }
}

/// Something else that could be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// What.
    pub kind: Kind,
    /// The prompt.
    pub prompt: PromptName,
    /// The model that is used.
    pub model: ModelAlias,
    /// The model that would be.
    pub instead: Option<String>,
    /// What is assumed.
    pub assumptions: Vec<Assumption>,
    /// What is missing for an answer.
    pub missing: Vec<String>,
    /// USD a request, on the mean, as it is.
    pub now_usd: Option<f64>,
    /// USD a request, on the mean, as it would be.
    pub then_usd: Option<f64>,
    /// USD for an answer that passes, as it is and as it would be.
    pub passed_usd: Option<(f64, f64)>,
    /// USD once.
    pub one_off_usd: f64,
    /// USD a month, whatever is asked.
    pub monthly_usd: f64,
    /// Requests a month.
    pub volume: Option<u64>,
    /// USD a month less, what it costs once not counted; below 0 where it is more.
    pub saving_usd: Option<f64>,
    /// From how many requests a month on it is cheaper, what it costs once not counted.
    pub from_volume: Option<u64>,
    /// After how many requests what it costs once has come back.
    pub after_requests: Option<u64>,
    /// After how many months.
    pub after_months: Option<f64>,
    /// Whether the answers are as good; none where that was not measured.
    pub evidence: Option<Evidence>,
    /// Milliseconds of an answer, the medians as it is and as it would be.
    pub latency_ms: (Option<f64>, Option<f64>),
}

impl Alternative {
    fn new(kind: Kind, bill: &Bill, requests: &Requests) -> Self {
        Self {
            kind,
            prompt: bill.prompt.clone(),
            model: bill.model.clone(),
            instead: None,
            assumptions: Vec::new(),
            missing: Vec::new(),
            now_usd: bill.cost_usd.map(|cost| cost.mean),
            then_usd: None,
            passed_usd: None,
            one_off_usd: 0.0,
            monthly_usd: 0.0,
            volume: bill.volume,
            saving_usd: None,
            from_volume: None,
            after_requests: None,
            after_months: None,
            evidence: None,
            latency_ms: (latency(requests), None),
        }
    }

    fn assume(&mut self, name: &'static str, unit: &'static str, value: f64, from: Origin) -> f64 {
        self.assumptions.push(Assumption { name, value, unit, from });
        value
    }

    /// What the file says, or else a value from elsewhere.
    fn assume_or(
        &mut self,
        name: &'static str,
        unit: &'static str,
        file: Option<f64>,
        (or, from): (f64, Origin),
    ) -> f64 {
        match file {
            Some(value) => self.assume(name, unit, value, Origin::File),
            None => self.assume(name, unit, or, from),
        }
    }

    /// What the file says, or else a price, or else it is missing.
    fn need(
        &mut self,
        name: &'static str,
        unit: &'static str,
        file: Option<f64>,
        price: Option<f64>,
        why: &str,
    ) -> Option<f64> {
        match (file, price) {
            (Some(value), _) => Some(self.assume(name, unit, value, Origin::File)),
            (None, Some(value)) => Some(self.assume(name, unit, value, Origin::Price)),
            (None, None) => {
                self.missing.push(why.to_owned());
                None
            }
        }
    }

    /// What follows for months and requests.
    fn settle(&mut self) {
        let Some(saving) = self.now_usd.zip(self.then_usd).map(|(now, then)| now - then) else { return };
        if saving > 0.0 {
            self.from_volume = whole(self.monthly_usd / saving);
        }
        let month = self.volume.map(|volume| saving * as_f64(volume) - self.monthly_usd);
        self.saving_usd = month;
        match month {
            Some(month) if month > 0.0 => {
                let months = self.one_off_usd / month;
                self.after_months = Some(months);
                self.after_requests = self.volume.and_then(|volume| whole(months * as_f64(volume)));
            }
            None if saving > 0.0 && self.monthly_usd <= 0.0 => self.after_requests = whole(self.one_off_usd / saving),
            _ => {}
        }
    }

    /// Whether it is cheaper, as far as that can be said.
    #[must_use]
    pub fn is_cheaper(&self) -> Option<bool> {
        match self.saving_usd {
            Some(saving) => Some(saving > 0.0),
            None => self.now_usd.zip(self.then_usd).map(|(now, then)| then < now),
        }
    }
}

/// A count of requests, rounded up.
fn whole(value: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite, and far below 2^63")]
    (value.is_finite() && (0.0..9e15).contains(&value)).then(|| (value - 1e-9).ceil().max(0.0) as u64)
}

fn latency(requests: &Requests) -> Option<f64> {
    median(&requests.rows.iter().filter_map(|row| row.latency_ms).map(as_f64).collect::<Vec<f64>>())
}

fn counted(requests: &Requests, of: fn(&Usage) -> Option<u64>) -> Option<f64> {
    mean(requests.counted().filter_map(|usage| of(&usage)).map(as_f64))
}

fn is_counted(row: &Asked) -> bool {
    row.usage.is_some()
}

fn cases_with(requests: &Requests, is_wanted: fn(&Asked) -> bool) -> HashSet<&CaseName> {
    requests.rows.iter().filter(|row| is_wanted(row)).map(|row| &row.case).collect()
}

fn answered_by_both(now: &Requests, then: &Requests) -> u64 {
    let is_answered = |row: &Asked| row.is_answered;
    cases_with(now, is_answered).intersection(&cases_with(then, is_answered)).count() as u64
}

/// Another model of the project, by the cases that both answered.
#[must_use]
pub fn smaller_model(bill: &Bill, now: &Requests, then: &Requests, evidence: Option<Evidence>) -> Alternative {
    let mut found = Alternative::new(Kind::SmallerModel, bill, now);
    found.instead = Some(then.model.to_string());
    found.latency_ms.1 = latency(then);
    found.now_usd = None;
    if then.answered == 0 {
        found.missing.push(format!("recorded answers of `{}` to this prompt", then.model));
        return found;
    }
    if then.price.is_none() {
        found.missing.push(format!("a `price` of `{}`", then.model));
    }
    if now.price.is_none() {
        found.missing.push(format!("a `price` of `{}`", now.model));
    }
    // What one model takes says nothing of what another would: a case of which one side was not counted is left out.
    let counted = |requests: &Requests| {
        let (known, other) = (cases_with(now, is_counted), cases_with(then, is_counted));
        let mut counted = requests.clone();
        counted.rows.retain(|row| known.contains(&row.case) && other.contains(&row.case));
        counted
    };
    let both = change(&counted(now), &counted(then), bill.volume);
    match both.cost_usd.filter(|_| both.recorded > 0 && both.basis == Some(Basis::Recorded)) {
        Some(cost) => {
            found.assume("cases that both answered", "cases", as_f64(both.recorded), Origin::Measured);
            let left_out = answered_by_both(now, then).saturating_sub(both.recorded);
            if left_out > 0 {
                found.assume("left out, without counted tokens,", "cases", as_f64(left_out), Origin::Measured);
            }
            (found.now_usd, found.then_usd) = (Some(cost.base), Some(cost.head));
        }
        None if found.missing.is_empty() => {
            found.missing.push("cases that both models answered, with their tokens counted".into());
        }
        None => {}
    }
    if evidence.is_none() {
        found.missing.push("cases with expectations that both models answered".into());
    }
    let rate = |(passes, answers): (u64, u64)| (passes > 0).then(|| as_f64(passes) / as_f64(answers));
    found.passed_usd = evidence
        .as_ref()
        .and_then(|evidence| Some((found.now_usd? / rate(evidence.now)?, found.then_usd? / rate(evidence.then)?)));
    found.evidence = evidence;
    found.settle();
    found
}

/// A model that is trained on the accepted answers, and needs the fixed text no more. `price` and `evidence` are those of the
/// model of the project that stands for it, where there is one.
#[must_use]
pub fn fine_tuned(
    bill: &Bill,
    requests: &Requests,
    settings: &TunedSettings,
    price: Option<&Price>,
    evidence: Option<Evidence>,
) -> Alternative {
    const USD: &str = "USD a million tokens";
    let mut found = Alternative::new(Kind::FineTuned, bill, requests);
    found.instead = settings.model.as_ref().map(ToString::to_string);
    let (input, output) = (counted(requests, |usage| usage.input), counted(requests, |usage| usage.output));
    let training =
        found.need("training", USD, settings.training, None, "`training`: what a million tokens of training cost");
    // The price of a request as long as what is left of it.
    let dropped = bill.fixed.map_or(0.0, |fixed| fixed.share() * settings.fixed_share.unwrap_or(1.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens, and not below 0")]
    let left = (input.unwrap_or(0.0) * (1.0 - dropped)).round() as u64;
    let of_price = |of: fn(&Price) -> f64| price.map(|price| of(&price.at(left)));
    let reads =
        found.need("input", USD, settings.input, of_price(|p| p.input), "`input`: what the tuned model costs to read");
    let writes = found.need(
        "output",
        USD,
        settings.output,
        of_price(|p| p.output),
        "`output`: what the tuned model costs to write",
    );
    found.monthly_usd = found.assume_or("hosting", "USD a month", settings.hosting, (0.0, Origin::Default));
    let epochs = found.assume_or("epochs", "times", settings.epochs, (EPOCHS, Origin::Default));
    let passed = requests.rows.iter().filter(|row| row.passed == Some(true)).count() as u64;
    let examples = match (settings.examples, passed) {
        (Some(examples), _) => Some(found.assume("examples", "answers", as_f64(examples), Origin::File)),
        (None, 0) => {
            found.missing.push("recorded answers that pass, to train on".into());
            None
        }
        (None, passed) => Some(found.assume("examples", "answers", as_f64(passed), Origin::Measured)),
    };
    let share = found.assume_or("fixed-share", "of the fixed text", settings.fixed_share, (1.0, Origin::Default));
    let dropped =
        bill.fixed.map(|fixed| found.assume("fixed text", "of a request", fixed.share(), Origin::Estimated) * share);
    if dropped.is_none() {
        found.missing.push("a second case: one alone does not show what of a request is fixed".into());
    }
    if found.now_usd.is_none() {
        found.missing.push("recorded answers with their tokens counted, of a model with a price".into());
    }
    if evidence.is_none() {
        found
            .missing
            .push("a pass rate of the tuned model: name it with `model`, once it is trained and recorded".into());
    }
    if let (Some(input), Some(output), Some(dropped)) = (input, output, dropped) {
        let input = found.assume("input that is left", "tokens", input * (1.0 - dropped), Origin::Estimated);
        found.assume("output", "tokens", output, Origin::Measured);
        if let (Some(reads), Some(writes)) = (reads, writes) {
            found.then_usd = Some((input * reads + output * writes) / 1e6);
        }
        if let (Some(training), Some(examples)) = (training, examples) {
            let tokens =
                found.assume("training tokens", "tokens", (input + output) * examples * epochs, Origin::Estimated);
            found.one_off_usd = tokens * training / 1e6;
        }
    }
    found.evidence = evidence;
    if training.is_some() && examples.is_some() {
        found.settle();
    }
    found
}

/// Pieces of a context instead of the whole. `context` are the tokens of the whole, on the mean and as they are estimated, and
/// `embedding` the price of the model that embeds, where the project has one.
#[must_use]
pub fn retrieval(
    bill: &Bill,
    requests: &Requests,
    settings: &RetrievalSettings,
    context: Option<f64>,
    embedding: Option<f64>,
) -> Alternative {
    let mut found = Alternative::new(Kind::Retrieval, bill, requests);
    let read = counted(requests, |usage| usage.input);
    // The same tokenizer estimates context and request: what it gets wrong of the one, it gets wrong of the other.
    let estimated = mean(requests.rows.iter().filter(|row| row.usage.is_some()).map(|row| as_f64(row.estimate.input)));
    let as_read = |context: f64| match read.zip(estimated) {
        Some((read, estimated)) if estimated > 0.0 => (context / estimated).min(1.0) * read,
        _ => context,
    };
    let whole_context = match (context.map(as_read), &settings.context) {
        (Some(tokens), _) => Some(found.assume("context", "tokens", tokens, Origin::Estimated)),
        (None, Some(name)) => {
            found.missing.push(format!("the variable `{name}`, which no case of this prompt gives as text"));
            None
        }
        (None, None) => {
            found.missing.push("`context`: the variable that holds what could be searched instead".into());
            None
        }
    };
    let count = |value: Option<u64>| value.map(as_f64);
    let chunks = found.assume_or("chunks", "pieces", count(settings.chunks), (as_f64(CHUNKS), Origin::Default));
    let each = found.assume_or(
        "chunk-tokens",
        "tokens",
        count(settings.chunk_tokens),
        (as_f64(CHUNK_TOKENS), Origin::Default),
    );
    let query = found.assume_or(
        "query-tokens",
        "tokens",
        count(settings.query_tokens),
        (as_f64(QUERY_TOKENS), Origin::Default),
    );
    let corpus = match (settings.corpus_tokens, whole_context) {
        (Some(tokens), _) => Some(found.assume("corpus-tokens", "tokens", as_f64(tokens), Origin::File)),
        (None, Some(tokens)) => Some(found.assume("corpus-tokens", "tokens", tokens, Origin::Estimated)),
        (None, None) => None,
    };
    let why = "`embedding`: what a million embedded tokens cost";
    let price = found.need("embedding", "USD a million tokens", settings.embedding, embedding, why);
    found.monthly_usd = found.assume_or("index", "USD a month", settings.index, (0.0, Origin::Default));
    match settings.latency_ms {
        Some(added) => {
            let added = found.assume("latency", "ms", as_f64(added), Origin::File);
            found.latency_ms.1 = found.latency_ms.0.map(|now| now + added);
        }
        None => found.missing.push("`latency`: what a search adds to a request".into()),
    }
    found.missing.push("a pass rate with pieces instead of the whole: record a prompt that gets them".into());
    if found.now_usd.is_none() {
        found.missing.push("recorded answers with their tokens counted, of a model with a price".into());
    }
    // What a token that is read costs on the mean, from a cache or not: of a whole context that is saved no more than it cost.
    let reading = bill.parts_usd.zip(read).filter(|(_, read)| *read > 0.0);
    let each_read = reading.map(|(parts, read)| (parts.input + parts.cached_input + parts.cache_write) / read);
    if let (Some(now), Some(each_read), Some(context), Some(corpus), Some(price)) =
        (found.now_usd, each_read, whole_context, corpus, price)
    {
        // More pieces than there is context are the context.
        let sent = (chunks * each).min(context);
        found.then_usd = Some(now - (context - sent) * each_read + query * price / 1e6);
        found.one_off_usd = corpus * price / 1e6;
        found.settle();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::bill::bill;
    use super::super::change::tests::requests;
    use super::*;
    use crate::cost::Fixed;
    use crate::project::CacheSettings;

    fn near(one: Option<f64>, other: f64) -> bool {
        one.is_some_and(|one| (one - other).abs() < 1e-9 * other.abs().max(1.0))
    }

    fn measured() -> Requests {
        let mut all = requests(&[("a", Some((1000, 100)), 1000), ("b", Some((1000, 100)), 1000)], Some((2.0, 8.0)));
        all.fixed = Some(Fixed { requests: 2, of_tokens: 1000.0, tokens: 800, beginning: 700, margin: 0.1 });
        all
    }

    #[test]
    fn training_comes_back_after_its_months() {
        let now = measured();
        let bill = bill(&now, Some(100_000), &CacheSettings::default());
        let settings = TunedSettings {
            training: Some(25.0),
            input: Some(3.0),
            output: Some(12.0),
            hosting: Some(10.0),
            epochs: Some(2.0),
            examples: Some(1000),
            ..TunedSettings::default()
        };
        let found = fine_tuned(&bill, &now, &settings, None, None);
        // 200 tokens are left to read: (200 · 3 + 100 · 12) / 10⁶; now it is (1000 · 2 + 100 · 8) / 10⁶.
        assert!(near(found.now_usd, 0.0028) && near(found.then_usd, 0.0018), "{found:?}");
        // (200 + 100) tokens of 1,000 examples, twice.
        assert!(near(Some(found.one_off_usd), 15.0));
        assert!(near(found.saving_usd, 90.0) && near(found.after_months, 15.0 / 90.0), "{found:?}");
        assert_eq!((found.from_volume, found.after_requests), (Some(10_000), Some(16_667)));
        assert!(found.missing.iter().any(|what| what.contains("pass rate")), "{found:?}");
        let nothing = fine_tuned(&bill, &now, &TunedSettings::default(), None, None);
        assert_eq!((nothing.then_usd, nothing.saving_usd, nothing.missing.len()), (None, None, 4));
    }

    #[test]
    fn pieces_are_read_instead_of_the_whole() {
        let now = measured();
        let bill = bill(&now, Some(1_000_000), &CacheSettings::default());
        let settings = RetrievalSettings {
            chunks: Some(2),
            chunk_tokens: Some(100),
            query_tokens: Some(50),
            corpus_tokens: Some(1_000_000),
            embedding: Some(0.02),
            index: Some(100.0),
            latency_ms: Some(40),
            ..RetrievalSettings::default()
        };
        let found = retrieval(&bill, &now, &settings, Some(700.0), None);
        assert!(near(found.then_usd, 0.0028 - 500.0 * 2.0 / 1e6 + 50.0 * 0.02 / 1e6), "{found:?}");
        assert!(near(Some(found.one_off_usd), 0.02) && near(found.saving_usd, 899.0), "{found:?}");
        assert_eq!(found.from_volume, Some(100_101));
        let dearer = RetrievalSettings { chunks: Some(9), ..settings.clone() };
        let dearer = retrieval(&bill, &now, &dearer, Some(700.0), None);
        assert_eq!(dearer.is_cheaper(), Some(false));
        assert_eq!((dearer.from_volume, dearer.after_months), (None, None));
        // Of requests that are estimated to be twice as long as they are, so is the context.
        let mut longer = measured();
        longer.rows.iter_mut().for_each(|row| row.estimate.input = 2000);
        let found = retrieval(&bill, &longer, &settings, Some(1400.0), None);
        assert!(near(found.then_usd, 0.0028 - 500.0 * 2.0 / 1e6 + 50.0 * 0.02 / 1e6), "{found:?}");
        // Nothing is saved that was not paid: not more than all that is read, and what came from a cache at its price.
        let nothing = RetrievalSettings { chunks: Some(1), chunk_tokens: Some(1), query_tokens: Some(1), ..settings };
        let mut cached = measured();
        cached.price = cached.price.clone().map(|price| Price { cached_input: Some(0.2), ..price });
        cached.rows.iter_mut().filter_map(|row| row.usage.as_mut()).for_each(|usage| usage.cached_input = Some(1000));
        let bill = super::super::bill::bill(&cached, None, &CacheSettings::default());
        let found = retrieval(&bill, &cached, &nothing, Some(9_000.0), None);
        assert!(found.then_usd.is_some_and(|usd| usd >= 100.0 * 8.0 / 1e6), "{found:?}");
    }

    #[test]
    fn another_model_is_held_against_the_cases_that_both_answered() {
        let now = measured();
        let mut then = requests(&[("a", Some((1000, 200)), 1000), ("c", Some((1, 1)), 1)], Some((0.5, 1.0)));
        then.served.1 = "small".into();
        let bill = bill(&now, Some(1000), &CacheSettings::default());
        let evidence = Evidence { cases: 1, now: (1, 1), then: (1, 2), verdict: Verdict::Undecided, delta: 0.1 };
        let found = smaller_model(&bill, &now, &then, Some(evidence));
        assert!(near(found.now_usd, 0.0028) && near(found.then_usd, 0.0007), "{found:?}");
        assert!(near(found.saving_usd, 2.1), "{found:?}");
        assert!(found.passed_usd.is_some_and(|(now, then)| near(Some(now), 0.0028) && near(Some(then), 0.0014)));
        // A case without counted tokens is left out, and said to be.
        let rows = [("a", Some((1000, 200)), 1000), ("b", None, 1000)];
        let mut partly = requests(&rows, Some((0.5, 1.0)));
        partly.served.1 = "small".into();
        let found = smaller_model(&bill, &now, &partly, None);
        assert!(near(found.now_usd, 0.0028) && near(found.then_usd, 0.0007), "{found:?}");
        let assumed: Vec<f64> = found.assumptions.iter().map(|one| one.value).collect();
        assert_eq!((assumed, found.missing.len()), (vec![1.0, 1.0], 1), "{found:?}");
        then.answered = 0;
        let unknown = smaller_model(&bill, &now, &then, None);
        assert_eq!((unknown.then_usd, unknown.missing.len()), (None, 1));
    }
}
