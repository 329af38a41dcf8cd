//! Aligned columns.

use crate::paint::{Marker, Paint};
use crate::terminal_text::Sheet;

/// A table whose columns are as wide as their widest cell, three spaces apart.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table without a column.
    pub(crate) fn without(mut self, column: usize) -> Self {
        for row in &mut self.rows {
            row.remove(column);
        }
        self
    }

    /// Renders the table. An empty sheet if there are only headings.
    pub(crate) fn render(&self, paint: Paint) -> Sheet {
        let mut sheet = Sheet::of(paint);
        if self.rows.len() < 2 {
            return sheet;
        }
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| shown_width(&row[column])).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - shown_width(cell) + 3));
            }
            sheet.line(line.trim_end());
        }
        sheet
    }
}

/// The width of the text on a terminal, in columns. Colours take none.
fn shown_width(text: &str) -> usize {
    text.chars().filter(|c| Marker::of(*c).is_none()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Mark;

    #[test]
    fn columns_are_aligned_whatever_their_colour() {
        let paint = Paint { colour: true, width: 80 };
        let red = paint.like(Mark::Wrong, "red");
        let mut table = Table::new(&["A", "B", "C"]);
        table.row(vec!["long cell".to_owned(), red, "x".to_owned()]);
        table.row(vec!["s".to_owned(), "blue".to_owned(), String::new()]);
        let expected = "A           B      C\nlong cell   \x1b[31mred\x1b[0m    x\ns           blue\n";
        assert_eq!(table.render(paint).finished(), expected);
        assert!(Table::new(&["A"]).render(paint).is_empty());
    }
}
