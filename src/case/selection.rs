//! Which cases a command is about: prompts by name, glob or path, cases by glob, tags.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};

use super::load::{Case, Cases, FIXTURES};
use crate::core::suggest::nearest;
use crate::prompt::{PROMPTS, Prompts};

/// What was asked for on the command line; an empty list selects everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Prompts: a name, a glob or a path.
    pub prompts: Vec<String>,
    /// Cases: globs over their names.
    pub cases: Vec<String>,
    /// Tags, one of which a case must have.
    pub tags: Vec<String>,
    /// A list that a case must be in.
    pub listed: Option<Listed>,
}

/// A list of cases by name.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is from.
    pub from: String,
    /// Prompts and cases.
    pub names: BTreeSet<(String, String)>,
}

/// A filter is wrong, or matches nothing.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// A glob that does not compile.
    #[error("`{0}` is no valid glob: {1}")]
    BadGlob(String, String),
    /// A filter that nothing matches.
    #[error("{what} `{pattern}` matches nothing{hint}")]
    NoMatch {
        /// Which filter.
        what: &'static str,
        /// What was asked for.
        pattern: String,
        /// The nearest names.
        hint: String,
    },
    /// Each filter matches something, but no case matches all of them.
    #[error("no case matches all of the filters; {0}")]
    NothingLeft(String),
}

impl Selection {
    /// Whether it selects everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prompts.is_empty() && self.cases.is_empty() && self.tags.is_empty() && self.listed.is_none()
    }

    /// The indexes of the selected prompts.
    pub fn prompts(&self, prompts: &Prompts) -> Result<Vec<usize>, SelectionError> {
        let names: Vec<&str> = prompts.list.iter().map(|prompt| prompt.name.as_str()).collect();
        self.names(&names)
    }

    /// The indexes of the selected prompts, of which the names alone are known.
    pub fn names(&self, names: &[&str]) -> Result<Vec<usize>, SelectionError> {
        if self.prompts.is_empty() {
            return Ok((0..names.len()).collect());
        }
        let mut selected = Vec::new();
        for pattern in &self.prompts {
            let found = match_prompt(pattern, names)?;
            if found.is_empty() {
                return Err(no_match("the prompt", pattern, names));
            }
            selected.extend(found);
        }
        selected.sort_unstable();
        selected.dedup();
        Ok(selected)
    }

    /// The indexes of the selected cases.
    pub fn select(&self, prompts: &Prompts, cases: &Cases) -> Result<Vec<usize>, SelectionError> {
        let in_prompts = self.prompts(prompts)?;
        let mut selected: Vec<usize> = self.select_each(&[(cases, &in_prompts)])?.into_iter().flatten().collect();
        let Some(listed) = &self.listed else { return Ok(selected) };
        let name = |case: &Case| (prompts.list[case.prompt].name.to_string(), case.name.to_string());
        selected.retain(|index| listed.names.contains(&name(&cases.list[*index])));
        if selected.is_empty() {
            return Err(SelectionError::NothingLeft(format!("none of those of {} is among them", listed.from)));
        }
        Ok(selected)
    }

    /// The indexes of the selected cases of several projects, each with the indexes of its prompts, sorted. A filter
    /// must match something in one of them.
    pub fn select_each(&self, projects: &[(&Cases, &[usize])]) -> Result<Vec<Vec<usize>>, SelectionError> {
        let globs = self.cases.iter().map(|pattern| glob(pattern)).collect::<Result<Vec<_>, _>>()?;
        let in_prompts = |(cases, prompts): &(&Cases, &[usize])| -> Vec<usize> {
            (0..cases.list.len()).filter(|i| prompts.binary_search(&cases.list[*i].prompt).is_ok()).collect()
        };
        let of_prompts: Vec<Vec<usize>> = projects.iter().map(in_prompts).collect();
        let with_cases = || of_prompts.iter().zip(projects);
        let all: Vec<&Case> = with_cases().flat_map(|(own, (cases, _))| own.iter().map(|i| &cases.list[*i])).collect();
        for (pattern, glob) in self.cases.iter().zip(&globs) {
            if !all.iter().any(|case| matches(glob, pattern, case.name.as_str())) {
                let names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
                return Err(no_match("the case", pattern, &names));
            }
        }
        for tag in &self.tags {
            if !all.iter().any(|case| case.tags.contains(tag)) {
                let tags: Vec<&str> = all.iter().flat_map(|case| case.tags.iter().map(String::as_str)).collect();
                return Err(no_match("the tag", tag, &tags));
            }
        }
        let is_selected = |case: &Case| {
            let by_name = globs.is_empty()
                || globs.iter().zip(&self.cases).any(|(glob, text)| matches(glob, text, case.name.as_str()));
            by_name && (self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag)))
        };
        let selected: Vec<Vec<usize>> = with_cases()
            .map(|(own, (cases, _))| own.iter().copied().filter(|i| is_selected(&cases.list[*i])).collect())
            .collect();
        if selected.iter().all(Vec::is_empty) && !self.is_everything() {
            return Err(SelectionError::NothingLeft("leave one of them out".into()));
        }
        Ok(selected)
    }
}

/// Whether a name of a case is one of those that are asked for; without any glob, every name is.
pub fn by_name(patterns: &[String]) -> Result<impl Fn(&str) -> bool, SelectionError> {
    let globs = patterns.iter().map(|pattern| glob(pattern)).collect::<Result<Vec<_>, _>>()?;
    let named = move |name: &str| {
        globs.is_empty() || globs.iter().zip(patterns).any(|(glob, pattern)| matches(glob, pattern, name))
    };
    Ok(named)
}

fn matches(glob: &GlobMatcher, pattern: &str, name: &str) -> bool {
    name == pattern || glob.is_match(name)
}

fn glob(pattern: &str) -> Result<GlobMatcher, SelectionError> {
    let built = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|e| SelectionError::BadGlob(pattern.into(), e.kind().to_string()))
}

/// A name, the last part of a name, a path of the prompt or of its cases, a folder, or a glob over names.
fn match_prompt(pattern: &str, names: &[&str]) -> Result<Vec<usize>, SelectionError> {
    let plain = pattern.trim_start_matches("./").trim_end_matches('/');
    let name = [PROMPTS, FIXTURES, "snapshots"]
        .iter()
        .find_map(|folder| plain.strip_prefix(&format!("{folder}/")))
        .unwrap_or(plain);
    let name = name.strip_suffix("/cases.yaml").unwrap_or(name);
    let name = name.strip_suffix(".j2").unwrap_or(name);
    let by = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
        names.iter().enumerate().filter(|(_, name)| test(name)).map(|(i, _)| i).collect()
    };
    for found in
        [by(&|n| n == name), by(&|n| n.starts_with(&format!("{name}/"))), by(&|n| n.ends_with(&format!("/{name}")))]
    {
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if matches!(plain, PROMPTS | FIXTURES | ".") {
        return Ok((0..names.len()).collect());
    }
    let glob = glob(name)?;
    Ok(by(&|n| glob.is_match(n)))
}

fn no_match(what: &'static str, pattern: &str, known: &[&str]) -> SelectionError {
    let mut names: Vec<&str> = known.to_vec();
    names.sort_unstable();
    names.dedup();
    let hint = match nearest(pattern, names.iter().copied()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if names.is_empty() => "; there is none".to_owned(),
        None => {
            let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
            let rest = names.len().saturating_sub(shown.len());
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            format!("; there are {}{more}", shown.join(", "))
        }
    };
    SelectionError::NoMatch { what, pattern: pattern.to_owned(), hint }
}
