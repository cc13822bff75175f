//! Experiments as variations of a case's request: its facts, examples of other cases, a stronger model.

use std::collections::{HashMap, HashSet};

use super::course::{Experiment, Lack};
use super::evidence::tells;
use crate::case::{Case, Found};
use crate::core::digest::sha256_hex;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem};
use crate::core::record::{Message, Role};
use crate::core::verdict::SampleOutcome;
use crate::plan::{Item, Unsendable, Variation};
use crate::project::ModelEntry;
use crate::prompt::Inline;
use crate::retrieval::Ideal;
use crate::run::Prepared;

/// The shipped template in which facts are given.
const FACTS: &str = include_str!("facts.j2");
/// The variable that it shows.
const VARIABLE: &str = "facts";

/// An answer of a case that may be shown before another.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The index of the case.
    pub case: usize,
    /// What it answered well.
    pub answer: String,
}

/// Makes the experiments of a project.
pub struct Bench<'a> {
    prepared: &'a Prepared,
    template: Inline,
    /// What may be shown before other cases, by the index of the prompt and of the model.
    examples: HashMap<(usize, usize), Vec<Example>>,
    /// What retrievers should have found, by the index of the case.
    ideals: &'a HashMap<usize, Ideal>,
}

impl<'a> Bench<'a> {
    /// Reads the project's template of facts, where it has one.
    pub fn new(
        prepared: &'a Prepared,
        examples: HashMap<(usize, usize), Vec<Example>>,
        ideals: &'a HashMap<usize, Ideal>,
    ) -> Result<Self, Problem> {
        let workspace = &prepared.workspace;
        let (place, text) = match &workspace.config.audit.facts_template {
            None => (Place::Nowhere, FACTS.to_owned()),
            Some((name, place)) => {
                let wrong = |why: String| {
                    let help = "name a template that shows `facts`, from the project's folder on, or leave `facts-template` out";
                    Problem::error(place.clone(), format!("`facts-template`: {why}")).help(help)
                };
                let path = TreePath::new(name).map_err(wrong)?;
                let text = workspace.tree.text(&path).map_err(|error| wrong(error.to_string()))?;
                (Place::File(path.to_string()), text)
            }
        };
        let template = Inline::new(&text).map_err(|why| Problem::error(place.clone(), why))?;
        if !template.variables().iter().any(|name| name == VARIABLE) {
            let message = "the template of facts does not show `facts`";
            let help = "write for example `{% for fact in facts %}{{ fact }}{% endfor %}`";
            return Err(Problem::error(place, message).help(help));
        }
        Ok(Self { prepared, template, examples, ideals })
    }

    /// An experiment with a case on a model, of so many answers; or why it cannot be made.
    pub fn item(&self, case: usize, model: usize, experiment: Experiment, samples: u32) -> Result<Item, Lack> {
        let own = Variation { experiment: experiment.name().to_owned(), messages: None, case: None };
        let (model, variation) = match experiment {
            Experiment::Repeat => (model, own),
            Experiment::Facts if self.gives_documents(case) => {
                (model, Variation { case: Some(self.with_documents(case)?), ..own })
            }
            Experiment::Facts => (model, Variation { messages: Some(self.with_facts(case)?), ..own }),
            Experiment::Examples => (model, Variation { messages: Some(self.with_examples(case, model)?), ..own }),
            Experiment::Model => (self.stronger(model)?, own),
        };
        let item = self.prepared.varied(case, model, variation, samples);
        item.map_err(|Unsendable { why, .. }| Lack::Unsendable(why))
    }

    /// Whether an example that is shown before a case says what the failing answers of the case were to say, and the case's
    /// own request does not: a model may copy it from there.
    pub fn tells(&self, case: usize, model: usize, own: &[SampleOutcome]) -> Result<bool, Problem> {
        let Ok(messages) = self.messages(case) else { return Ok(false) };
        let Some(asked) = messages.iter().rev().find(|message| message.role == Role::User) else { return Ok(false) };
        let said: String = messages.iter().map(|message| format!("{}\n", message.content)).collect();
        let free = self.prepared.free(case)?;
        let has = |text: &str| {
            let found = free.check(text);
            own.iter().any(|sample| {
                let first = sample.expectations.iter().filter(|checked| checked.turn.is_none());
                first.zip(&found).any(|(answer, text)| text.as_ref().is_some_and(|text| tells(answer, text)))
            })
        };
        if has(&said) {
            return Ok(false);
        }
        let known: HashSet<String> = words(&said).collect();
        let is_news = |text: &str| words(text).any(|word| !known.contains(&word));
        Ok(self.chosen(case, model, &asked.content).into_iter().any(|example| {
            let shown = self.messages(example.case).ok();
            let shown = shown.and_then(|all| all.into_iter().rev().find(|message| message.role == Role::User));
            let texts = shown.iter().map(|message| message.content.as_str()).chain([example.answer.as_str()]);
            texts.into_iter().any(|text| is_news(text) && has(text))
        }))
    }

    fn messages(&self, case: usize) -> Result<Vec<Message>, Lack> {
        let workspace = &self.prepared.workspace;
        workspace.messages(&workspace.cases.list[case]).map_err(|problem| Lack::Unsendable(problem.message))
    }

    /// Whether the facts of a case are documents that its retriever should have found: where it names no others.
    #[must_use]
    pub fn gives_documents(&self, case: usize) -> bool {
        self.prepared.workspace.cases.list[case].facts.is_empty() && self.ideals.contains_key(&case)
    }

    /// The case as though its retriever had found what is relevant.
    fn with_documents(&self, case: usize) -> Result<Case, Lack> {
        let documents = match self.ideals.get(&case) {
            Some(Ideal::Documents(documents)) => documents.clone(),
            Some(Ideal::Found) => return Err(Lack::Found),
            Some(Ideal::Unknown(ids)) => return Err(Lack::NoDocuments(ids.clone())),
            None => return Err(Lack::NoFacts),
        };
        let mut case = self.prepared.workspace.cases.list[case].clone();
        let retrieval = case.retrieval.as_ref().map(|retrieval| retrieval.with(Found::Documents(documents)));
        case.set_retrieval(retrieval.ok_or(Lack::NoFacts)?);
        Ok(case)
    }

    /// The case's messages with its facts behind what the user says last.
    fn with_facts(&self, case: usize) -> Result<Vec<Message>, Lack> {
        let facts = &self.prepared.workspace.cases.list[case].facts;
        if facts.is_empty() {
            return Err(Lack::NoFacts);
        }
        let variables = minijinja::context! { facts => facts.to_vec() };
        let block = self.template.render(&variables).map_err(Lack::Unsendable)?;
        let block = block.trim();
        let mut messages = self.messages(case)?;
        match messages.iter_mut().rev().find(|message| message.role == Role::User) {
            Some(message) => {
                let between = if message.content.trim().is_empty() { "" } else { "\n\n" };
                message.content = format!("{}{between}{block}", message.content);
            }
            None => messages.push(Message::new(Role::User, block)),
        }
        Ok(messages)
    }

    /// The case's messages with what other cases were asked and answered well before what the user says last.
    fn with_examples(&self, case: usize, model: usize) -> Result<Vec<Message>, Lack> {
        let mut messages = self.messages(case)?;
        let Some(at) = messages.iter().rposition(|message| message.role == Role::User) else {
            return Err(Lack::Unsendable("the prompt has no message of the user to put examples before".to_owned()));
        };
        let mut pairs = Vec::new();
        for example in self.chosen(case, model, &messages[at].content) {
            let asked = self.messages(example.case)?.into_iter().rev().find(|message| message.role == Role::User);
            let answer = Message::new(Role::Assistant, example.answer.clone());
            pairs.extend(asked.into_iter().chain([answer]));
        }
        if pairs.is_empty() {
            return Err(Lack::NoExamples);
        }
        messages.splice(at..at, pairs);
        Ok(messages)
    }

    /// The examples of a case: by the hash of both names, so that the same are chosen every time. Never the case itself, one
    /// of its group, or one that asks the very same.
    fn chosen(&self, case: usize, model: usize, asked: &str) -> Vec<&Example> {
        let workspace = &self.prepared.workspace;
        let own = &workspace.cases.list[case];
        let Some(known) = self.examples.get(&(own.prompt, model)) else { return Vec::new() };
        let mut others: Vec<(String, &Example)> = Vec::new();
        for example in known {
            let other = &workspace.cases.list[example.case];
            if example.case != case && (own.group.is_none() || other.group != own.group) {
                others.push((sha256_hex(format!("{}\n{}", own.name, other.name).as_bytes()), example));
            }
        }
        others.sort_by(|a, b| a.0.cmp(&b.0));
        // Only those that are taken are rendered.
        let asks_something_else = |example: &&Example| {
            let all = self.messages(example.case).ok();
            let last = all.as_ref().and_then(|all| all.iter().rev().find(|message| message.role == Role::User));
            last.is_some_and(|message| message.content != asked)
        };
        let most = usize::try_from(workspace.config.audit.examples).unwrap_or(usize::MAX);
        others.into_iter().map(|(_, example)| example).filter(asks_something_else).take(most).collect()
    }

    /// The stronger model: the first that the project names and that is not the one under audit; else the dearest, where it is
    /// dearer than that one.
    fn stronger(&self, model: usize) -> Result<usize, Lack> {
        let config = &self.prepared.workspace.config;
        let place = |entry: &ModelEntry| config.models.iter().position(|known| known.alias == entry.alias);
        if !config.audit.stronger.is_empty() {
            let named = config.audit.stronger.iter().find(|alias| **alias != config.models[model].alias);
            return named.and_then(|alias| config.model(alias)).and_then(place).ok_or(Lack::NoStronger);
        }
        let price = |entry: &ModelEntry| entry.price.as_ref().map(|price| price.input + price.output);
        let own = price(&config.models[model]).ok_or(Lack::NoStronger)?;
        let dearer = config.models.iter().filter(|entry| price(entry).is_some_and(|usd| usd > own));
        let dearest = dearer.max_by(|a, b| price(a).unwrap_or_default().total_cmp(&price(b).unwrap_or_default()));
        dearest.and_then(place).ok_or(Lack::NoStronger)
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
