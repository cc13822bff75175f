//! The parts of a page that shows answers beside each other: one style, a few scripts without a framework, and the
//! document that holds them. Nothing is fetched: a page is one file, and its policy forbids the network.
//!
//! Untrusted text reaches a page in two ways only: as JSON in a data block ([`escape::json`]), whose texts were made
//! visible by [`difference::pieces`] or [`escape::shown`] and which the scripts put into text nodes; or through
//! [`escape::html`].

pub mod difference;
pub mod escape;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Colours, type and the layout of differences, light and dark.
pub const STYLE: &str = include_str!("page.css");
/// Making elements, telling what happened, light and dark, keys, filters: `page`.
pub const PAGE: &str = include_str!("page.js");
/// Differences in one column or in two: `difference`. Needs [`PAGE`].
pub const DIFFERENCE: &str = include_str!("diff.js");

/// The mark of the product, as the icon of a page.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%233b5bdb'/%3E%3Cpath d='M4 5l3 3-3 3M8 11h4' fill='none' stroke='white' stroke-width='1.6' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E";

/// A page before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Its title; untrusted.
    pub title: &'a str,
    /// What stands in `<body>` before the scripts: HTML of our own.
    pub body: &'a str,
    /// Its styles, in order.
    pub styles: &'a [&'a str],
    /// Its scripts, in order; they share one scope.
    pub scripts: &'a [&'a str],
    /// What the scripts read with `page.data()`.
    pub data: Option<&'a Value>,
    /// Whether its scripts talk to where the page came from.
    pub talks: bool,
}

impl Page<'_> {
    /// The document.
    #[must_use]
    pub fn html(&self) -> String {
        let data = self.data.map_or_else(String::new, |data| {
            format!("<script type=\"application/json\" id=\"data\">{}</script>\n", escape::json(data))
        });
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n<style>{}</style>\n</head>\n<body>\n{}\n\
             {data}<script>{}</script>\n</body>\n</html>\n",
            self.policy(),
            escape::html(self.title),
            self.style(),
            self.body,
            self.script(),
        )
    }

    /// What the page may do: run and show what is in it, by its SHA-256, and nothing else.
    #[must_use]
    pub fn policy(&self) -> String {
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()));
        let connect = if self.talks { " connect-src 'self';" } else { "" };
        format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:;{connect} base-uri 'none'; form-action 'none'",
            hash(&self.script()),
            hash(&self.style()),
        )
    }

    fn style(&self) -> String {
        self.styles.concat()
    }

    fn script(&self) -> String {
        format!("\"use strict\";\n{}", self.scripts.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WORST: &str = "</script><script>alert(1)</script><!--<script>\"'&\u{202e}\u{2028}\0]]>";

    #[test]
    fn nothing_leaves_the_data_block_or_the_title() {
        let data = json!({ "a": WORST, WORST: [WORST] });
        let page = Page {
            title: WORST,
            body: "<main></main>",
            styles: &[STYLE],
            scripts: &[PAGE, DIFFERENCE],
            data: Some(&data),
            talks: false,
        };
        let html = page.html();
        assert_eq!(html.matches("<script").count(), 2, "the data and the script");
        assert_eq!(html.matches("</script").count(), 2);
        assert_eq!(html.matches("<!--").count(), 0);
        let block = html.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("there");
        assert_eq!(serde_json::from_str::<Value>(block).expect("JSON"), data);
    }

    #[test]
    fn scripts_and_styles_can_stand_in_a_document() {
        for part in [STYLE, PAGE, DIFFERENCE] {
            let lower = part.to_lowercase();
            assert!(!lower.contains("</s") && !lower.contains("<!--"), "it would end its element");
        }
        for part in [PAGE, DIFFERENCE] {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
                assert!(!part.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn the_policy_names_exactly_what_is_in_the_page() {
        let page = Page { title: "t", body: "", styles: &["a{}"], scripts: &["b();"], data: None, talks: true };
        let html = page.html();
        let script = html.split("<script>").nth(1).and_then(|rest| rest.split("</script>").next()).expect("there");
        let hash = BASE64_STANDARD.encode(Sha256::digest(script.as_bytes()));
        assert!(page.policy().contains(&format!("script-src 'sha256-{hash}'")));
        assert!(page.policy().starts_with("default-src 'none';") && page.policy().contains("connect-src 'self'"));
        assert!(!Page { talks: false, ..page }.policy().contains("connect-src"));
    }
}
