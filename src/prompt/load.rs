//! Finding the prompts of a tree, reading them, and checking what can be checked without a case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Environment;

use super::environment::{DOUBLED_BRACES, has_doubled_braces, jinja_message, jinja_span, pure};
use super::front_matter::{self, FrontMatter, FrontMatterReader};
use super::images::Images;
use super::messages::register;
use super::reach::{self, Reached};
use super::retriever::{DOCUMENTS, PromptRetriever};
use crate::core::digest::{DigestBuilder, canonical_json};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Mistake, Place, Problem, Problems, Source};
use crate::core::redact::key_shape;
use crate::core::suggest::did_you_mean;
use crate::core::yaml::conflict_marker;
use crate::project::Config;
use crate::tree::{Tree, TreeError};

/// The folder that holds the prompts.
pub const PROMPTS: &str = "prompts";
/// The folder below it in which the prompts of judges stand.
pub const JUDGES: &str = "judges";
/// The ending of a template.
pub const ENDING: &str = ".j2";
/// The largest template, in bytes.
const MAX_TEMPLATE: u64 = 4 << 20;

/// One template with a name of its own.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its name.
    pub name: PromptName,
    /// Its file.
    pub path: TreePath,
    /// The file's text.
    pub source: Arc<Source>,
    /// What its author says about it.
    pub front: FrontMatter,
    /// What it is: SHA-256 over the template, its partials, and the front matter that shapes a request.
    pub digest: String,
    /// The partials that it reaches, by their names below `prompts/`.
    pub partials: Vec<String>,
    /// Partials that it would reach if they were there.
    pub absent: Vec<String>,
    /// Whether an expression decides which partials it reaches: any of them may count.
    pub open: bool,
    /// Every variable that it or a partial mentions.
    pub variables: BTreeSet<String>,
    /// Whether it and everything that it must reach could be parsed: else `variables` may lack some.
    pub is_whole: bool,
}

/// A file that holds Jinja, and where its body begins.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) source: Arc<Source>,
    pub(super) body: usize,
    reached: Vec<Reached>,
}

impl Template {
    pub(super) fn text(&self) -> &str {
        &self.source.text[self.body..]
    }
}

/// A template as it is written, a prompt's or a partial's.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name below `prompts/`.
    pub key: &'a str,
    /// The file's text.
    pub source: &'a Arc<Source>,
    /// Where the template begins, behind the front matter.
    pub body: usize,
    /// Whether it is a partial.
    pub is_partial: bool,
}

/// All prompts of a tree, ready to be rendered.
pub struct Prompts {
    /// The prompts, by name.
    pub list: Vec<Prompt>,
    pub(super) templates: BTreeMap<String, Template>,
    pub(super) env: Environment<'static>,
    pub(super) images: Images,
}

impl Prompts {
    /// Reads every prompt and partial. What is wrong goes to `problems`; what can be read is returned.
    pub fn load(tree: &Arc<dyn Tree>, config: &Config, problems: &mut Problems) -> Self {
        let images = Images::new(Arc::clone(tree));
        let mut loader = Loader { tree: &**tree, config, problems, templates: BTreeMap::new(), env: pure() };
        register(&mut loader.env);
        loader.env.set_path_join_callback(|name, parent| join_names(name, parent).into());
        let fronts = loader.read_files();
        loader.report_missing();
        loader.report_cycles();
        let list = fronts.into_iter().map(|(name, key, front)| loader.prompt(name, &key, front)).collect();
        let Loader { templates, env, .. } = loader;
        Self { list, templates, env, images }
    }

    /// A prompt's template without its front matter.
    #[must_use]
    pub fn body(&self, prompt: &Prompt) -> &str {
        prompt.path.below(PROMPTS).and_then(|key| self.templates.get(key)).map_or("", Template::text)
    }

    /// Whether a prompt and everything that it reaches is free of mistakes of syntax.
    #[must_use]
    pub fn is_compiled(&self, prompt: &Prompt) -> bool {
        let own = prompt.path.below(PROMPTS);
        let mut all = own.into_iter().chain(prompt.partials.iter().map(String::as_str));
        all.all(|key| self.env.get_template(key).is_ok())
    }

    /// Every template, by name.
    pub fn files(&self) -> impl Iterator<Item = File<'_>> {
        self.templates.iter().map(|(key, template)| File {
            key,
            source: &template.source,
            body: template.body,
            is_partial: is_partial(key),
        })
    }

    /// The prompt of that name.
    #[must_use]
    pub fn get(&self, name: &PromptName) -> Option<&Prompt> {
        let own = self.list.binary_search_by(|prompt| prompt.name.cmp(name)).ok();
        // The order of the files is that of the names, but for names of which one begins another.
        own.and_then(|place| self.list.get(place)).or_else(|| self.list.iter().find(|prompt| prompt.name == *name))
    }
}

/// Whether a template of that name is no prompt of its own.
fn is_partial(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with('_'))
}

/// A template's name as another one sees it: from `prompts/`, or from the other's folder after `./` or `../`.
pub(super) fn join_names(name: &str, parent: &str) -> String {
    if !name.starts_with("./") && !name.starts_with("../") {
        return name.to_owned();
    }
    // A name that leaves `prompts/` names nothing, and is reported as missing.
    TreePath::new(parent).and_then(|path| path.parent().join(name)).map_or_else(|_| name.to_owned(), |p| p.to_string())
}

/// The templates that one reaches.
#[derive(Default)]
struct Reach {
    /// Those that are there.
    found: BTreeSet<String>,
    /// Those that are not.
    absent: BTreeSet<String>,
    /// Whether one of these must be there.
    lacks: bool,
    /// Whether an expression decides about others.
    open: bool,
}

struct Loader<'a> {
    tree: &'a dyn Tree,
    config: &'a Config,
    problems: &'a mut Problems,
    templates: BTreeMap<String, Template>,
    env: Environment<'static>,
}

impl Loader<'_> {
    fn read_files(&mut self) -> Vec<(PromptName, String, FrontMatter)> {
        let mut fronts = Vec::new();
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        let files = TreePath::new(PROMPTS).map(|folder| self.tree.list(&folder));
        let files = match files {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                self.problems.push(error.into_problem());
                return fronts;
            }
            Err(_) => return fronts,
        };
        for file in files {
            let Some(key) = file.below(PROMPTS).filter(|key| key.ends_with(ENDING)) else { continue };
            let key = key.to_owned();
            if let Some(other) = folded.insert(key.to_lowercase(), key.clone()) {
                let message = format!(
                    "`{key}` and `{other}` differ in case only, and are one file on Windows and macOS; rename one of them"
                );
                self.problems.error(Place::File(file.to_string()), message);
            }
            let Some(source) = self.read_source(&file) else { continue };
            let partial = is_partial(&key);
            let (front, body) = match if partial { Ok((None, 0)) } else { front_matter::split(&source) } {
                Ok(split) => split,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            self.add_template(&key, Arc::clone(&source), body);
            if partial {
                continue;
            }
            match PromptName::new(key.trim_end_matches(ENDING)) {
                Ok(name) => {
                    let reader = FrontMatterReader {
                        tree: self.tree,
                        config: self.config,
                        folder: file.parent(),
                        leaf: name.leaf(),
                    };
                    let front = front.map(|range| reader.read(&source, range, self.problems)).unwrap_or_default();
                    fronts.push((name, key, front));
                }
                Err(why) => self.problems.error(Place::File(file.to_string()), why),
            }
        }
        fronts
    }

    /// A template's text. Line ends are made line feeds, so that a checkout on Windows renders the same request.
    fn read_source(&mut self, path: &TreePath) -> Option<Arc<Source>> {
        let text = match self.tree.text_up_to(path, MAX_TEMPLATE) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(error.into_problem());
                return None;
            }
        };
        let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
        let source = Source::new(path.as_str(), text);
        if let Some(at) = conflict_marker(&source.text) {
            let message = "a conflict marker of a merge; choose one side and remove the marker lines";
            let problem = Problem::error(Place::span(&source, at..at + 7), message);
            self.problems.push(problem.of(Mistake::ConflictMarker));
            return None;
        }
        if let Some((shape, range)) = key_shape(&source.text) {
            let help = "if it is a real key, revoke it: whoever has the repository has the key";
            let problem = Problem::warning(Place::span(&source, range), format!("this looks like {shape}"));
            self.problems.push(problem.help(help));
        }
        Some(source)
    }

    fn add_template(&mut self, key: &str, source: Arc<Source>, body: usize) {
        let text = source.text[body..].to_owned();
        if let Err(error) = self.env.add_template_owned(key.to_owned(), text) {
            let span = jinja_span(&error, &source.text[body..]).unwrap_or(0..0);
            let place = Place::span(&source, body + span.start..body + span.end);
            let problem = Problem::error(place, jinja_message(&error));
            let doubled = has_doubled_braces(&source.text[body..], &span);
            self.problems.push(if doubled { problem.help(DOUBLED_BRACES) } else { problem });
        }
        let reached = reach::reached(&source.text[body..]);
        self.templates.insert(key.to_owned(), Template { source, body, reached });
    }

    fn report_missing(&mut self) {
        for (key, template) in &self.templates {
            for reached in template.reached.iter().filter(|r| !r.optional) {
                let Some(name) = &reached.name else { continue };
                if self.templates.contains_key(&join_names(name, key)) {
                    continue;
                }
                let span = template.body + reached.span.start..template.body + reached.span.end;
                let outside = name.starts_with('/') || name.split('/').any(|part| part == "..");
                let problem = if outside && TreePath::new(&format!("{PROMPTS}/{name}")).is_err() {
                    format!("`{name}` leaves the project; a template can reach files below {PROMPTS}/ only")
                } else if let Some(why) = self.beyond_reach(&join_names(name, key)) {
                    why
                } else {
                    let hint = did_you_mean(name, self.templates.keys().map(String::as_str));
                    format!("there is no template `{PROMPTS}/{name}`{hint}")
                };
                let problem = Problem::error(Place::span(&template.source, span), problem);
                self.problems.push(problem.of(Mistake::Partial));
            }
        }
    }

    /// Why a template is not in the list though something stands at its place.
    fn beyond_reach(&self, key: &str) -> Option<String> {
        let path = TreePath::new(&format!("{PROMPTS}/{key}")).ok()?;
        match self.tree.read(&path, MAX_TEMPLATE) {
            Err(error @ TreeError::Submodule(_)) => Some(error.to_string()),
            _ => None,
        }
    }

    fn report_cycles(&mut self) {
        for (key, template) in &self.templates {
            for reached in &template.reached {
                let Some(name) = reached.name.as_ref().map(|name| join_names(name, key)) else { continue };
                if name == *key || self.reach_of(&name).found.contains(key) {
                    let span = template.body + reached.span.start..template.body + reached.span.end;
                    let message = format!("`{key}` reaches itself through `{name}`, so rendering it would never end");
                    let problem = Problem::error(Place::span(&template.source, span), message);
                    self.problems.push(problem.of(Mistake::Partial));
                }
            }
        }
    }

    /// All templates that one reaches, itself left out.
    fn reach_of(&self, key: &str) -> Reach {
        let mut reach = Reach::default();
        let mut queue = vec![key.to_owned()];
        while let Some(at) = queue.pop() {
            for reached in self.templates.get(&at).map_or(&[][..], |t| &t.reached) {
                match &reached.name {
                    Some(name) => {
                        let name = join_names(name, &at);
                        if !self.templates.contains_key(&name) {
                            reach.lacks |= !reached.optional;
                            reach.absent.insert(name);
                        } else if reach.found.insert(name.clone()) {
                            queue.push(name);
                        }
                    }
                    None => reach.open = true,
                }
            }
        }
        reach
    }

    fn prompt(&mut self, name: PromptName, key: &str, front: FrontMatter) -> Prompt {
        let Reach { found: mut partials, absent, lacks, open } = self.reach_of(key);
        if open {
            // Which one an expression names is known only when it is rendered: any of them may count.
            partials.extend(self.templates.keys().filter(|k| is_partial(k)).cloned());
        }
        let mut variables = BTreeSet::new();
        let mut is_whole = !lacks;
        for template in partials.iter().map(String::as_str).chain([key]) {
            match self.env.get_template(template) {
                Ok(template) => variables.extend(template.undeclared_variables(false)),
                Err(_) => is_whole = false,
            }
        }
        if let Some(retriever) = &front.retriever {
            if is_whole && !variables.contains(DOCUMENTS) && !open {
                let place = Place::span(&self.templates[key].source, retriever.span.clone());
                let message = format!("the prompt `{name}` has a retriever, and its template never uses `documents`");
                let help = "write what was found: `{% for document in documents %}{{ document.text }}{% endfor %}`";
                self.problems.push(Problem::warning(place, message).help(help));
            }
            variables.extend(retriever.query.variables().iter().cloned());
        }
        variables.retain(|name| !self.env.globals().any(|(global, _)| global == name));
        let template = &self.templates[key];
        let prompt = Prompt {
            path: TreePath::new(&template.source.path).unwrap_or_else(|_| TreePath::root()),
            source: Arc::clone(&template.source),
            digest: self.digest(key, &partials, &front),
            partials: partials.into_iter().collect(),
            absent: absent.into_iter().collect(),
            open,
            name,
            front,
            variables,
            is_whole,
        };
        self.report_undeclared(key, &prompt);
        prompt
    }

    fn report_undeclared(&mut self, key: &str, prompt: &Prompt) {
        let (Some(declared), Ok(compiled)) = (&prompt.front.variables, self.env.get_template(key)) else { return };
        let template = &self.templates[key];
        let mut mentioned: Vec<String> = compiled.undeclared_variables(false).into_iter().collect();
        mentioned.sort_unstable();
        for name in mentioned {
            let is_found = name == DOCUMENTS && prompt.front.retriever.is_some();
            if is_found
                || declared.iter().any(|d| d.name == name)
                || self.env.globals().any(|(global, _)| global == name)
            {
                continue;
            }
            let hint = did_you_mean(&name, declared.iter().map(|d| d.name.as_str()));
            let span = reach::mention(template.text(), &name).unwrap_or(0..0);
            let place = Place::span(&template.source, template.body + span.start..template.body + span.end);
            let problem = Problem::error(place, format!("the variable `{name}` is not declared under `vars:`{hint}"));
            let problem = problem.of(Mistake::UndefinedVariable);
            self.problems.push(problem.help(format!("declare it in the front matter: `{name}: string`")));
        }
        let mistaken = super::braces::mistaken(template.text());
        for declaration in declared {
            if let Some((span, name)) = mistaken.iter().find(|(_, name)| *name == declaration.name) {
                let place = Place::span(&template.source, template.body + span.start..template.body + span.end);
                let message = format!("`{{{name}}}` in single braces is plain text; a variable is `{{{{ {name} }}}}`");
                self.problems.push(Problem::warning(place, message));
            }
        }
        for declaration in declared.iter().filter(|d| prompt.is_whole && !prompt.variables.contains(&d.name)) {
            let place = Place::span(&prompt.source, declaration.span.clone());
            let message = format!("the variable `{}` is declared but the template never uses it", declaration.name);
            self.problems.push(Problem::warning(place, message));
        }
    }

    fn digest(&self, key: &str, partials: &BTreeSet<String>, front: &FrontMatter) -> String {
        let mut digest = DigestBuilder::default();
        digest.part("template", self.templates[key].text().as_bytes());
        for name in partials {
            digest.part("partial", name.as_bytes());
            digest.part("text", self.templates[name].text().as_bytes());
        }
        let defaults: serde_json::Map<_, _> = front
            .variables
            .iter()
            .flatten()
            .filter_map(|declaration| Some((declaration.name.clone(), declaration.default.clone()?)))
            .collect();
        let mut shaping = serde_json::json!({
            "params": front.params,
            "output": front.output.as_ref().map(|output| &output.format),
            "tools": front.tools,
            "defaults": defaults,
        });
        // Left out of prompts without one, whose digests are older than retrievers.
        if let Some(PromptRetriever { retriever, query, top, .. }) = &front.retriever {
            shaping["retriever"] = serde_json::json!([retriever.name, query.source(), top]);
        }
        digest.part("front matter", canonical_json(&shaping).as_bytes());
        digest.finish()
    }
}
