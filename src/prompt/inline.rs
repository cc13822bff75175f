//! A short text that may be a template over a case's variables: the value of an expectation, a row's name.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};

use super::environment::{jinja_message, pure};

const NAME: &str = "value";

/// A text, or a template that was found to be well-formed.
#[derive(Clone, Debug)]
pub struct Inline {
    source: Arc<str>,
    template: Option<Arc<Environment<'static>>>,
    variables: Arc<[String]>,
}

impl Inline {
    /// Reads a text; `Err` says what is wrong with the template in it.
    pub fn new(source: &str) -> Result<Self, String> {
        let mut variables = Vec::new();
        let mut template = None;
        if ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            let mut env = pure();
            // A text block of YAML ends with a line feed, and so does what it renders to.
            let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
            env.set_syntax(syntax.map_err(|error| jinja_message(&error))?);
            env.add_template_owned(NAME, source.to_owned()).map_err(|error| jinja_message(&error))?;
            let parsed = env.get_template(NAME).map_err(|error| jinja_message(&error))?;
            variables = parsed.undeclared_variables(false).into_iter().collect();
            variables.retain(|name| !env.globals().any(|(global, _)| global == name));
            variables.sort_unstable();
            template = Some(Arc::new(env));
        }
        Ok(Self { source: source.into(), template, variables: variables.into() })
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is anything to render.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.template.is_some()
    }

    /// The variables that it mentions, sorted.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The text with the variables' values put in, once: what a value contains is never rendered again.
    pub fn render(&self, variables: &Value) -> Result<String, String> {
        let Some(env) = &self.template else { return Ok(self.source.to_string()) };
        let render = || env.get_template(NAME)?.render(variables.clone());
        render().map_err(|error| jinja_message(&error))
    }

    /// The value of a text that is one `{{ expression }}` and nothing else, as JSON: a list stays a list.
    pub fn evaluate(&self, variables: &Value) -> Result<serde_json::Value, String> {
        let expression = self.source.trim().trim_start_matches("{{").trim_end_matches("}}");
        let expression = expression.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']);
        let Some(env) = &self.template else { return Ok(self.source.as_ref().into()) };
        let evaluate = || env.compile_expression(expression)?.eval(variables.clone());
        let value = evaluate().map_err(|error| jinja_message(&error))?;
        if value.is_undefined() {
            return Err(format!("`{}` is not defined", expression.trim()));
        }
        serde_json::to_value(&value).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn values_are_put_in_once() {
        let inline = Inline::new("[{{ reference }}]").expect("valid");
        assert_eq!(inline.variables(), ["reference"]);
        assert_eq!(inline.render(&context! { reference => "{{ x }}" }).as_deref(), Ok("[{{ x }}]"));
        assert!(inline.render(&context! {}).is_err_and(|why| why.contains("undefined")));
    }

    #[test]
    fn a_plain_text_is_left_alone() {
        let inline = Inline::new("{\"a\": 1}\n").expect("valid");
        assert!(!inline.is_template());
        assert_eq!(inline.render(&context! {}).as_deref(), Ok("{\"a\": 1}\n"));
        assert!(Inline::new("{{ x ").is_err());
    }

    #[test]
    fn the_process_environment_is_out_of_reach() {
        for source in ["{{ env.PATH }}", "{{ now() }}", "{{ debug() }}"] {
            let inline = Inline::new(source).expect("well-formed");
            assert!(inline.render(&context! {}).is_err(), "{source}");
        }
    }

    #[test]
    fn an_endless_loop_stops() {
        let inline = Inline::new("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}");
        let why = inline.expect("valid").render(&context! {}).expect_err("out of fuel");
        assert!(why.contains("steps"), "{why}");
    }
}
