//! A table of text in aligned columns, for what commands print.

use std::fmt;

/// Rows of cells. Each column is as wide as its widest cell, and two spaces from the next one.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// How wide the columns of the rows are that were taken.
    widths: Vec<usize>,
}

impl Table {
    /// A table that has only its head yet.
    pub fn headed<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()], widths: vec![0; N] }
    }

    /// Adds a row.
    pub fn add<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    /// Takes the rows out as text, for a table that is shown while it grows. The columns of later
    /// rows are as wide at least.
    pub fn take(&mut self) -> String {
        let text = self.to_string();
        self.widths = self.widths();
        self.rows.clear();
        text
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |(column, taken): (usize, &usize)| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(*taken)
        };
        self.widths.iter().enumerate().map(widest).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let mut columns = Table::headed(["A", "LONG", "C"]);
        columns.add(["wider", "x", "-"]);
        assert_eq!(columns.to_string(), "A      LONG  C\nwider  x     -\n");
    }

    #[test]
    fn rows_that_are_added_after_others_were_taken_stay_in_their_columns() {
        let mut columns = Table::headed(["A", "B"]);
        columns.add(["wide", "x"]);
        assert_eq!(columns.take(), "A     B\nwide  x\n");
        columns.add(["a", "y"]);
        assert_eq!(columns.take(), "a     y\n");
        assert_eq!(columns.take(), "");
    }
}
