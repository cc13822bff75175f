//! The YAML between two `---` lines at the head of a prompt.

use std::ops::Range;
use std::sync::Arc;

use jsonschema::Validator;
use semver::Version;
use serde_json::{Map, Value, json};

use super::retriever::{self, PromptRetriever};
use crate::core::bundle::bundle;
use crate::core::decode::Decoder;
use crate::core::names::ModelAlias;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::record::{ResponseFormat, Tool};
use crate::core::yaml::{self, Data, Key, Node};
use crate::project::{Config, Spans, decode_aliases, decode_params};
use crate::tree::Tree;

/// A variable that a case must give.
#[derive(Clone, Debug)]
pub struct VariableDeclaration {
    /// Its name.
    pub name: String,
    /// Its JSON Schema.
    pub schema: Value,
    /// What it is where a case does not give it.
    pub default: Option<Value>,
    /// Where it is declared.
    pub span: Range<usize>,
    validator: Arc<Validator>,
}

impl VariableDeclaration {
    /// Why a value is not of the declared type; `None` if it is.
    #[must_use]
    pub fn mismatch(&self, value: &Value) -> Option<String> {
        self.validator.iter_errors(value).next().map(|error| error.to_string())
    }

    /// The type, where the declaration is just one (`string`, `integer`, …).
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.schema.get("type").and_then(Value::as_str)
    }
}

/// The form that the answer is asked to have; it is also checked.
#[derive(Clone, Debug)]
pub struct Output {
    /// What the model is told.
    pub format: ResponseFormat,
    /// Where it is asked for.
    pub span: Range<usize>,
}

/// What the author says about a prompt.
#[derive(Clone, Debug, Default)]
pub struct FrontMatter {
    /// The version, as the author calls it.
    pub version: Option<Version>,
    /// Where the version stands.
    pub version_span: Option<Range<usize>>,
    /// What the prompt is for.
    pub description: Option<String>,
    /// The models to test it on; `None`: the project's default.
    pub models: Option<Vec<ModelAlias>>,
    /// Parameters that go over those of the model.
    pub params: Map<String, Value>,
    /// Where each parameter stands.
    pub param_spans: Spans,
    /// The declared variables; `None` where the prompt declares none, and any are allowed.
    pub variables: Option<Vec<VariableDeclaration>>,
    /// Structured output.
    pub output: Option<Output>,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// What finds documents for it.
    pub retriever: Option<PromptRetriever>,
}

/// The ranges of a prompt file: its front matter, if it has one, and its body.
pub(super) fn split(source: &Arc<Source>) -> Result<(Option<Range<usize>>, usize), Problem> {
    let text = &source.text;
    let is_mark = |line: &str| line.trim_end_matches(['\n', '\r']) == "---";
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| is_mark(line)) else { return Ok((None, 0)) };
    let mut offset = first.len();
    for line in lines {
        if is_mark(line) {
            return Ok((Some(first.len()..offset), offset + line.len()));
        }
        offset += line.len();
    }
    let message = "the front matter is not closed; end it with a line `---`";
    Err(Problem::error(Place::span(source, 0..3), message))
}

/// The version that a template's file says, whatever else there is to say against it.
#[must_use]
pub fn written_version(text: &str) -> Option<String> {
    let source = Source::new("", text);
    let range = split(&source).ok()?.0?;
    let node = yaml::parse_range(&source, range).ok()?;
    node.get("version")?.to_json().as_str().map(str::to_owned)
}

/// What reading a front matter needs to know.
pub(super) struct FrontMatterReader<'a> {
    pub(super) tree: &'a dyn Tree,
    pub(super) config: &'a Config,
    /// The folder of the prompt, from which it names files.
    pub(super) folder: TreePath,
    /// The prompt's leaf name, for a schema that has no name of its own.
    pub(super) leaf: &'a str,
}

const KEYS: [&str; 8] = ["version", "description", "models", "params", "vars", "output", "tools", "retriever"];

impl FrontMatterReader<'_> {
    /// Reads the front matter that stands in a range of a source.
    pub(super) fn read(&self, source: &Arc<Source>, range: Range<usize>, problems: &mut Problems) -> FrontMatter {
        let node = match yaml::parse_range(source, range) {
            Ok(node) => node,
            Err(found) => {
                problems.extend(found);
                return FrontMatter::default();
            }
        };
        let mut decoder = Decoder { source, problems };
        if matches!(node.data, Data::Null) {
            return FrontMatter::default();
        }
        let Some(fields) = decoder.fields(&node, "the front matter", &KEYS) else { return FrontMatter::default() };
        let params = fields.get("params").and_then(|node| decode_params(&mut decoder, node));
        let (params, param_spans) = params.unwrap_or_default();
        let variables = fields.entry("vars").map(|(_, node)| read_variables(&mut decoder, node));
        let retriever = fields.entry("retriever").and_then(|(key, node)| {
            retriever::read(&mut decoder, (key, node), self.config, variables.as_deref().unwrap_or_default())
        });
        FrontMatter {
            version_span: fields.get("version").map(|node| node.span.clone()),
            version: fields.get("version").and_then(|node| read_version(&mut decoder, node)),
            description: fields.get("description").and_then(|node| decoder.text(node, "description")),
            models: fields.get("models").map(|node| decode_aliases(&mut decoder, node, &self.config.models)),
            params,
            param_spans,
            variables,
            retriever,
            output: fields.get("output").and_then(|node| self.read_output(&mut decoder, node)),
            tools: fields.get("tools").map(|node| self.read_tools(&mut decoder, node)).unwrap_or_default(),
        }
    }

    fn read_output(&self, decoder: &mut Decoder<'_>, node: &Node) -> Option<Output> {
        let fields = decoder.fields(node, "output", &["schema", "name"])?;
        let Some(schema_node) = fields.get("schema") else {
            decoder.error(fields.span, "output needs a `schema`: a file or a JSON Schema");
            return None;
        };
        let schema = match &schema_node.data {
            Data::Map(_) => self.bundled(decoder, schema_node, schema_node.to_json(), "")?,
            _ => {
                let file = decoder.text(schema_node, "schema")?;
                let (source, node) = self.read_yaml(decoder, schema_node, &file)?;
                let schema = self.bundled(decoder, schema_node, node.to_json(), &file)?;
                if let Err(error) = compile_schema(&schema) {
                    let message = format!("this is not a JSON Schema: {error}");
                    decoder.problems.error(Place::span(&source, node.span.start..node.span.start), message);
                    return None;
                }
                schema
            }
        };
        if let Err(error) = compile_schema(&schema) {
            decoder.error(schema_node.span.clone(), format!("this is not a JSON Schema: {error}"));
            return None;
        }
        let name = match fields.get("name") {
            Some(node) => decoder.text(node, "name")?,
            None => schema_name(self.leaf),
        };
        Some(Output { format: ResponseFormat { name, schema }, span: schema_node.span.clone() })
    }

    fn read_tools(&self, decoder: &mut Decoder<'_>, node: &Node) -> Vec<Tool> {
        let mut tools: Vec<Tool> = Vec::new();
        for item in decoder.list(node, "tools").unwrap_or_default() {
            let Some(tool) = self.read_tool(decoder, item) else { continue };
            if tools.iter().any(|known| known.name == tool.name) {
                decoder.error_key(item.span.clone(), format!("the tool `{}` stands here a second time", tool.name));
                continue;
            }
            tools.push(tool);
        }
        tools
    }

    fn read_tool(&self, decoder: &mut Decoder<'_>, item: &Node) -> Option<Tool> {
        if let Data::Map(_) = item.data {
            return self.decode_tool(decoder, item, "");
        }
        let file = decoder.text(item, "a tool")?;
        let (source, node) = self.read_yaml(decoder, item, &file)?;
        self.decode_tool(&mut Decoder { source: &source, problems: decoder.problems }, &node, &file)
    }

    /// A schema with what it refers to in other files: a model is sent all of it. `file` is where it comes from, seen from the prompt.
    fn bundled(&self, decoder: &mut Decoder<'_>, node: &Node, schema: Value, file: &str) -> Option<Value> {
        let read = |name: &str| self.tree.text(&self.folder.join(name)?).map_err(|error| error.to_string());
        match bundle(schema, file, &read) {
            Ok(schema) => Some(schema),
            Err(why) => {
                decoder.error(node.span.clone(), why);
                None
            }
        }
    }

    fn decode_tool(&self, decoder: &mut Decoder<'_>, node: &Node, file: &str) -> Option<Tool> {
        let fields = decoder.fields(node, "a tool", &["name", "description", "parameters"])?;
        let Some(name) = fields.get("name").and_then(|node| decoder.text(node, "name")) else {
            decoder.error(fields.span, "a tool needs a `name`");
            return None;
        };
        let description = fields.get("description").and_then(|node| decoder.text(node, "description"));
        let parameters = match fields.get("parameters") {
            Some(node) => self.bundled(decoder, node, node.to_json(), file)?,
            None => json!({"type": "object"}),
        };
        if let (Some(node), Err(error)) = (fields.get("parameters"), compile_schema(&parameters)) {
            decoder.error(node.span.clone(), format!("the parameters are not a JSON Schema: {error}"));
            return None;
        }
        Some(Tool { name, description: description.unwrap_or_default(), parameters })
    }

    /// A YAML or JSON file that the front matter names at `node`.
    fn read_yaml(&self, decoder: &mut Decoder<'_>, node: &Node, file: &str) -> Option<(Arc<Source>, Node)> {
        let path = match self.folder.join(file) {
            Ok(path) => path,
            Err(why) => {
                decoder.error(node.span.clone(), why);
                return None;
            }
        };
        match self.tree.source(&path) {
            Ok(source) => match yaml::parse(&source) {
                Ok(node) => Some((source, node)),
                Err(found) => {
                    decoder.problems.extend(found);
                    None
                }
            },
            Err(error) => {
                decoder.error(node.span.clone(), error.to_string());
                None
            }
        }
    }
}

fn read_version(decoder: &mut Decoder<'_>, node: &Node) -> Option<Version> {
    let text = decoder.text(node, "version")?;
    match Version::parse(&text) {
        Ok(version) => Some(version),
        Err(error) => {
            let message = format!("`{text}` is not a semantic version such as 1.2.0: {error}");
            decoder.error(node.span.clone(), message);
            None
        }
    }
}

fn read_variables(decoder: &mut Decoder<'_>, node: &Node) -> Vec<VariableDeclaration> {
    if matches!(node.data, Data::Null) {
        return Vec::new();
    }
    let Some(fields) = decoder.map(node, "vars") else { return Vec::new() };
    fields.iter().filter_map(|(key, node)| read_variable(decoder, key, node)).collect()
}

const TYPES: [&str; 9] = ["string", "number", "integer", "boolean", "array", "list", "object", "null", "any"];

fn read_variable(decoder: &mut Decoder<'_>, key: &Key, node: &Node) -> Option<VariableDeclaration> {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    if !key.text.chars().all(identifier) || key.text.starts_with(|c: char| c.is_ascii_digit()) || key.text == "role" {
        decoder.error(key.span.clone(), format!("`{}` cannot be the name of a variable", key.text));
        return None;
    }
    let mut default = None;
    let schema = match &node.data {
        Data::Map(entries) => {
            let mut schema = Map::new();
            for (key, node) in entries {
                match key.text.as_str() {
                    "default" => default = Some(node.to_json()),
                    "type" => schema.extend(type_schema(decoder, node)?),
                    _ => {
                        schema.insert(key.text.clone(), node.to_json());
                    }
                }
            }
            Value::Object(schema)
        }
        Data::Null => json!({}),
        _ => Value::Object(type_schema(decoder, node)?),
    };
    let validator = match compile_schema(&schema) {
        Ok(validator) => Arc::new(validator),
        Err(error) => {
            let message = format!("the variable `{}` has no valid JSON Schema: {error}", key.text);
            decoder.error(node.span.clone(), message);
            return None;
        }
    };
    let declaration =
        VariableDeclaration { name: key.text.clone(), schema, default, span: key.span.clone(), validator };
    if let Some(why) = declaration.default.as_ref().and_then(|value| declaration.mismatch(value)) {
        decoder.error(node.span.clone(), format!("the default of `{}` does not fit its own type: {why}", key.text));
    }
    Some(declaration)
}

/// `type:` as a schema: JSON Schema's own names, `list` for `array`, and `any`.
fn type_schema(decoder: &mut Decoder<'_>, node: &Node) -> Option<Map<String, Value>> {
    let mut schema = Map::new();
    if let Data::List(_) = node.data {
        schema.insert("type".into(), node.to_json());
        return Some(schema);
    }
    let choices: Vec<(&str, &str)> = TYPES.iter().map(|name| (*name, *name)).collect();
    match decoder.choice(node, "type", &choices)? {
        "any" => {}
        "list" => {
            schema.insert("type".into(), json!("array"));
        }
        name => {
            schema.insert("type".into(), json!(name));
        }
    }
    Some(schema)
}

/// A schema's validator. Nothing is ever fetched: references must stay within the document.
pub(super) fn compile_schema(schema: &Value) -> Result<Validator, String> {
    jsonschema::options().build(schema).map_err(|error| error.to_string())
}

/// A schema's name as providers accept it: letters, digits, `_` and `-`.
fn schema_name(leaf: &str) -> String {
    let name: String = leaf.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    name.chars().take(64).collect()
}
