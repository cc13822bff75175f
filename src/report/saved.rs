//! A run that was saved as JSON, read back and told again; the parts of one run put together.

use std::io;

use serde::Deserialize;

use super::VERSION;
use crate::core::event::{Event, Listener, Provenance, Shard};
use crate::core::record::Usage;
use crate::core::verdict::{Exit, Outcome, SampleOutcome, Summary, Verdict};

/// The largest number of tokens or milliseconds of an answer that is believed.
const MOST: u64 = 1 << 36;

/// A saved run. Keys that are not known are of a later version, which may hold more.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    tool: Tool,
    heading: String,
    #[serde(flatten)]
    provenance: Provenance,
    shard: Option<Shard>,
    exit_code: u8,
    summary: Summary,
    results: Vec<Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Tool {
    name: String,
    version: String,
}

/// Why saved runs cannot be read, or not be put together.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is no report.
    #[error("{name} is no JSON report of `promptctl test`: {why}")]
    NoReport {
        /// The file.
        name: String,
        /// Why.
        why: String,
    },
    /// Its version is not known.
    #[error("{name} is a report of version {version}, which is not known")]
    Version {
        /// The file.
        name: String,
        /// Its version.
        version: u32,
    },
    /// Several reports, and one of them is of a whole run.
    #[error("{0} is the report of a whole run, and there is nothing to put beside it")]
    Whole(String),
    /// They are not parts of the same run.
    #[error("{one} and {other} are parts of different runs: {what}")]
    Different {
        /// A file.
        one: String,
        /// Another.
        other: String,
        /// What differs.
        what: &'static str,
    },
    /// The same part twice.
    #[error("{one} and {other} are both part {number} of {of}")]
    Doubled {
        /// A file.
        one: String,
        /// Another.
        other: String,
        /// Which part.
        number: u32,
        /// Of how many.
        of: u32,
    },
    /// Parts that are not there.
    #[error("{} of {of} {}", list(.missing), if .missing.len() == 1 { "is missing" } else { "are missing" })]
    Missing {
        /// Which.
        missing: Vec<u32>,
        /// Of how many.
        of: u32,
    },
    /// The parts do not make the whole.
    #[error("the parts hold {found} of {whole} results; {what}")]
    Incomplete {
        /// How many results there are.
        found: u64,
        /// How many there should be.
        whole: u64,
        /// What is wrong.
        what: &'static str,
    },
}

fn list(parts: &[u32]) -> String {
    let numbers: Vec<String> = parts.iter().map(ToString::to_string).collect();
    format!("{} {}", if parts.len() == 1 { "part" } else { "parts" }, numbers.join(", "))
}

impl Saved {
    /// Reads a report. `name` is what it is called in messages.
    pub fn read(name: &str, text: &str) -> Result<Self, SavedError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let no_report =
            |error: serde_json::Error| SavedError::NoReport { name: name.to_owned(), why: error.to_string() };
        let Version { version } = serde_json::from_str(text).map_err(no_report)?;
        if version != VERSION {
            return Err(SavedError::Version { name: name.to_owned(), version });
        }
        let saved: Self = serde_json::from_str(text).map_err(no_report)?;
        let (found, planned) = (saved.results.len() as u64, saved.summary.planned);
        if found != planned {
            let why = format!("{planned} results are planned, and {found} are there");
            return Err(SavedError::NoReport { name: name.to_owned(), why });
        }
        if let Some(outcome) = saved.results.iter().find(|outcome| !outcome.samples.iter().all(is_bounded)) {
            let why = format!("case `{}` holds a number that is none of an answer's", outcome.case);
            return Err(SavedError::NoReport { name: name.to_owned(), why });
        }
        let is_hash = |commit: &String| commit.len() >= 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        if !saved.provenance.commit.as_ref().is_none_or(is_hash) {
            return Err(SavedError::NoReport { name: name.to_owned(), why: "its commit is none".to_owned() });
        }
        Ok(saved.summed())
    }

    /// With the sums of its results, whatever somebody wrote there.
    fn summed(mut self) -> Self {
        let Summary { calls_made, retries, seconds, .. } = self.summary;
        let planned = self.results.len() as u64;
        let mut sums = Summary { planned, calls_made, retries, seconds, ..Summary::default() };
        for verdict in Verdict::ALL {
            sums.verdicts.entry(verdict).or_default();
        }
        self.results.iter().for_each(|outcome| sums.add(outcome));
        self.summary = sums;
        self
    }

    /// How it ended.
    #[must_use]
    pub fn exit(&self) -> Exit {
        Exit::of_code(self.exit_code).unwrap_or(Exit::Usage)
    }

    /// Its sums.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Tells it again, as it happened.
    pub fn tell(self, listener: &mut dyn Listener) -> io::Result<()> {
        listener.on(&Event::Started {
            planned: self.summary.planned,
            heading: self.heading,
            calls: self.summary.calls_made,
            provenance: self.provenance,
            shard: self.shard,
        })?;
        for outcome in self.results {
            listener.on(&Event::Finished(Box::new(outcome)))?;
        }
        listener.on(&Event::Ended(Box::new(self.summary)))
    }
}

/// The parts of a run as one, as one machine would have reported it; one report of a whole run is that run.
pub fn merge(mut parts: Vec<(String, Saved)>) -> Result<Option<Saved>, SavedError> {
    if parts.len() == 1 && parts[0].1.shard.is_none() {
        return Ok(parts.pop().map(|(_, saved)| saved));
    }
    let mut numbered: Vec<(Shard, String, Saved)> = Vec::with_capacity(parts.len());
    for (name, mut saved) in parts {
        let Some(shard) = saved.shard.take() else { return Err(SavedError::Whole(name)) };
        numbered.push((shard, name, saved));
    }
    let Some((first, first_name, like)) = numbered.first() else { return Ok(None) };
    for (shard, name, saved) in &numbered {
        let different = [
            (first.of != shard.of, "they count another number of parts"),
            (like.tool != saved.tool, "they are of different versions of promptctl"),
            (like.provenance.commit != saved.provenance.commit, "they are of different commits"),
            (first.plan != shard.plan, "something else was planned, or divided otherwise"),
            (like.heading != saved.heading, "they were run otherwise"),
        ];
        if let Some((_, what)) = different.into_iter().find(|(differs, _)| *differs) {
            return Err(SavedError::Different { one: first_name.clone(), other: name.clone(), what });
        }
    }
    let (of, whole) = (first.of, first.whole);
    numbered.sort_by_key(|(shard, ..)| shard.number);
    if let Some(pair) = numbered.windows(2).find(|pair| pair[0].0.number == pair[1].0.number) {
        let (one, other) = (pair[0].1.clone(), pair[1].1.clone());
        return Err(SavedError::Doubled { one, other, number: pair[0].0.number, of });
    }
    let missing: Vec<u32> =
        (1..=of).filter(|number| !numbered.iter().any(|(shard, ..)| shard.number == *number)).collect();
    if !missing.is_empty() {
        return Err(SavedError::Missing { missing, of });
    }
    put_together(numbered.into_iter().map(|(_, _, saved)| saved).collect(), whole)
}

/// Whether tokens, milliseconds and dollars are such that all of a run can be added up. Somebody may have written them.
fn is_bounded(sample: &SampleOutcome) -> bool {
    let Usage { input, cached_input, cache_write, output, reasoning } = sample.usage;
    let counts = [input, cached_input, cache_write, output, reasoning, sample.latency_ms];
    counts.into_iter().flatten().all(|count| count <= MOST) && sample.cost_usd.is_none_or(|cost| cost.abs() <= 1e9)
}

fn put_together(parts: Vec<Saved>, whole: u64) -> Result<Option<Saved>, SavedError> {
    // A part in which there was nothing to do ended well.
    let exit = parts.iter().map(Saved::exit).fold(Exit::Good, Exit::worse);
    let mut merged: Option<Saved> = None;
    for part in parts {
        let Some(merged) = merged.as_mut() else {
            merged = Some(part);
            continue;
        };
        let (sums, own) = (&mut merged.summary, &part.summary);
        sums.calls_made = sums.calls_made.saturating_add(own.calls_made);
        sums.retries = sums.retries.saturating_add(own.retries);
        sums.seconds = sums.seconds.max(own.seconds);
        merged.provenance.dirty = merged.provenance.dirty.max(part.provenance.dirty);
        merged.results.extend(part.results);
    }
    let Some(mut merged) = merged else { return Ok(None) };
    merged.results.sort_by_key(|outcome| outcome.position);
    let found = merged.results.len() as u64;
    let in_order = (0..).zip(&merged.results).all(|(place, outcome)| outcome.position == Some(place));
    if found != whole || !in_order {
        let what = if found == whole { "some stand twice" } else { "a report was cut off or changed" };
        return Err(SavedError::Incomplete { found, whole, what });
    }
    merged.results.iter_mut().for_each(|outcome| outcome.position = None);
    merged.exit_code = exit.code();
    Ok(Some(merged.summed()))
}
