//! Reckoning what else could be done: another model, a tuned one, pieces of a context.

use std::collections::HashSet;

use super::{Alternative, Evidence, Kind, Origin, latency};
use crate::core::names::CaseName;
use crate::core::price::Price;
use crate::core::record::Usage;
use crate::cost::bill::Bill;
use crate::cost::change::{Basis, change};
use crate::cost::{Asked, Requests, as_f64, mean};
use crate::project::{RetrievalSettings, TunedSettings};

/// How often each example is trained on, where nobody says.
const EPOCHS: f64 = 3.0;
/// How many pieces are sent, how long they are, and how long a question is, where nobody says.
const CHUNKS: u64 = 4;
const CHUNK_TOKENS: u64 = 400;
const QUERY_TOKENS: u64 = 50;

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
    use super::*;
    use crate::compare::Verdict;
    use crate::cost::Fixed;
    use crate::cost::bill::bill;
    use crate::cost::change::tests::requests;
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
        let bill = crate::cost::bill(&cached, None, &CacheSettings::default());
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
