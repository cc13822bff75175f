//! Pictures, as SVG within the page: each says in words what it shows. Colours come from classes, so that they fit light
//! and dark.

use super::figures::{escaped, grouped, percent, share};
use super::template::html;

/// A bar of parts side by side: a class and a count each.
pub(super) fn bar(parts: &[(&str, u64)]) -> minijinja::Value {
    let all: u64 = parts.iter().map(|(_, count)| count).sum();
    let mut svg =
        String::from("<svg class=\"share\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut before = 0;
    for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
        let (x, width) = (share(before, all) * 100.0, share(*count, all) * 100.0);
        svg.push_str(&format!("<rect class=\"{class}\" x=\"{x:.2}\" y=\"0\" width=\"{width:.2}\" height=\"4\"/>"));
        before += count;
    }
    svg.push_str("</svg>");
    html(svg)
}

/// A version of a prompt, as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// What it is called.
    pub(super) label: String,
    /// Answers that pass, and all that are recorded.
    pub(super) passed: u64,
    /// All answers.
    pub(super) answered: u64,
    /// Tokens of an answer, on average.
    pub(super) tokens: Option<f64>,
}

/// Where the plot of versions has its parts.
const WIDTH: f64 = 320.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 312.0;
const RATES: (f64, f64) = (10.0, 82.0);
const TOKENS: (f64, f64) = (98.0, 128.0);

/// Pass rates as a line and tokens as columns, the oldest version first.
pub(super) fn versions(prompt: &str, points: &[Point]) -> minijinja::Value {
    #[expect(clippy::cast_precision_loss, reason = "a plot has few points")]
    let x = |at: usize| {
        let last = points.len().saturating_sub(1).max(1);
        LEFT + 10.0 + (RIGHT - LEFT - 20.0) * at as f64 / last as f64
    };
    let y = |rate: f64| RATES.1 - (RATES.1 - RATES.0) * rate;
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} 146\" role=\"img\" aria-label=\"{}\">",
        escaped(&in_words(prompt, points))
    );
    for (rate, name) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
        let at = y(rate);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 4.0,
            at + 3.0
        ));
    }
    let known: Vec<(usize, f64)> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.answered > 0)
        .map(|(at, point)| (at, share(point.passed, point.answered)))
        .collect();
    let line: Vec<String> = known.iter().map(|(at, rate)| format!("{:.1},{:.1}", x(*at), y(*rate))).collect();
    svg.push_str(&format!("<polyline class=\"rate\" points=\"{}\"/>", line.join(" ")));
    for (at, rate) in &known {
        let class = if *rate < 1.0 { "dot bad" } else { "dot" };
        svg.push_str(&format!("<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", x(*at), y(*rate)));
    }
    columns(&mut svg, points, &x);
    for (at, anchor, place) in [(0, "start", LEFT), (points.len().saturating_sub(1), "end", RIGHT)] {
        if let Some(point) = points.get(at) {
            svg.push_str(&format!(
                "<text class=\"tick\" x=\"{place}\" y=\"142\" text-anchor=\"{anchor}\">{}</text>",
                escaped(&point.label)
            ));
        }
    }
    svg.push_str("</svg>");
    html(svg)
}

fn columns(svg: &mut String, points: &[Point], x: &dyn Fn(usize) -> f64) {
    let most = points.iter().filter_map(|point| point.tokens).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    svg.push_str(&format!(
        "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 4.0,
        TOKENS.0 + 6.0,
        short(most)
    ));
    for (at, tokens) in points.iter().enumerate().filter_map(|(at, point)| Some((at, point.tokens?))) {
        let height = (TOKENS.1 - TOKENS.0) * tokens / most;
        svg.push_str(&format!(
            "<rect class=\"tokens\" x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"{height:.1}\"/>",
            x(at) - 3.0,
            TOKENS.1 - height
        ));
    }
}

/// A number in a few characters.
fn short(number: f64) -> String {
    match number {
        many if many >= 999_500.0 => format!("{:.1}M", many / 1e6),
        many if many >= 9_999.5 => format!("{:.0}k", many / 1e3),
        few => format!("{few:.0}"),
    }
}

fn in_words(prompt: &str, points: &[Point]) -> String {
    let told = |point: &Point| {
        let rate = percent(share(point.passed, point.answered));
        let tokens = point.tokens.map(|tokens| format!(", {tokens:.0} tokens an answer")).unwrap_or_default();
        format!("{} of {} ({rate}){tokens}", grouped(point.passed), grouped(point.answered))
    };
    let ends = match points {
        [] => String::new(),
        [one] => format!(": {}", told(one)),
        [first, .., last] => format!(": from {} to {}", told(first), told(last)),
    };
    format!("Pass rate and tokens of {prompt} over {} versions{ends}", points.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(passed: u64, answered: u64, tokens: Option<f64>) -> Point {
        Point { label: "</svg><script>\"".to_owned(), passed, answered, tokens }
    }

    #[test]
    fn a_picture_says_in_words_what_it_shows() {
        let svg = versions("p", &[point(1, 2, Some(12.0)), point(0, 0, None), point(2, 2, Some(13_000.0))]).to_string();
        assert!(
            svg.contains(
                "Pass rate and tokens of p over 3 versions: from 1 of 2 (50 %), 12 tokens an answer to 2 of 2 (100 %)"
            ),
            "{svg}"
        );
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("&lt;/svg&gt;&lt;script&gt;&quot;") && !svg.contains("<script"));
    }

    #[test]
    fn no_number_of_a_picture_is_something_else() {
        for points in
            [vec![], vec![point(0, 0, None)], vec![point(0, 0, Some(0.0)); 2], vec![point(3, 3, Some(1e12)); 20]]
        {
            let svg = versions("p", &points).to_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        let all = bar(&[("good", 0), ("rest", 0)]).to_string();
        assert!(!all.contains("NaN") && !all.contains("<rect"), "{all}");
        assert_eq!(bar(&[("good", 1), ("rest", 3)]).to_string().matches("width=\"25.00\"").count(), 1);
    }
}
