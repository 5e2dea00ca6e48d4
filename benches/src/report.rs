//! What was measured, as a table and as JSON.

use std::path::Path;

use serde::Serialize;

use crate::error::BenchError;

/// What a figure must keep to.
#[derive(Clone, Copy)]
pub enum Budget {
    /// Ours, in the row's unit.
    AtMost(f64),
    /// Ours, in the row's unit.
    AtLeast(f64),
    /// Ours as a part of the peer's.
    OfPeer(f64),
    /// Ours as a multiple of the floor's.
    OfFloor(f64),
}

impl Budget {
    fn met(self, row: &Row) -> bool {
        match self {
            Budget::AtMost(most) => row.ours <= most,
            Budget::AtLeast(least) => row.ours >= least,
            Budget::OfPeer(most) => row.ratio_to_peer.is_some_and(|ratio| ratio <= most),
            Budget::OfFloor(most) => row.ratio_to_floor.is_some_and(|ratio| ratio <= most),
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Budget::AtMost(most) => format!("<= {most} {unit}"),
            Budget::AtLeast(least) => format!(">= {least} {unit}"),
            Budget::OfPeer(most) => format!("<= 1/{} of the peer", (1.0 / most).round()),
            Budget::OfFloor(most) => format!("<= {most} x the floor"),
        }
    }
}

/// One figure: medians over the rounds.
#[derive(Serialize)]
pub struct Row {
    name: String,
    unit: String,
    ours: f64,
    peer: Option<f64>,
    floor: Option<f64>,
    ratio_to_peer: Option<f64>,
    ratio_to_floor: Option<f64>,
    budget: String,
    budget_met: bool,
    runs: usize,
    /// Largest less smallest of ours, as a part of the median.
    spread: f64,
}

impl Row {
    /// From what each round gave.
    pub fn new(
        name: &str,
        unit: &str,
        ours: &[f64],
        peer: &[f64],
        floor: &[f64],
        budgets: &[Budget],
    ) -> Self {
        let middle = median(ours).unwrap_or(f64::NAN);
        let ratio = |theirs: &[f64]| {
            // By round: what the machine did meanwhile, it did to both.
            let ratios: Vec<f64> =
                ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            median(&ratios)
        };
        let least = ours.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ours.iter().copied().fold(0.0, f64::max);
        let mut row = Row {
            name: name.to_owned(),
            unit: unit.to_owned(),
            ours: middle,
            peer: median(peer),
            floor: median(floor),
            ratio_to_peer: ratio(peer),
            ratio_to_floor: ratio(floor),
            budget: budgets.iter().map(|budget| budget.words(unit)).collect::<Vec<_>>().join("; "),
            budget_met: false,
            runs: ours.len(),
            spread: (most - least) / middle,
        };
        row.budget_met = budgets.iter().all(|budget| budget.met(&row));
        row
    }

    /// As a line of the table.
    pub fn line(&self) -> String {
        let given = |figure: Option<f64>| figure.map_or("".to_owned(), short);
        let times = |ratio: Option<f64>| ratio.map_or("".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = if self.budget_met { "met" } else { "**missed**" };
        format!(
            "| {} ({}) | {} | {} | {} | {} | {} | {}: {met} | {:.0} % |",
            self.name,
            self.unit,
            short(self.ours),
            given(self.peer),
            given(self.floor),
            times(self.ratio_to_peer),
            times(self.ratio_to_floor),
            self.budget,
            self.spread * 100.0,
        )
    }
}

/// Three digits that count.
fn short(figure: f64) -> String {
    match figure {
        ..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The rows so far, printed as they come.
pub struct Table(Vec<Row>);

impl Table {
    /// Prints the head.
    pub fn begin() -> Self {
        println!("| figure | ours | peer | floor | ours/peer | ours/floor | budget | spread |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        Table(Vec::new())
    }

    /// Prints rows.
    pub fn add(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            println!("{}", row.line());
            self.0.push(row);
        }
    }

    /// Writes `summary`.
    pub fn write(&self, summary: &Path) -> Result<(), BenchError> {
        if let Some(folder) = summary.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(summary, serde_json::to_vec_pretty(&self.0)?)?;
        println!("written to {}", summary.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let row =
            Row::new("a", "us", &[1.0, 2.0, 9.0], &[10.0, 20.0, 90.0], &[], &[Budget::OfPeer(0.1)]);
        assert_eq!((row.ours, row.ratio_to_peer, row.ratio_to_floor), (2.0, Some(0.1), None));
        assert!(row.budget_met);
    }

    #[test]
    fn a_budget_needs_its_peer() {
        let row =
            Row::new("a", "us", &[1.0], &[], &[], &[Budget::AtMost(2.0), Budget::OfFloor(1.5)]);
        assert!(!row.budget_met);
        assert_eq!(row.budget, "<= 2 us; <= 1.5 x the floor");
    }
}
