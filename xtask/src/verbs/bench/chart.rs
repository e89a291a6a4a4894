//! The chart: a bar for each candidate, on one logarithmic scale.

use super::{
    figure::{Figure, Figures, Unit, shown},
    tables::{Row, TABLES},
};

/// Where the bars begin, and how wide a decade is.
const LEFT: f64 = 330.0;
const DECADE: f64 = 66.0;
/// The scale: 10 ns to 100 ms.
const LEAST: f64 = 10.0;
const DECADES: u32 = 7;
const WIDTH: f64 = 880.0;
const LINE: f64 = 18.0;
const TOP: f64 = 54.0;

/// Colours that are told apart on white and on black, by those who see few as well: ours are the full ones.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.group{font-weight:600}.axis{fill:#57606a}\
line{stroke:#d0d7de}.ours{fill:#0969da}.theirs{fill:#8c959f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{fill:#8d96a0}line{stroke:#30363d}.ours{fill:#58a6ff}.theirs{fill:#6e7681}}";

/// The chart of every table that has a place in it.
pub(super) fn render(figures: &Figures) -> String {
    let groups: Vec<(&str, Vec<(&Row, &Figure)>)> = TABLES
        .iter()
        .filter(|table| !table.chart.is_empty())
        .map(|table| {
            let find = |row: &'static Row| Some((row, figures.get(row.key.0, row.key.1, row.key.2)?));
            (table.chart, table.rows.iter().filter_map(find).collect::<Vec<_>>())
        })
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let lines: usize = groups.iter().map(|(_, rows)| rows.len() + 2).sum();
    let bottom = TOP + LINE * lines as f64;
    let height = bottom + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" \
         aria-label=\"Processor time of one call, on a logarithmic scale\">\n<style>{STYLE}</style>\n\
         <text x=\"16\" y=\"24\" class=\"group\">Processor time of one call; shorter is better, each line is ten times the one before</text>\n"
    );
    for decade in 0..=DECADES {
        let x = LEFT + DECADE * f64::from(decade);
        let value = shown_round(LEAST * 10_f64.powi(decade as i32));
        svg.push_str(&format!(
            "<line x1=\"{x:.1}\" y1=\"{TOP:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" class=\"axis\" text-anchor=\"middle\">{value}</text>\n",
            TOP - 6.0
        ));
    }
    let mut y = TOP;
    for (group, rows) in groups {
        y += LINE * 1.5;
        svg.push_str(&format!("<text x=\"16\" y=\"{:.1}\" class=\"group\">{}</text>\n", y - 5.0, escaped(group)));
        for (row, figure) in rows {
            svg.push_str(&bar(row.name, figure, y));
            y += LINE;
        }
        y += LINE * 0.5;
    }
    svg + "</svg>\n"
}

/// A name, its bar, its value.
fn bar(name: &str, figure: &Figure, y: f64) -> String {
    let (width, base) = (length(figure.value), y + 13.0);
    let whose = if figure.who.starts_with("ours") { "ours" } else { "theirs" };
    format!(
        "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
         height=\"{:.1}\" rx=\"2\" class=\"{whose}\"/><text x=\"{:.1}\" y=\"{base:.1}\">{}</text>\n",
        LEFT - 8.0,
        escaped(&name.replace('`', "")),
        y + 3.0,
        LINE - 5.0,
        LEFT + width + 6.0,
        shown(figure.value, Unit::Nanoseconds),
    )
}

/// How long a bar is; never so short that it can't be seen.
fn length(nanoseconds: f64) -> f64 {
    ((nanoseconds / LEAST).log10() * DECADE).clamp(2.0, DECADE * f64::from(DECADES))
}

/// A power of ten, without digits behind the point.
fn shown_round(nanoseconds: f64) -> String {
    match nanoseconds {
        1e6.. => format!("{:.0} ms", nanoseconds / 1e6),
        1e3.. => format!("{:.0} us", nanoseconds / 1e3),
        _ => format!("{nanoseconds:.0} ns"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let all = TABLES.iter().flat_map(|table| table.rows).enumerate().map(|(n, row)| Figure {
            suite: row.key.0.to_owned(),
            measure: row.key.1.to_owned(),
            who: row.key.2.to_owned(),
            unit: Unit::Nanoseconds,
            value: 10_f64.powf(1.0 + n as f64 / 12.0),
            least: 1.0,
            rounds: 1,
        });
        Figures(all.collect())
    }

    #[test]
    fn every_row_that_was_measured_has_a_bar_within_the_picture() {
        let svg = render(&figures());
        let charted: usize = TABLES.iter().filter(|table| !table.chart.is_empty()).map(|table| table.rows.len()).sum();
        assert_eq!(svg.matches("<rect ").count(), charted);
        assert!(svg.contains("prefixed-api-key") && !svg.contains('`'));
        let height: f64 = number(&svg, "viewBox=\"0 0 880 ");
        for rect in svg.split("<rect ").skip(1) {
            let (x, y, width) = (number(rect, "x=\""), number(rect, " y=\""), number(rect, "width=\""));
            assert!(width >= 2.0 && x + width < WIDTH - 60.0 && y < height, "{rect}");
        }
        // Well formed: what is opened is closed.
        for tag in ["text", "style", "svg"] {
            assert_eq!(svg.matches(&format!("<{tag}")).count(), svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(!render(&Figures::default()).contains("<rect"));
    }

    #[test]
    fn ten_times_as_long_is_a_decade_further() {
        assert!((length(1_000.0) - length(100.0) - DECADE).abs() < 1e-9);
        assert_eq!((length(1.0), length(1e12)), (2.0, DECADE * 7.0));
        assert_eq!(escaped("a<b & c"), "a&lt;b &amp; c");
        assert_eq!([shown_round(10.0), shown_round(1e4), shown_round(1e8)], ["10 ns", "10 us", "100 ms"]);
    }

    fn number(text: &str, after: &str) -> f64 {
        let (_, rest) = text.split_once(after).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }
}
