//! `retriever:` of a front matter: what finds the documents that the template sees as `documents`, and what it is asked.

use std::ops::Range;
use std::sync::Arc;

use super::front_matter::VariableDeclaration;
use super::inline::Inline;
use crate::core::decode::Decoder;
use crate::core::suggest::did_you_mean;
use crate::core::yaml::{Data, Key, Node};
use crate::project::{CONFIG_FILE, Config, Retriever, decode_retriever, decode_top};

/// What a template sees of what was found.
pub const DOCUMENTS: &str = "documents";

/// The retriever of a prompt.
#[derive(Clone, Debug)]
pub struct PromptRetriever {
    /// What finds.
    pub retriever: Arc<Retriever>,
    /// What is looked for: a template over the variables of a case.
    pub query: Inline,
    /// How many documents are asked for.
    pub top: usize,
    /// Where it stands.
    pub span: Range<usize>,
}

/// What a front matter says of a retriever beside what the retriever itself says.
const OWN: [&str; 3] = ["use", "query", "top"];

/// Reads `retriever: { use: NAME, query: "{{ question }}" }`, its name alone, or a retriever that stands there as it would in
/// `promptctl.yaml`.
///
/// Where it says no query, that is the one variable that the prompt declares.
pub(super) fn read(
    decoder: &mut Decoder<'_>,
    (key, node): (&Key, &Node),
    config: &Config,
    declared: &[VariableDeclaration],
) -> Option<PromptRetriever> {
    if let Data::Text(name) = &node.data {
        let retriever = named(decoder, node, name, config)?;
        return with_query(decoder, node, None, retriever, declared);
    }
    let fields = decoder.map(node, "retriever")?;
    let query = fields.get("query");
    let retriever = match fields.get("use") {
        Some(name) => {
            decoder.fields(node, "retriever", &OWN)?;
            let text = decoder.text(name, "use")?;
            let found = named(decoder, name, &text, config)?;
            match fields.get("top") {
                Some(node) => Arc::new(Retriever { top: decode_top(decoder, node)?, ..(*found).clone() }),
                None => found,
            }
        }
        None if fields.get("type").is_some() => {
            let Data::Map(entries) = &node.data else { return None };
            let rest = entries.iter().filter(|(key, _)| key.text != "query").cloned().collect();
            let rest = Node { span: node.span.clone(), data: Data::Map(rest) };
            Arc::new(decode_retriever(decoder, key, &rest, &config.models)?)
        }
        None => {
            let help = format!("name one of {CONFIG_FILE} (`use: NAME`), or write `type: local`, `http` or `exec`");
            decoder.error_help(fields.span, "retriever says neither `use` nor `type`", help);
            return None;
        }
    };
    with_query(decoder, node, query, retriever, declared)
}

fn named(decoder: &mut Decoder<'_>, node: &Node, name: &str, config: &Config) -> Option<Arc<Retriever>> {
    let found = config.retrievers.iter().find(|retriever| retriever.name.as_str() == name);
    if found.is_none() {
        let hint = did_you_mean(name, config.retrievers.iter().map(|retriever| retriever.name.as_str()));
        let message = format!("{CONFIG_FILE} has no retriever `{name}`{hint}");
        decoder.error_help(node.span.clone(), message, "describe it there under `retrievers:`");
    }
    found.cloned()
}

fn with_query(
    decoder: &mut Decoder<'_>,
    node: &Node,
    query: Option<&Node>,
    retriever: Arc<Retriever>,
    declared: &[VariableDeclaration],
) -> Option<PromptRetriever> {
    let mut others = declared.iter().filter(|variable| variable.name != DOCUMENTS);
    if let (None, Some(only), None) = (query, others.next(), others.next()) {
        let query = Inline::new(&format!("{{{{ {} }}}}", only.name)).ok()?;
        return Some(PromptRetriever { top: retriever.top, retriever, query, span: node.span.clone() });
    }
    let Some(written) = query else {
        let message = "retriever does not say what is looked for";
        let help = format!("write `retriever: {{ use: {}, query: \"{{{{ question }}}}\" }}`", retriever.name);
        decoder.error_help(node.span.clone(), message, help);
        return None;
    };
    let text = decoder.text(written, "query")?;
    let query = match Inline::new(&text) {
        Ok(query) => query,
        Err(why) => {
            decoder.error(written.span.clone(), format!("the query is no template: {why}"));
            return None;
        }
    };
    if query.variables().iter().any(|name| name == DOCUMENTS) {
        decoder.error(written.span.clone(), "the query cannot mention `documents`: they are what it finds");
        return None;
    }
    let top = retriever.top;
    Some(PromptRetriever { retriever, query, top, span: node.span.clone() })
}
