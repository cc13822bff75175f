//! The pages' templates: Jinja, in which every value goes through the page's one escaping function.

use std::io;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::report::page::escape;

/// What every template may use.
const SHARED: (&str, &str) = ("parts.html", include_str!("parts.html"));

/// Fills a template. Text is escaped; what is HTML already is a safe value.
pub(super) fn fill(name: &'static str, source: &'static str, values: &Value) -> io::Result<String> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Custom("page".into()));
    templates.set_formatter(|out, _, value| {
        if value.is_undefined() {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        let done = match value.as_str() {
            Some(text) if value.is_safe() => out.write_str(text),
            Some(text) => out.write_str(&escape::html(text)),
            None => out.write_str(&escape::html(&value.to_string())),
        };
        done.map_err(Error::from)
    });
    let mut add = |(name, source)| templates.add_template(name, source).map_err(io::Error::other);
    add(SHARED)?;
    add((name, source))?;
    templates.get_template(name).and_then(|template| template.render(values)).map_err(io::Error::other)
}

/// HTML of our own, for a template.
pub(super) fn html(text: String) -> Value {
    Value::from_safe_string(text)
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn every_value_is_escaped_but_what_is_html_already() {
        let worst = "</p><script>'\"&\u{202e}\0";
        let values = context! { worst, list => vec![worst], ours => html("<b>1</b>".to_owned()), n => 1.5 };
        let source = "<p title=\"{{ worst }}\">{% for x in list %}{{ x }}{% endfor %}{{ ours }}{{ n }}</p>";
        let text = fill("t.html", source, &values).expect("filled");
        let safe = "&lt;/p&gt;&lt;script&gt;&#39;&quot;&amp;\\u{202e}\\u{0}";
        assert_eq!(text, format!("<p title=\"{safe}\">{safe}<b>1</b>1.5</p>"));
    }

    #[test]
    fn a_value_that_is_not_there_is_an_error() {
        assert!(fill("t.html", "{{ nothing }}", &context! {}).is_err());
    }
}
