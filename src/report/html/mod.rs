//! `html`: one file that shows a run, or a comparison, to a reviewer. It is opened in a browser and asks nobody for
//! anything.
//!
//! What is to be known first stands in the page as HTML and needs no script. The rest is packed: an index with a row for
//! each case, and the details in chunks that the page unpacks when somebody looks at one, so that twenty thousand cases
//! open as quickly as twenty. All of it comes from models and pull requests: text becomes HTML in [`super::page::escape`]
//! alone, and what is packed is Base64, which cannot leave its element.

mod audit;
mod changed;
mod comparison;
mod figures;
mod forest;
mod outcome;
mod packed;
mod plot;
mod run;
mod template;
mod versions;

use std::io::{self, Write};

use serde_json::Value;

use self::packed::{Chunks, Lines, write_element};
use super::page::{DIFFERENCE, PAGE, Page, STYLE};

pub use audit::write_html_audit;
pub use comparison::write_html_comparison;
pub use run::HtmlReport;
pub use versions::Past;

/// The look of a report beyond what all pages share.
const REPORT_STYLE: &str = include_str!("report.css");
/// The list of cases: unpacking, filters that live in the address, rows and what is behind them.
const LIST: &str = include_str!("list.js");
/// Where the packed data goes in a body. No text from outside can be this, because every `<` of it is escaped.
const PACKED_HERE: &str = "<!--packed-->";

/// What a page is made of.
struct Parts<'a> {
    title: &'a str,
    body: &'a str,
    script: &'a str,
    data: &'a Value,
    index: Lines,
    details: Chunks,
}

/// Writes a page. The packed data goes straight to the writer.
fn write_page(out: &mut dyn Write, parts: Parts<'_>) -> io::Result<()> {
    let page = Page {
        title: parts.title,
        body: parts.body,
        styles: &[STYLE, REPORT_STYLE],
        scripts: &[PAGE, DIFFERENCE, LIST, parts.script],
        data: Some(parts.data),
        talks: false,
    };
    let html = page.html();
    let (before, behind) = html.split_once(PACKED_HERE).unwrap_or((&html, ""));
    out.write_all(before.as_bytes())?;
    write_element(out, "index", &parts.index.finish()?)?;
    for (number, chunk) in parts.details.finish()?.iter().enumerate() {
        write_element(out, &format!("chunk-{number}"), chunk)?;
    }
    out.write_all(behind.as_bytes())?;
    out.flush()
}
