//! Tables for a terminal.

/// The rows below their heads, each column as wide as its widest cell; the last one is as long as it is.
pub(super) fn columns(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    lines.extend(rows);
    let width = |at: usize| {
        lines
            .iter()
            .filter_map(|cells| cells.get(at))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len().saturating_sub(1)).map(width).collect();
    let mut text = String::new();
    for cells in &lines {
        for (at, cell) in cells.iter().enumerate() {
            let cell = cell.replace('\n', " ");
            match widths.get(at) {
                Some(width) => text.push_str(&format!("{cell:width$}  ")),
                None => text.push_str(&cell),
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_nothing_trails() {
        let rows = [vec!["up".to_owned(), "a\nb".to_owned()], vec!["refused".to_owned(), String::new()]];
        assert_eq!(columns(&["STATE", "WHY"], rows.into_iter()), "STATE    WHY\nup       a b\nrefused\n");
    }
}
