//! Who judges in a project: every judge that its expectations ask, and whether it decides.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::calibration::{Calibration, calibration_path};
use super::prepared::Prepared;
use crate::core::digest::sha256_hex;
use crate::core::path::TreePath;
use crate::expect::{JudgeNeed, Need};

/// A judge that expectations ask.
#[derive(Clone, Debug, Serialize)]
pub struct JudgeInUse {
    /// The check that asks it.
    pub check: String,
    /// What of the expectations makes a verdict of what it says, such as `threshold 0.7`; empty where nothing does.
    pub rule: String,
    /// How many expectations, as they are written, ask it so.
    pub expectations: u64,
    /// Its prompt.
    pub prompt: String,
    /// Whether that one is built in.
    pub built_in: bool,
    /// What the prompt is.
    pub digest: String,
    /// The alias of its model.
    pub model: String,
    /// Who else has a say: the prompt that makes up its steps, the model that embeds what it says.
    pub beside: Vec<String>,
    /// The file with its calibration, whether it is there or not.
    pub calibrated: String,
    /// How far it agrees with people, where anybody has looked.
    pub calibration: Option<Calibration>,
    /// Whether the labels are others now than when it was held against them.
    pub labels_changed: bool,
    /// Whether it decides.
    pub decides: bool,
    /// Why it may only advise.
    pub advises: Option<String>,
}

/// A model that embeds for expectations.
#[derive(Clone, Debug, Serialize)]
pub struct EmbedderInUse {
    /// Its alias.
    pub model: String,
    /// How many expectations, as they are written, ask it.
    pub expectations: u64,
}

/// Everybody whom expectations ask.
#[derive(Clone, Debug, Serialize)]
pub struct Roster {
    /// The judges, by prompt, model, check and rule.
    pub judges: Vec<JudgeInUse>,
    /// The models that embed, by alias.
    pub embedders: Vec<EmbedderInUse>,
}

impl Prepared {
    /// Everybody whom the expectations of the project ask. The project was found to be free of mistakes.
    #[must_use]
    pub fn roster(&self) -> Roster {
        let mut needs: Vec<(JudgeNeed, u64)> = Vec::new();
        let mut embedders: BTreeMap<String, u64> = BTreeMap::new();
        for (_, need) in self.expectations.values().flat_map(|expectation| expectation.needs()) {
            match need {
                Need::Judge(need) => match needs.iter_mut().find(|(known, _)| *known == need) {
                    Some((_, count)) => *count += 1,
                    None => needs.push((need, 1)),
                },
                Need::Embedder(model) => {
                    if let Ok((_, entry)) = self.embedder(model.as_deref()) {
                        *embedders.entry(entry.alias.to_string()).or_default() += 1;
                    }
                }
                Need::Program(_) | Need::Others => {}
            }
        }
        // Who only helps another judge gives no verdict.
        let helps = |need: &JudgeNeed| needs.iter().any(|(other, _)| other.beside.contains(&Need::Judge(need.clone())));
        let mut judges: Vec<JudgeInUse> = Vec::new();
        for found in needs.iter().filter(|(need, _)| !helps(need)).filter_map(|(need, count)| self.in_use(need, *count))
        {
            // The project's judge is one judge, whether an expectation names it or not.
            let is_same = |known: &&mut JudgeInUse| {
                (&known.prompt, &known.model, &known.check, &known.rule, &known.beside)
                    == (&found.prompt, &found.model, &found.check, &found.rule, &found.beside)
            };
            match judges.iter_mut().find(is_same) {
                Some(known) => known.expectations += found.expectations,
                None => judges.push(found),
            }
        }
        judges.sort_by(|a, b| {
            (&a.prompt, &a.model, &a.check, &a.rule, &a.beside)
                .cmp(&(&b.prompt, &b.model, &b.check, &b.rule, &b.beside))
        });
        let embedders = embedders.into_iter().map(|(model, expectations)| EmbedderInUse { model, expectations });
        Roster { judges, embedders: embedders.collect() }
    }

    fn in_use(&self, need: &JudgeNeed, expectations: u64) -> Option<JudgeInUse> {
        let judge = self.judge(need).ok()?;
        let beside: BTreeSet<String> = need.beside.iter().filter_map(|need| self.beside(need)).collect();
        let calibration = self.calibration(&judge).ok().flatten();
        let advises = self.advises(need);
        Some(JudgeInUse {
            check: need.kind.to_owned(),
            rule: need.rule.clone(),
            expectations,
            prompt: judge.prompt.name.to_string(),
            built_in: judge.is_shipped,
            digest: judge.prompt.digest.clone(),
            model: judge.entry.alias.to_string(),
            beside: beside.into_iter().collect(),
            calibrated: calibration_path(&judge).to_string(),
            labels_changed: calibration.as_ref().is_some_and(|known| !self.has_labels(known)),
            calibration,
            decides: advises.is_none(),
            advises,
        })
    }

    fn beside(&self, need: &Need) -> Option<String> {
        match need {
            Need::Judge(need) => Some(self.judge(need).ok()?.prompt.name.to_string()),
            Need::Embedder(model) => Some(self.embedder(model.as_deref()).ok()?.1.alias.to_string()),
            Need::Program(_) | Need::Others => None,
        }
    }

    /// Whether the labels are those that a judge was held against.
    fn has_labels(&self, calibration: &Calibration) -> bool {
        let path = TreePath::new(&calibration.labels).ok();
        let text = path.and_then(|path| self.workspace.tree.text_up_to(&path, u64::MAX).ok());
        text.is_some_and(|text| sha256_hex(text.as_bytes()) == calibration.labels_sha256)
    }
}
