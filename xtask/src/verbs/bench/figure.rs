//! What the suites write: a line of JSON a figure.

use serde_json::{Value, json};

use crate::Outcome;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Nanoseconds,
    Bytes,
    /// So many times as much as something else.
    Times,
}

impl Unit {
    const ALL: [(Self, &'static str); 3] = [(Self::Nanoseconds, "ns"), (Self::Bytes, "bytes"), (Self::Times, "times")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(unit, _)| *unit == self).map_or("ns", |(_, name)| name)
    }
}

/// One candidate in one measurement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub suite: String,
    pub measure: String,
    pub who: String,
    pub unit: Unit,
    /// The median of the rounds.
    pub value: f64,
    pub least: f64,
    pub rounds: u64,
}

impl Figure {
    /// From `{"suite": "rust", "measure": "warm", "who": "ours", "ns": 133.7, "least": 130.1, "rounds": 201}`.
    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let (unit, median) = Unit::ALL.iter().find_map(|(unit, name)| Some((*unit, value[*name].as_f64()?)))?;
        Some(Self {
            suite: text("suite")?,
            measure: text("measure")?,
            who: text("who")?,
            unit,
            value: median,
            least: value["least"].as_f64().unwrap_or(median),
            rounds: value["rounds"].as_u64().unwrap_or(1),
        })
    }

    pub(super) fn to_line(&self) -> String {
        let mut line = json!({ "suite": self.suite, "measure": self.measure, "who": self.who });
        line[self.unit.name()] = json!(self.value);
        line["least"] = json!(self.least);
        line["rounds"] = json!(self.rounds);
        line.to_string()
    }

    fn is(&self, other: &Self) -> bool {
        self.suite == other.suite && self.measure == other.measure && self.who == other.who
    }

    /// For a person.
    pub(super) fn shown(&self) -> String {
        shown(self.value, self.unit)
    }
}

/// Three digits, and the unit that fits.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    let digits = |value: f64| match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    match unit {
        Unit::Times => format!("{} times", digits(value)),
        Unit::Bytes => format!("{} bytes", digits(value)),
        Unit::Nanoseconds if value < 1e3 => format!("{value:.0} ns"),
        Unit::Nanoseconds if value < 1e6 => format!("{} us", digits(value / 1e3)),
        Unit::Nanoseconds if value < 1e9 => format!("{} ms", digits(value / 1e6)),
        Unit::Nanoseconds => format!("{} s", digits(value / 1e9)),
    }
}

/// Every figure of a run, in the order in which the suites wrote them.
#[derive(Debug, Default)]
pub(super) struct Figures(pub Vec<Figure>);

impl Figures {
    /// The figures in what suites wrote, pass after pass: of several of one name, the median and the least. A suite that wrote
    /// none has failed.
    pub(super) fn read(wrote: &str) -> Outcome<Self> {
        let mut passes: Vec<Vec<Figure>> = Vec::new();
        for line in wrote.lines().filter(|line| line.starts_with('{')) {
            let figure = Figure::read(line).ok_or_else(|| format!("this is no figure: {line}"))?;
            match passes.iter_mut().find(|same| same[0].is(&figure)) {
                Some(same) => same.push(figure),
                None => passes.push(vec![figure]),
            }
        }
        let merged: Vec<Figure> = passes.into_iter().map(merged).collect();
        if merged.is_empty() { Err("no figure was written".into()) } else { Ok(Self(merged)) }
    }

    pub(super) fn get(&self, suite: &str, measure: &str, who: &str) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.suite == suite && figure.measure == measure && figure.who == who)
    }

    pub(super) fn of<'a>(&'a self, suite: &'a str, measure: &'a str) -> impl Iterator<Item = &'a Figure> {
        self.0.iter().filter(move |figure| figure.suite == suite && figure.measure == measure)
    }
}

fn merged(mut passes: Vec<Figure>) -> Figure {
    passes.sort_by(|a, b| a.value.total_cmp(&b.value));
    let least = passes.iter().map(|pass| pass.least).fold(f64::INFINITY, f64::min);
    let rounds = passes.iter().map(|pass| pass.rounds).sum();
    Figure { least, rounds, ..passes.swap_remove(passes.len() / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(who: &str, ns: f64) -> String {
        format!(r#"{{"suite":"rust","measure":"warm","who":"{who}","ns":{ns},"least":{},"rounds":7}}"#, ns - 1.0)
    }

    #[test]
    fn passes_become_one_figure_in_the_order_of_the_first() {
        let wrote =
            [line("ours", 120.0), line("theirs", 500.0), "a word".into(), line("ours", 100.0), line("ours", 110.0)];
        let figures = Figures::read(&wrote.join("\n")).unwrap();
        let who: Vec<&str> = figures.0.iter().map(|figure| figure.who.as_str()).collect();
        assert_eq!(who, ["ours", "theirs"]);
        let ours = figures.get("rust", "warm", "ours").unwrap();
        assert_eq!((ours.value, ours.least, ours.rounds), (110.0, 99.0, 21));
        assert_eq!(Figure::read(&ours.to_line()).as_ref(), Some(ours));
    }

    #[test]
    fn what_is_no_figure_is_a_failure() {
        assert!(Figures::read("nothing\n").is_err());
        assert!(Figures::read(r#"{"suite":"rust","measure":"warm","who":"ours"}"#).is_err());
        let bytes = r#"{"suite":"million","measure":"memory","who":"ours","bytes":170}"#;
        assert_eq!(Figures::read(bytes).unwrap().0[0].unit, Unit::Bytes);
    }

    #[test]
    fn three_digits_are_shown() {
        let ns = |value| shown(value, Unit::Nanoseconds);
        assert_eq!(
            [ns(7.4), ns(133.6), ns(1_234.0), ns(45_600.0), ns(8_660_000.0), ns(2.5e9)],
            ["7 ns", "134 ns", "1.23 us", "45.6 us", "8.66 ms", "2.50 s"]
        );
        assert_eq!(shown(1.93, Unit::Times), "1.93 times");
        assert_eq!(shown(172.0, Unit::Bytes), "172 bytes");
    }
}
