//! The differences of all prompts and slices under each other, each with its interval, a line at zero and one at the drop
//! that matters.

use super::figures::escaped;
use super::template::html;
use crate::compare::Row;

const WIDTH: f64 = 240.0;
const MIDDLE: f64 = WIDTH / 2.0;
/// How far from the middle the end of the scale is.
const REACH: f64 = 112.0;

/// How far the scale goes to both sides: to the next tenth beyond everything that is drawn.
pub(super) fn scale<'a>(rows: impl Iterator<Item = &'a Row>, delta: f64) -> f64 {
    let ends = rows.flat_map(|row| {
        let (low, high) = row.interval.unwrap_or((row.difference, row.difference));
        [low.abs(), high.abs(), row.difference.abs()]
    });
    let most = ends.filter(|end| end.is_finite()).fold(delta, f64::max);
    ((most * 10.0).ceil() / 10.0).clamp(0.1, 1.0)
}

fn x(value: f64, scale: f64) -> f64 {
    MIDDLE + REACH * (value / scale).clamp(-1.0, 1.0)
}

/// `-12.0`.
pub(super) fn points(row: &Row) -> String {
    format!("{:+.1}", row.difference * 100.0)
}

/// `[-20.1, -3.9]`; empty of a single case.
pub(super) fn interval(row: &Row) -> String {
    row.interval.map(|(low, high)| format!("[{:+.1}, {:+.1}]", low * 100.0, high * 100.0)).unwrap_or_default()
}

fn lines(scale: f64, delta: f64, height: f64) -> String {
    let drop = x(-delta, scale);
    format!(
        "<line class=\"drop\" x1=\"{drop:.1}\" x2=\"{drop:.1}\" y1=\"0\" y2=\"{height}\"/>\
         <line class=\"zero\" x1=\"{MIDDLE}\" x2=\"{MIDDLE}\" y1=\"0\" y2=\"{height}\"/>"
    )
}

/// A row's difference and interval.
pub(super) fn picture(row: &Row, scale: f64, delta: f64) -> minijinja::Value {
    let what = row.tag.as_ref().map_or_else(|| row.prompt.clone(), |tag| format!("{} [{tag}]", row.prompt));
    let words = match row.interval {
        Some(_) => format!("{what}: {} points, 95 % interval {}", points(row), interval(row)),
        None => format!("{what}: {} points, without an interval", points(row)),
    };
    let mut svg = format!(
        "<svg class=\"forest {}\" viewBox=\"0 0 {WIDTH} 24\" role=\"img\" aria-label=\"{}\">{}",
        if row.tag.is_some() { "slice" } else { "whole" },
        escaped(&words),
        lines(scale, delta, 24.0)
    );
    let class = match row.verdict {
        crate::compare::Verdict::Regressed => "bad",
        crate::compare::Verdict::Improved => "good",
        _ => "calm",
    };
    if let Some((low, high)) = row.interval {
        let (from, to) = (x(low, scale), x(high, scale));
        let mut path = format!("M{from:.1} 12H{to:.1}");
        // An end beyond the scale has no bar across it.
        for (end, at) in [(low, from), (high, to)] {
            if end.abs() <= scale {
                path.push_str(&format!("M{at:.1} 8V16"));
            }
        }
        svg.push_str(&format!("<path class=\"interval {class}\" d=\"{path}\"/>"));
    }
    let at = x(row.difference, scale);
    let half = if row.tag.is_some() { 3.0 } else { 4.5 };
    svg.push_str(&format!(
        "<rect class=\"mark {class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{w}\" height=\"{w}\"/></svg>",
        at - half,
        12.0 - half,
        w = half * 2.0
    ));
    html(svg)
}

/// The scale above the pictures.
pub(super) fn axis(scale: f64, delta: f64) -> minijinja::Value {
    let mut svg = format!(
        "<svg class=\"forest axis\" viewBox=\"0 0 {WIDTH} 20\" role=\"img\" aria-label=\"From {:.0} points worse to {:.0} points better; a dashed line at {:.1} points worse is the drop that matters\">",
        scale * 100.0,
        scale * 100.0,
        delta * 100.0
    );
    for (value, anchor) in [(-scale, "start"), (0.0, "middle"), (scale, "end")] {
        let at = match anchor {
            "start" => 2.0,
            "end" => WIDTH - 2.0,
            _ => MIDDLE,
        };
        svg.push_str(&format!(
            "<text class=\"tick\" x=\"{at:.1}\" y=\"12\" text-anchor=\"{anchor}\">{}</text>",
            if value == 0.0 { "0".to_owned() } else { format!("{:+.0}", value * 100.0) }
        ));
    }
    svg.push_str("</svg>");
    html(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown::regressed_row as row;

    #[test]
    fn a_picture_stands_where_its_numbers_are() {
        let mut row = row();
        (row.difference, row.interval) = (-0.1, Some((-0.2, 0.0)));
        assert!((scale([&row].into_iter(), 0.05) - 0.2).abs() < 1e-9);
        let svg = picture(&row, 0.2, 0.05).to_string();
        assert!(svg.contains("M8.0 12H120.0M8.0 8V16M120.0 8V16"), "{svg}");
        assert!(svg.contains("<rect class=\"mark bad\" x=\"59.5\" y=\"7.5\""), "{svg}");
        assert!(svg.contains("<line class=\"drop\" x1=\"92.0\""), "{svg}");
        assert!(svg.contains("aria-label=\"p: -10.0 points, 95 % interval [-20.0, +0.0]\""), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_beyond_the_scale_and_no_name_leaves_its_attribute() {
        let mut row = row();
        (row.difference, row.interval) = (-0.5, Some((-1.8, f64::INFINITY)));
        row.tag = Some("\"><script>".to_owned());
        let scale = scale([&row].into_iter(), 0.1);
        let svg = picture(&row, scale, 0.1).to_string();
        assert!((scale - 1.0).abs() < 1e-9 && svg.contains("M8.0 12H232.0\""), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("NaN"), "{svg}");
        assert!(axis(scale, 0.1).to_string().contains("-100"));
    }
}
