//! How severe each rule is and with which limits: as it ships, then as the project says, then as the command line says.

use super::registry::{RULES, Rule, find};
use crate::core::problem::{Place, Problem, Problems};
use crate::core::suggest::did_you_mean;
use crate::project::{Config, Level, WrittenRule};

/// What holds for every rule.
#[derive(Clone, Debug)]
pub struct Settings {
    /// In the order of the rules.
    rules: Vec<(Level, Vec<f64>)>,
    /// From which level on findings fail.
    pub fail_on: Level,
}

impl Settings {
    /// What a project says. A rule or a limit that there is not is a problem.
    pub fn new(config: &Config, problems: &mut Problems) -> Self {
        let shipped = |rule: &Rule| (rule.level, rule.limits.iter().map(|limit| limit.default).collect());
        let fail_on = config.lint.fail_on.unwrap_or(Level::Error);
        let mut settings = Self { rules: RULES.iter().map(shipped).collect(), fail_on };
        let mut seen: Vec<&str> = Vec::new();
        for written in &config.lint.rules {
            if let Err(problem) = settings.take(config, written, &mut seen) {
                problems.push(problem);
            }
        }
        settings
    }

    fn take(&mut self, config: &Config, written: &WrittenRule, seen: &mut Vec<&'static str>) -> Result<(), Problem> {
        let error = |span: &std::ops::Range<usize>, message: String| {
            let place = config.lint.source.as_ref().map_or(Place::Nowhere, |source| Place::span(source, span.clone()));
            Problem::error(place, message)
        };
        let rule = find(&written.name).map_err(|message| error(&written.span, message))?;
        if seen.contains(&rule.code) {
            return Err(error(
                &written.span,
                format!("the rule {} `{}` stands here a second time", rule.code, rule.name),
            ));
        }
        seen.push(rule.code);
        let Some(own) = RULES.iter().position(|known| known.code == rule.code).and_then(|at| self.rules.get_mut(at))
        else {
            return Ok(());
        };
        own.0 = written.level.unwrap_or(own.0);
        for (name, span, value) in &written.numbers {
            match rule.limits.iter().position(|limit| limit.name == name) {
                Some(place) => {
                    if let Some(why) = rule.limits[place].refuses(*value) {
                        return Err(error(span, why).help("to look for something no more, write `off`"));
                    }
                    own.1[place] = *value;
                }
                None => {
                    let known = rule.limits.iter().map(|limit| limit.name);
                    let hint = did_you_mean(name, known.clone().chain(["severity"]));
                    let known: Vec<&str> = known.chain(["severity"]).collect();
                    let message = format!("the rule `{}` has no setting `{name}`{hint}", rule.name);
                    return Err(error(span, message).help(format!("its settings: {}", known.join(", "))));
                }
            }
        }
        Ok(())
    }

    /// With these rules alone; one that is off by itself is on then.
    #[must_use]
    pub fn only(mut self, wanted: &[&'static Rule]) -> Self {
        for (rule, own) in RULES.iter().zip(&mut self.rules) {
            let is_wanted = wanted.iter().any(|wanted| wanted.code == rule.code);
            own.0 = match (is_wanted, own.0) {
                (false, _) => Level::Off,
                (true, Level::Off) => Level::Info.max(rule.level),
                (true, level) => level,
            };
        }
        self
    }

    /// With this rule, too, where the project has it off.
    #[must_use]
    pub fn also(mut self, wanted: &'static Rule, level: Level) -> Self {
        for (_, own) in RULES.iter().zip(&mut self.rules).filter(|(rule, _)| rule.code == wanted.code) {
            if own.0 == Level::Off {
                own.0 = level;
            }
        }
        self
    }

    /// The level and the limits of a rule.
    pub(super) fn of(&self, rule: &Rule) -> (Level, &[f64]) {
        let place = RULES.iter().position(|known| known.code == rule.code);
        place.and_then(|place| self.rules.get(place)).map_or((Level::Off, &[]), |(level, limits)| (*level, limits))
    }
}
