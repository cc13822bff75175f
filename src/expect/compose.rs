//! `all`, `any`, `none`: expectations made of expectations.

use std::sync::Arc;

use super::argument::Arguments;
use super::compile::{Bound, Expectation, compile};
use super::total::total;
use super::{Check, Finding, Subject, Written};
use crate::core::verdict::{Checked, Lack};

/// How the parts are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    All,
    Any,
    None,
}

struct Composed {
    how: How,
    threshold: Option<f64>,
    parts: Vec<Expectation>,
}

struct BoundComposed {
    how: How,
    threshold: Option<f64>,
    parts: Vec<Bound>,
}

fn build(arguments: &mut Arguments<'_, '_, '_>, how: How) -> Option<Box<dyn Written>> {
    let node = arguments.required("a list of expectations")?;
    let items = arguments.decoder.list(node, &format!("the value of `{}`", arguments.name))?;
    if items.is_empty() {
        arguments.error(format!("`{}` needs at least one expectation", arguments.name));
        return None;
    }
    let threshold = match arguments.threshold {
        Some(_) => Some(arguments.share(None)?),
        None => None,
    };
    let source = arguments.decoder.source;
    let read = arguments.read;
    let problems = &mut *arguments.decoder.problems;
    let parts: Vec<Expectation> = items.iter().filter_map(|item| compile(source, item, read, problems)).collect();
    if how == How::All && parts.len() == items.len() && parts.iter().all(|part| part.weight() == 0.0) {
        arguments.decoder.error_help(
            node.span.clone(),
            format!("`{}` checks nothing: everything in it has the weight 0", arguments.name),
            "give one of them a weight above 0",
        );
        return None;
    }
    (parts.len() == items.len()).then(|| Box::new(Composed { how, threshold, parts }) as Box<dyn Written>)
}

pub(super) fn all(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, How::All)
}

pub(super) fn any(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, How::Any)
}

pub(super) fn none(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, How::None)
}

impl Written for Composed {
    fn variables(&self) -> Vec<String> {
        self.parts.iter().flat_map(Expectation::variables).collect()
    }

    fn parts(&self) -> &[Expectation] {
        &self.parts
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let parts = self.parts.iter().map(|part| part.bind(variables)).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(BoundComposed { how: self.how, threshold: self.threshold, parts }))
    }
}

impl Check for BoundComposed {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        // What costs nothing goes first; what it settles need not be asked.
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|index| self.parts[*index].asks());
        let mut found: Vec<Option<Checked>> = vec![None; self.parts.len()];
        let mut settled = false;
        for index in order {
            let part = &self.parts[index];
            let checked = if settled && part.asks() {
                part.unasked("not asked: the others settle it")
            } else {
                part.check(subject)
            };
            settled |= checked.decides() && !checked.void && self.settles(&checked);
            found[index] = Some(checked);
        }
        self.put_together(found.into_iter().flatten().collect(), settled)
    }
}

impl BoundComposed {
    /// Whether a part alone says what comes of the whole.
    fn settles(&self, part: &Checked) -> bool {
        match self.how {
            How::All => self.threshold.is_none() && !part.pass && part.weight > 0.0,
            How::Any | How::None => part.pass,
        }
    }

    fn put_together(&self, parts: Vec<Checked>, settled: bool) -> Finding {
        // What is not known decides nothing where the rest settles it.
        if let Some(lacking) = parts.iter().find(|part| part.lack.is_some_and(|lack| lack != Lack::Unasked))
            && !settled
        {
            let reason = format!("{}: {}", lacking.kind, lacking.reason);
            return Finding { lack: lacking.lack, parts: parts.clone(), ..Finding::new(false, reason) };
        }
        let advises = !settled && parts.iter().any(|part| part.advises);
        let said = |part: &Checked| format!("{}: {}", part.kind, part.reason);
        let bad: Vec<String> = parts.iter().filter(|part| part.is_bad()).map(said).collect();
        // As if the judges that only advise had a say: the whole then advises too.
        let counted: Vec<Checked> = parts.iter().cloned().map(|part| Checked { advises: false, ..part }).collect();
        let best = counted.iter().filter(|part| part.lack.is_none()).map(|part| part.score).fold(0.0, f64::max);
        let void = parts.iter().any(|part| part.void);
        let (holds, score, reason) = match self.how {
            How::All => {
                let weighed: Vec<&Checked> = counted.iter().collect();
                let total = total(&weighed, self.threshold);
                let reason = match (self.threshold, total.pass) {
                    (_, true) => "every one holds".to_owned(),
                    (Some(threshold), false) => {
                        format!("the score is {:.3}, at least {threshold} is expected; {}", total.score, bad.join("; "))
                    }
                    (None, false) => bad.join("; "),
                };
                (total.pass, total.score, reason)
            }
            How::Any => {
                let held = parts.iter().find(|part| part.pass);
                let reason = held.map_or_else(|| bad.join("; "), |part| format!("`{}` holds", part.kind));
                (held.is_some(), best, reason)
            }
            How::None => {
                let held: Vec<String> =
                    parts.iter().filter(|part| part.pass).map(|part| format!("`{}` holds", part.kind)).collect();
                let reason = if held.is_empty() { "none holds".to_owned() } else { held.join(", ") };
                (held.is_empty(), 1.0 - best, reason)
            }
        };
        // Something that nobody can tell may not make the whole look good, turned round or not.
        let unknown = void && if self.how == How::None { holds } else { !holds };
        let reason = if unknown && self.how == How::None { bad.join("; ") } else { reason };
        Finding { score, unknown, advises, parts, ..Finding::new(holds, reason) }
    }
}
