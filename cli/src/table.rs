//! Tables and lists of facts, fitted to the terminal.

use std::{fmt::Write as _, io::IsTerminal as _};

use crate::text::{columns, printable, wrap};

/// What stands between two columns.
const GAP: usize = 2;
/// No column that can be wrapped gets narrower.
const NARROWEST: usize = 14;

/// One place in a table.
pub(crate) enum Cell {
    /// Words, wrapped where they must be.
    Text(String),
    /// Items: on one line when they fit, else one a line.
    List(Vec<String>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(printable(text))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(printable(&text))
    }
}

impl From<&[String]> for Cell {
    fn from(items: &[String]) -> Self {
        Self::List(items.iter().map(|item| printable(item)).collect())
    }
}

impl Cell {
    fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(", "),
        }
    }

    fn lines(&self, width: usize) -> Vec<String> {
        let joined = self.joined();
        match self {
            _ if columns(&joined) <= width => vec![joined],
            Self::Text(text) => wrap(text, width),
            Self::List(items) => items.iter().flat_map(|item| wrap(item, width)).collect(),
        }
    }
}

/// Where a table is shown.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    /// How many columns there are; `None` where nobody looks, and lines may be as long as they are.
    pub(crate) width: Option<usize>,
    /// Whether headings may be bold.
    pub(crate) color: bool,
}

impl Page {
    /// Standard output, as it is.
    pub(crate) fn of_stdout(color: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|width| *width > 0);
        // A terminal that does not know its own width says 0.
        let found = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { width: asked.or_else(|| if terminal { found() } else { None }), color: color && terminal && !plain }
    }

    fn bold(self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Rows under headings.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// Headings whose columns may be left out where there is no room, the least missed first.
    spare: &'static [&'static str],
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new(), spare: &[] }
    }

    /// Leaves out these columns, one after the other, where there is no room for all.
    pub(crate) fn spare(mut self, headings: &'static [&'static str]) -> Self {
        self.spare = headings;
        self
    }

    /// Adds a row, a cell a heading.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table: a line a row where it fits, wrapped where it does not, and as lists of facts where even that would
    /// not be readable.
    pub(crate) fn render(&self, page: Page) -> String {
        for spared in 0..=self.spare.len() {
            let left_out = self.spare.get(..spared).unwrap_or_default();
            let shown: Vec<bool> = self.headings.iter().map(|heading| !left_out.contains(heading)).collect();
            if let Some(text) = self.fitted(page, &shown) {
                return text;
            }
        }
        self.as_facts(page)
    }

    /// The table with these columns, if it fits the page.
    fn fitted(&self, page: Page, shown: &[bool]) -> Option<String> {
        let headings: Vec<&str> = kept(&self.headings, shown).copied().collect();
        let mut widths: Vec<usize> = headings.iter().map(|heading| columns(heading)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(kept(row, shown)) {
                *width = (*width).max(columns(&cell.joined()));
            }
        }
        if page.width.is_some_and(|page| !fit(&mut widths, page)) {
            return None;
        }
        let mut text = String::new();
        let headings: Vec<Vec<String>> = headings.iter().map(|heading| vec![(*heading).to_owned()]).collect();
        for line in lines(&headings, &widths) {
            let _ = writeln!(text, "{}", page.bold(&line));
        }
        for row in &self.rows {
            let cells: Vec<Vec<String>> =
                kept(row, shown).zip(&widths).map(|(cell, width)| cell.lines(*width)).collect();
            for line in lines(&cells, &widths) {
                let _ = writeln!(text, "{line}");
            }
        }
        Some(text)
    }

    fn as_facts(&self, page: Page) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mut facts = Facts::new();
            for (heading, cell) in self.headings.iter().zip(row) {
                facts.lines.push(((*heading).to_owned(), cell.joined()));
            }
            let _ = writeln!(text, "{}", facts.render(page));
        }
        text
    }
}

/// The items whose columns are shown.
fn kept<'a, T>(items: &'a [T], shown: &'a [bool]) -> impl Iterator<Item = &'a T> {
    items.iter().zip(shown).filter(|(_, shown)| **shown).map(|(item, _)| item)
}

/// Narrows the widest columns until the table fits; false when it can't.
fn fit(widths: &mut [usize], page: usize) -> bool {
    let gaps = widths.len().saturating_sub(1).saturating_mul(GAP);
    loop {
        let total = widths.iter().sum::<usize>().saturating_add(gaps);
        if total <= page {
            return true;
        }
        let Some(widest) = widths.iter_mut().max() else { return true };
        if *widest <= NARROWEST {
            return false;
        }
        *widest = widest.saturating_sub(1);
    }
}

/// The lines of one row, whose cells have lines of their own.
fn lines(cells: &[Vec<String>], widths: &[usize]) -> Vec<String> {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|at| {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let text = cell.get(at).map_or("", String::as_str);
                line.push_str(text);
                let padding = width.saturating_sub(columns(text)).saturating_add(GAP);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Facts about one thing: a name and a value a line.
pub(crate) struct Facts {
    lines: Vec<(String, String)>,
}

impl Facts {
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.lines.push((printable(name), printable(value.as_ref())));
        self
    }

    /// One item a line.
    pub(crate) fn add_all(&mut self, name: &str, values: &[String], none: &str) -> &mut Self {
        let mut name = name;
        if values.is_empty() {
            return self.add(name, none);
        }
        for value in values {
            self.add(std::mem::take(&mut name), value);
        }
        self
    }

    pub(crate) fn render(&self, page: Page) -> String {
        let names = self.lines.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
        let room =
            page.width.map_or(usize::MAX, |width| width.saturating_sub(names.saturating_add(GAP)).max(NARROWEST));
        let mut text = String::new();
        for (name, value) in &self.lines {
            for (at, line) in wrap(value, room).iter().enumerate() {
                let name = if at == 0 { name.as_str() } else { "" };
                let padding = " ".repeat(names.saturating_sub(columns(name)).saturating_add(GAP));
                let _ = writeln!(text, "{}", format!("{}{padding}{line}", page.bold(name)).trim_end());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "LEVELS", "NOTE"]);
        let levels = ["Authenticated/Ops/Read".to_owned(), "Authenticated/Ops/Write".to_owned()];
        table.row(vec!["one".into(), levels.as_slice().into(), "words that go on for a while".into()]);
        table.row(vec!["two".into(), [].as_slice().into(), "bad\u{1b}[2J".into()]);
        table
    }

    fn at(width: Option<usize>) -> String {
        table().render(Page { width, color: false })
    }

    #[test]
    fn where_nobody_looks_a_row_is_a_line() {
        let text = at(None);
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("Authenticated/Ops/Read, Authenticated/Ops/Write  words"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_table_fits_its_page() {
        for width in 40..120 {
            for line in at(Some(width)).lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
        }
        // Levels stand one a line as soon as they do not fit on one.
        assert!(at(Some(70)).lines().any(|line| line.contains("Authenticated/Ops/Read ")), "{}", at(Some(70)));
        // A page too narrow for three columns gets facts.
        assert!(at(Some(30)).contains("NAME    one\n"), "{}", at(Some(30)));
    }

    #[test]
    fn columns_that_can_be_spared_go_first() {
        let table = table().spare(&["NOTE"]);
        let at = |width| table.render(Page { width: Some(width), color: false });
        assert!(at(80).contains("NOTE"));
        let narrow = at(35);
        assert!(!narrow.contains("NOTE") && narrow.contains("LEVELS"), "{narrow}");
    }

    #[test]
    fn colour_is_only_on_headings() {
        let text = table().render(Page { width: None, color: true });
        assert_eq!(text.matches('\u{1b}').count(), 2);
    }
}
