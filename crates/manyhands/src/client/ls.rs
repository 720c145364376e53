//! `manyhands ls`: which files the room has.

use indicatif::HumanBytes;
use serde_json::json;

use super::args::LsArgs;
use super::target::{Target, segment};
use crate::exit::Outcome;
use crate::http::files::list::{Listed, Listing};
use crate::voice::{one_line, print};

/// How many digits of an id are shown: enough to name the file.
const ID_DIGITS: usize = 12;

/// Lists all files, or all sets.
pub(crate) fn run(args: &LsArgs) -> Outcome {
    let target = Target::new(&args.from)?;
    let mut query = format!("?kind={}", if args.sets { "set" } else { "file" });
    if let Some(name) = &args.name {
        query.push_str(&format!("&name={}", segment(name)));
    }
    let mut files: Vec<Listed> = vec![];
    let mut after = String::new();
    loop {
        let page: Listing = target.get_json(&format!("/api/files{query}{after}"))?;
        files.extend(page.files);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    if args.json {
        print(&json!({ "files": files }).to_string());
    } else if files.is_empty() {
        print(if args.sets { "there are no sets of files" } else { "there are no files" });
    } else {
        print(&table(&files));
    }
    Ok(())
}

fn table(files: &[Listed]) -> String {
    let mut rows = vec![["ID", "SIZE", "HERE", "PEERS", "PUT AT", "BY", "NAME"].map(str::to_owned)];
    rows.extend(files.iter().map(|file| {
        [
            file.id.to_string()[..ID_DIGITS].to_owned(),
            HumanBytes(file.size).to_string(),
            here(file),
            file.peers.to_string(),
            file.put_at.get(..16).unwrap_or_default().replace('T', " "),
            one_line(&file.by),
            one_line(&file.name),
        ]
    }));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn here(file: &Listed) -> String {
    match file.state.as_str() {
        "here" => "all".to_owned(),
        "failed" => format!("failed: {}", one_line(&file.trouble)),
        _ => format!("{:.0} %", (file.here * 100.0).floor()),
    }
}
