//! Products over their rows and columns: how many times as fast as the best dense one.

use crate::plan::Case;
use crate::race::{Ours, Race, Who};
use crate::table::markdown;

/// One line for each number of rows, one column for each of columns: the geometric means over the inner sizes; nothing of no
/// races.
pub(crate) fn table(races: &[(Case, Race)], ours: Ours) -> Option<String> {
    let shape = |pick: fn(&Case) -> usize| {
        let mut sizes: Vec<usize> = races.iter().map(|(case, _)| pick(case)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    let (rows, cols) = (shape(|case| case.shape.rows), shape(|case| case.shape.cols));
    let mean = |wanted: &dyn Fn(&Case) -> bool| {
        let of = races.iter().filter(|(case, _)| wanted(case));
        geometric_mean(of.filter_map(|(_, race)| {
            Some(race.ratio(Who::Ours(ours), Who::Peer(race.best_peer()?))?.median)
        }))
    };
    let all = mean(&|_| true)?;
    let shown = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|&rows| {
            let cells = cols.iter().map(|&cols| {
                shown(mean(&|case| (case.shape.rows, case.shape.cols) == (rows, cols)))
            });
            [rows.to_string()].into_iter().chain(cells).collect()
        })
        .collect();
    let head: Vec<String> = cols.iter().map(usize::to_string).collect();
    let head: Vec<&str> =
        ["rows, cols"].into_iter().chain(head.iter().map(String::as_str)).collect();
    let inner = shape(|case| case.shape.inner).iter().map(usize::to_string).collect::<Vec<_>>();
    Some(format!(
        "{ours} beside the best peer of each shape, geometric means over inner sizes of {}; {all:.2} in all:\n\n{}",
        inner.join(", "),
        markdown(&head, &lines)
    ))
}

fn geometric_mean(ratios: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = ratios.fold((0, 0.0), |(count, sum), ratio| (count + 1, sum + ratio.ln()));
    (count > 0).then(|| (sum / f64::from(count)).exp())
}
