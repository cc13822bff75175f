//! JSON Schemas that are spread over files, made into one that needs no other. Nothing is ever fetched.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The most files that one schema may reach.
const MOST_FILES: usize = 100;
/// The most parts of other files that are put into one schema.
const MOST_PARTS: usize = 1_000;
/// The deepest nesting of a schema.
const DEEPEST: usize = 128;
/// The draft that a schema is of which does not say.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What stands behind these is data, in which `$ref` is a key like others.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];
/// The keys behind these are names of the author's.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// What only means something within its own file.
const OF_A_FILE: [&str; 4] = ["$id", "$schema", "$anchor", "$dynamicAnchor"];

/// Reads a file that a schema names.
type Read<'r> = &'r dyn Fn(&str) -> Result<String, String>;

/// A schema with every part of another file that it refers to under its own `$defs`. `file` is where it comes from, from which
/// it names others; a reference to an address, or to what is not there, is an error.
pub fn bundle(mut schema: Value, file: &str, read: Read<'_>) -> Result<Value, String> {
    let root = Document { file: normalized(file), value: schema.clone() };
    let mut bundler = Bundler { read, root, documents: BTreeMap::new(), parts: Vec::new(), taken: Vec::new() };
    if let Some(Value::Object(known)) = schema.get("$defs") {
        bundler.taken = known.keys().cloned().collect();
    }
    bundler.walk(&mut schema, None, Within { embedded: false, own_id: false, depth: 0 })?;
    // Parts bring further parts.
    let mut done = 0;
    let mut finished = Vec::new();
    while let Some(part) = bundler.parts.get(done) {
        let (name, file, mut value) = (part.name.clone(), part.file.clone(), part.value.clone());
        bundler.walk(&mut value, Some(&file), Within { embedded: true, own_id: false, depth: 0 })?;
        finished.push((name, value));
        done += 1;
    }
    if finished.is_empty() {
        return Ok(schema);
    }
    let Value::Object(map) = &mut schema else { return Ok(schema) };
    let defs = map.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(defs) = defs else { return Err("`$defs` must be a mapping".into()) };
    defs.extend(finished);
    Ok(schema)
}

struct Document {
    file: String,
    value: Value,
}

/// A part of another file, and the name that it has here.
struct Part {
    name: String,
    file: String,
    /// The pointer, or the anchor, as it was written.
    fragment: String,
    value: Value,
}

struct Bundler<'r> {
    read: Read<'r>,
    root: Document,
    documents: BTreeMap<String, Value>,
    parts: Vec<Part>,
    taken: Vec<String>,
}

/// Where in a document a value stands.
#[derive(Clone, Copy)]
struct Within {
    embedded: bool,
    /// Below a `$id` of its own, from which local references count.
    own_id: bool,
    depth: usize,
}

impl Bundler<'_> {
    /// Rewrites the references of a schema; `file` is the one it comes from, none for the root.
    fn walk(&mut self, value: &mut Value, file: Option<&str>, within: Within) -> Result<(), String> {
        if within.depth > DEEPEST {
            return Err(format!("the schema is nested deeper than {DEEPEST} levels"));
        }
        let mut below = Within { depth: within.depth + 1, ..within };
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(item, file, below)),
            Value::Object(map) => {
                below.own_id |= within.depth > 0 && map.get("$id").is_some_and(Value::is_string);
                for key in ["$dynamicRef", "$recursiveRef"] {
                    let other = map.get(key).and_then(Value::as_str);
                    if let Some(other) = other.filter(|other| within.embedded || !other.starts_with('#')) {
                        return Err(format!("`{key}: {other}` does not reach over files; write `$ref`"));
                    }
                }
                if let Some(Value::String(reference)) = map.get("$ref")
                    && let Some(rewritten) = self.resolve(reference, file, below)?
                {
                    map.insert("$ref".into(), Value::String(rewritten));
                }
                if within.embedded {
                    map.retain(|key, value| !(OF_A_FILE.contains(&key.as_str()) && value.is_string()));
                }
                for (key, inner) in map.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                    match inner {
                        Value::Object(named) if NAMED.contains(&key.as_str()) => {
                            let deeper = Within { depth: below.depth + 1, ..below };
                            named.values_mut().try_for_each(|inner| self.walk(inner, file, deeper))?;
                        }
                        inner => self.walk(inner, file, below)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a reference becomes; none where it stays as it is.
    fn resolve(&mut self, reference: &str, file: Option<&str>, within: Within) -> Result<Option<String>, String> {
        let (target, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let wrap = |why: String| format!("`$ref: {reference}`: {why}");
        if target.is_empty() {
            let Some(file) = file else { return Ok(None) };
            return self.part(file, fragment).map(Some).map_err(wrap);
        }
        let document = file.map_or(&self.root.value, |file| self.documents.get(file).unwrap_or(&Value::Null));
        if let Some(found) = find(document, "$id", target, 0) {
            let Some(file) = file else { return Ok(None) };
            let found = found.clone();
            let named = at(&found, fragment).cloned().ok_or_else(|| wrap("there is nothing at that place".into()))?;
            return self.add(file, &format!("{target}#{fragment}"), named).map(Some).map_err(wrap);
        }
        if is_address(target) {
            if is_metaschema(target) {
                return Ok(None);
            }
            let what = "nothing is ever fetched; copy the schema into the project and name its file";
            return Err(wrap(format!("this is an address, and {what}")));
        }
        if file.is_none() && within.own_id {
            return Err(wrap("a file cannot be named below a `$id` of its own; remove that `$id`".into()));
        }
        let name = beside(file.unwrap_or(&self.root.file), target);
        if name == self.root.file && !name.is_empty() {
            return Ok(Some(format!("#{fragment}")));
        }
        self.part(&name, fragment).map(Some).map_err(wrap)
    }

    /// The reference to a part of a file.
    fn part(&mut self, file: &str, fragment: &str) -> Result<String, String> {
        if let Some(part) = self.parts.iter().find(|part| part.file == file && part.fragment == fragment) {
            return Ok(format!("#/$defs/{}", part.name));
        }
        if !self.documents.contains_key(file) {
            let document = self.load(file)?;
            self.documents.insert(file.to_owned(), document);
        }
        let found = self.documents.get(file).and_then(|document| at(document, fragment));
        let Some(value) = found.cloned() else { return Err(format!("there is nothing at `#{fragment}` in `{file}`")) };
        self.add(file, fragment, value)
    }

    fn add(&mut self, file: &str, fragment: &str, value: Value) -> Result<String, String> {
        if let Some(part) = self.parts.iter().find(|part| part.file == file && part.fragment == fragment) {
            return Ok(format!("#/$defs/{}", part.name));
        }
        if !value.is_object() && !value.is_boolean() {
            return Err("what stands there is no JSON Schema".into());
        }
        if self.parts.len() >= MOST_PARTS {
            return Err(format!("the schema reaches more than {MOST_PARTS} parts of other files"));
        }
        let name = self.name(file, fragment);
        self.parts.push(Part { name: name.clone(), file: file.to_owned(), fragment: fragment.to_owned(), value });
        Ok(format!("#/$defs/{name}"))
    }

    fn load(&self, file: &str) -> Result<Value, String> {
        if self.documents.len() >= MOST_FILES {
            return Err(format!("the schema reaches more than {MOST_FILES} files"));
        }
        let text = (self.read)(file)?;
        let value: Value = serde_yaml::from_str(&text).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
        let draft = |schema: &Value| {
            let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or(DRAFT);
            draft.trim_end_matches('#').to_owned()
        };
        let (own, other) = (draft(&self.root.value), draft(&value));
        if own != other && value.get("$schema").is_some() {
            return Err(format!("`{file}` is written in `{other}`, and the schema that names it in `{own}`"));
        }
        Ok(value)
    }

    /// A name under `$defs` that is not taken: that of the place, else that of the file.
    fn name(&mut self, file: &str, fragment: &str) -> String {
        let place = fragment.rsplit(['/', '#']).find(|part| !part.is_empty());
        let stem = file.rsplit('/').next().unwrap_or(file);
        let stem = stem.split('.').next().unwrap_or(stem);
        let plain: String = place
            .unwrap_or(stem)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
            .take(60)
            .collect();
        let plain = if plain.is_empty() { "schema".to_owned() } else { plain };
        let mut name = plain.clone();
        let mut number = 2;
        while self.taken.contains(&name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        self.taken.push(name.clone());
        name
    }
}

/// What stands at a pointer or an anchor.
fn at<'v>(document: &'v Value, fragment: &str) -> Option<&'v Value> {
    if fragment.is_empty() || fragment.starts_with('/') {
        return document.pointer(fragment);
    }
    find(document, "$anchor", fragment, 0)
}

/// The first schema in which a key has this text.
fn find<'v>(value: &'v Value, key: &str, text: &str, depth: usize) -> Option<&'v Value> {
    if depth > DEEPEST {
        return None;
    }
    match value {
        Value::Object(map) if map.get(key).and_then(Value::as_str) == Some(text) => Some(value),
        Value::Object(map) => map.values().find_map(|inner| find(inner, key, text, depth + 1)),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key, text, depth + 1)),
        _ => None,
    }
}

/// Whether a reference begins with a scheme (`https:`, `file:`, `urn:`) or a host.
fn is_address(target: &str) -> bool {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme);
    let fits =
        |scheme: &str| scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    target.starts_with("//") || scheme.is_some_and(fits)
}

/// Whether an address is that of JSON Schema itself, which is built in.
fn is_metaschema(target: &str) -> bool {
    let rest = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://")).unwrap_or_default();
    rest.strip_prefix("json-schema.org/draft").is_some_and(|rest| rest.ends_with("/schema"))
}

/// A name as seen from the folder of a file.
fn beside(file: &str, name: &str) -> String {
    if name.starts_with('/') {
        return name.to_owned();
    }
    match file.rsplit_once('/') {
        Some((folder, _)) => normalized(&format!("{folder}/{name}")),
        None => normalized(name),
    }
}

/// A path without `.`, and with `..` at its beginning only. Whether it leaves the project is for the reader to say.
fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let plain = parts.join("/");
    if path.starts_with('/') { format!("/{plain}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(name: &str) -> Result<String, String> {
        Ok(match name {
            "schemas/address.json" => json!({
                "$id": "https://example.org/address.json",
                "type": "object",
                "properties": { "country": { "$ref": "#/$defs/country" }, "owner": { "$ref": "../person.yaml#/$defs/person" } },
                "$defs": { "country": { "enum": ["DE", { "$ref": "not a reference" }] }, "unused": { "type": "null" } },
            })
            .to_string(),
            "person.yaml" => {
                "$defs: { person: { type: object, properties: { home: { $ref: schemas/address.json }, $ref: { type: string } } } }\n".into()
            }
            "api.yaml" => {
                "components: { schemas: { A: { $ref: '#/components/schemas/B' }, B: { type: string }, C: { $anchor: c, type: number } } }\n".into()
            }
            "old.json" => "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"type\": \"string\"}".into(),
            "net.json" => "{\"$ref\": \"https://example.org/other.json\"}".into(),
            "list.json" => "[1]".into(),
            _ => return Err(format!("there is no file `{name}`")),
        })
    }

    #[test]
    fn parts_of_other_files_come_along_and_nothing_else() {
        let schema = json!({ "properties": { "to": { "$ref": "schemas/address.json" }, "own": { "$ref": "#/$defs/x" } }, "$defs": { "x": true, "country": true } });
        let bundled = bundle(schema, "", &files).expect("bundled");
        assert_eq!(
            bundled,
            json!({
                "properties": { "to": { "$ref": "#/$defs/address" }, "own": { "$ref": "#/$defs/x" } },
                "$defs": {
                    "x": true,
                    "country": true,
                    "address": {
                        "type": "object",
                        "properties": { "country": { "$ref": "#/$defs/country_2" }, "owner": { "$ref": "#/$defs/person" } },
                        "$defs": { "country": { "enum": ["DE", { "$ref": "not a reference" }] }, "unused": { "type": "null" } },
                    },
                    "country_2": { "enum": ["DE", { "$ref": "not a reference" }] },
                    "person": { "type": "object", "properties": { "home": { "$ref": "#/$defs/address" }, "$ref": { "type": "string" } } },
                },
            })
        );
        let validator = jsonschema::validator_for(&bundled).expect("a schema that needs no other");
        assert!(validator.is_valid(&json!({ "to": { "country": "DE", "owner": { "home": { "country": "DE" } } } })));
        assert!(!validator.is_valid(&json!({ "to": { "owner": { "home": { "country": "FR" } } } })));
    }

    #[test]
    fn places_of_other_documents_are_found() {
        for reference in ["api.yaml#/components/schemas/A", "./x/../api.yaml#/components/schemas/A"] {
            let bundled = bundle(json!({ "$ref": reference }), "", &files).expect("bundled");
            assert_eq!(
                bundled,
                json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/B" }, "B": { "type": "string" } } })
            );
        }
        let bundled = bundle(json!({ "$ref": "api.yaml#c" }), "", &files).expect("bundled");
        assert_eq!(bundled, json!({ "$ref": "#/$defs/c", "$defs": { "c": { "type": "number" } } }));
        let own = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "root.json" }, "b": { "$id": "urn:b" }, "c": { "$ref": "urn:b" } } });
        let bundled = bundle(own, "root.json", &files).expect("bundled");
        assert_eq!(bundled["$defs"]["a"], json!({ "$ref": "#" }));
        assert_eq!(bundled["$defs"]["c"], json!({ "$ref": "urn:b" }));
        let meta = json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" });
        assert_eq!(bundle(meta.clone(), "", &files), Ok(meta));
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        for (reference, part) in [
            ("https://example.org/a.json", "nothing is ever fetched"),
            ("file:///etc/passwd", "nothing is ever fetched"),
            ("//example.org/a.json", "nothing is ever fetched"),
            ("net.json", "nothing is ever fetched"),
            ("missing.json", "there is no file"),
            ("/etc/passwd", "there is no file `/etc/passwd`"),
            ("../../x.json", "there is no file `../../x.json`"),
            ("api.yaml#/nowhere", "there is nothing at"),
            ("api.yaml#nowhere", "there is nothing at"),
            ("list.json", "no JSON Schema"),
            ("old.json", "draft-07"),
        ] {
            let why = bundle(json!({ "items": { "$ref": reference } }), "", &files).expect_err(reference);
            assert!(why.contains(part), "{reference}: {why}");
        }
    }
}
