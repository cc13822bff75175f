//! Checks by meaning: how near two texts are as a model embeds them.

use std::sync::Arc;

use serde::Deserialize;

use super::argument::Arguments;
use super::judge::{BoundJudging, Judging, judged, off_menu};
use super::oracle::{JudgeNeed, Need, Told};
use super::reading::read;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::verdict::Lack;
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// How near is near enough where nobody says.
const NEAR: f64 = 0.75;

struct Similar {
    texts: Vec<Inline>,
    threshold: f64,
    model: Option<String>,
}

struct BoundSimilar {
    texts: Vec<String>,
    threshold: f64,
    model: Option<String>,
}

pub(super) fn similar(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a text, or a list of texts of which one must be near")?;
    let texts = if let Data::List(_) = node.data { arguments.texts()? } else { vec![arguments.text()?] };
    let threshold = arguments.share(Some(NEAR))?;
    Some(Box::new(Similar { texts, threshold, model: arguments.word("model").ok()? }))
}

impl Written for Similar {
    fn variables(&self) -> Vec<String> {
        self.texts.iter().flat_map(|text| text.variables().to_vec()).collect()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Embedder(self.model.clone())]
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let texts = self.texts.iter().map(|text| text.render(variables)).collect::<Result<Vec<_>, _>>()?;
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err("the text is empty for this case".to_owned());
        }
        Ok(Arc::new(BoundSimilar { texts, threshold: self.threshold, model: self.model.clone() }))
    }
}

impl Check for BoundSimilar {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        self.compare(subject).unwrap_or_else(|finding| finding)
    }
}

impl BoundSimilar {
    fn compare(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let texts: Vec<&str> =
            [subject.response.text.as_str()].into_iter().chain(self.texts.iter().map(String::as_str)).collect();
        let vectors = embed_all(subject, self.model.as_deref(), &texts)?;
        let (answer, others) = vectors.split_first().ok_or_else(|| Finding::unknown("there is nothing to compare"))?;
        let mut best = (f64::NEG_INFINITY, "");
        for (vector, text) in others.iter().zip(&self.texts) {
            let near = cosine(answer, vector).map_err(nobody_can_tell)?;
            if near > best.0 {
                best = (near, text);
            }
        }
        let (near, text) = best;
        let reason = format!(
            "the similarity to {} is {near:.3}, at least {} is expected; the answer is {}",
            quoted(text),
            self.threshold,
            quoted(&subject.response.text)
        );
        // Opposite is no nearer than unrelated.
        Ok(Finding { score: near.max(0.0), ..Finding::new(near + 1e-9 >= self.threshold, reason) })
    }
}

/// The embeddings of some texts. All of them are asked for before the first one that is not there ends it.
fn embed_all(subject: &Subject<'_>, model: Option<&str>, texts: &[&str]) -> Result<Vec<Arc<[f32]>>, Finding> {
    let told: Vec<Told<Arc<[f32]>>> = texts.iter().map(|text| subject.oracle.embed(model, text)).collect();
    told.into_iter()
        .map(|told| match told {
            Told::Said(vector) => Ok(vector),
            Told::Lacking(lack, why) => Err(Finding::lacking(lack, why)),
        })
        .collect()
}

/// Embeddings that cannot be compared say nothing of the answer.
fn nobody_can_tell(why: String) -> Finding {
    Finding::lacking(Lack::Errored, why)
}

/// The cosine of the angle between two vectors.
fn cosine(a: &[f32], b: &[f32]) -> Result<f64, String> {
    if a.len() != b.len() {
        return Err(format!("the embeddings have {} and {} dimensions; are they of one model?", a.len(), b.len()));
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { Ok((dot(a, b) / lengths).clamp(-1.0, 1.0)) } else { Err("an embedding is zero".to_owned()) }
}

struct Relevance {
    judging: Judging,
    embeddings: Option<String>,
    threshold: f64,
}

struct BoundRelevance {
    judging: BoundJudging,
    embeddings: Option<String>,
    threshold: f64,
}

const RELEVANCE: &str = "answer-relevance";

/// Questions that the answer would answer are made up from it; what counts is how near they are to the one that was asked.
pub(super) fn answer_relevance(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    if arguments.value.is_some() {
        arguments.error("`answer-relevance` takes no value; what was asked stands in `question:`");
        return None;
    }
    let threshold = arguments.share(None)?;
    let embeddings = arguments.word("embeddings").ok()?;
    Some(Box::new(Relevance { judging: Judging::read(arguments)?, embeddings, threshold }))
}

impl Relevance {
    fn need(&self) -> JudgeNeed {
        let beside = vec![Need::Embedder(self.embeddings.clone())];
        JudgeNeed { beside, ..self.judging.need(RELEVANCE, format!("threshold {}", self.threshold)) }
    }
}

impl Written for Relevance {
    fn variables(&self) -> Vec<String> {
        self.judging.variables().chain([String::new()]).collect()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Judge(self.need()), Need::Embedder(self.embeddings.clone())]
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let judging = self.judging.bind(self.need(), variables)?;
        Ok(Arc::new(BoundRelevance { judging, embeddings: self.embeddings.clone(), threshold: self.threshold }))
    }
}

#[derive(Deserialize)]
struct Questions {
    questions: Vec<String>,
    /// Whether the answer avoids the question.
    #[serde(default)]
    evasive: bool,
}

impl Check for BoundRelevance {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        self.compare(subject).unwrap_or_else(|finding| finding)
    }
}

impl BoundRelevance {
    fn compare(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let judgement = self.judging.ask(subject, &[])?;
        let said: Questions = read(&judgement)?;
        if said.questions.is_empty() {
            return Err(off_menu(&judgement, "no question at all"));
        }
        let asked = self.judging.question(subject);
        let texts: Vec<&str> = [asked.as_str()].into_iter().chain(said.questions.iter().map(String::as_str)).collect();
        let vectors = embed_all(subject, self.embeddings.as_deref(), &texts)?;
        let mut sum = 0.0;
        for vector in &vectors[1..] {
            sum += cosine(&vectors[0], vector).map_err(nobody_can_tell)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "as many as a model can list")]
        let mean = sum / said.questions.len() as f64;
        let score = if said.evasive { 0.0 } else { mean.max(0.0) };
        let why = if said.evasive { "it evades the question" } else { "it would answer" };
        let reason = format!(
            "the relevance is {score:.3}, at least {} is expected; {why}: {}",
            self.threshold,
            quoted(said.questions.first().map_or("", String::as_str))
        );
        Ok(judged(&judgement, score + 1e-9 >= self.threshold, score, &reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_that_of_the_angle() {
        assert!((cosine(&[1.0, 0.0], &[2.0, 2.0]).expect("two") - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-9);
        assert_eq!(cosine(&[1.0, 0.0], &[-3.0, 0.0]), Ok(-1.0));
        assert!(cosine(&[1.0], &[1.0, 0.0]).is_err_and(|why| why.contains("dimensions")));
        assert!(cosine(&[0.0], &[1.0]).is_err_and(|why| why.contains("zero")));
    }
}
