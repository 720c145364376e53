//! `manyhands primes`: what a search for Mersenne primes has found, and what is under way.

use std::io::{self, Read as _, Write};
use std::path::Path;

use manyhands_core::View;
use manyhands_core::view::{PeerView, PrimeState, PrimeView, SearchView, TestView};

use super::get::{Partial, Place, cannot_write, place};
use super::interrupted;
use super::target::Target;
use crate::cli::PrimesArgs;
use crate::exit::{Failure, Outcome, Reason};
use crate::http::api::Status;
use crate::http::search::FoundPrime;
use crate::numbers::{self, Measure};
use crate::status;
use crate::voice::{one_line, print};

/// How many characters a bar has.
const BAR_CHARS: usize = 24;
/// How many names of those who confirmed a prime are shown.
const CONFIRMED_BY_SHOWN: usize = 3;
/// How many names of a path are shown.
const PATH_SHOWN: usize = 6;
/// How many peers are shown with their credit.
const PEERS_SHOWN: usize = 32;
/// How many bytes of results are taken at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// What credit is.
const CREDIT: &str = "Credit is counted in squared bits, p × p for a test of the exponent p, given by the average to all \
    exponents of a size: a small factor pays as much as a test.";
/// What is said of a room that searches nothing.
const NO_SEARCH: &str =
    "this room's job is no search for Mersenne primes: manyhands host --job mersenne begins one";

/// Shows the primes that a node knows.
pub(crate) fn run(args: &PrimesArgs) -> Outcome {
    let target = Target::new(&args.url)?;
    if let Some(path) = &args.results {
        return save_results(&target, path, args.force);
    }
    let status: Status = target.get_json("/api/status")?;
    let search = status.view.as_ref().and_then(|view| Some((view, view.search.as_ref()?)));
    match search {
        None if args.json => print("[]"),
        None => print(NO_SEARCH),
        Some(_) if args.json => {
            let primes: Vec<FoundPrime> = target.get_json("/api/primes")?;
            print(&serde_json::to_string(&primes).map_err(anyhow::Error::from)?);
        }
        Some((view, search)) => print(&render(view, search)),
    }
    Ok(())
}

/// Writes what became of every exponent, to a file in one step, or to the standard output as it comes.
fn save_results(target: &Target, path: &Path, force: bool) -> Outcome {
    let receive = |out: &mut dyn Write, path: &Path| receive(target, out, path);
    if path == Path::new("-") {
        receive(&mut io::stdout().lock(), path)?;
        return Ok(());
    }
    let failed = |error: io::Error| cannot_write(path, &error);
    let bytes = match place(path, force, "another name leaves it alone")? {
        Place::Written(mut device) => receive(&mut device, path)?,
        Place::New(place) => {
            interrupted::watch()?;
            let partial = Partial::create(&place).map_err(failed)?;
            let bytes = receive(&mut partial.file(), path)?;
            partial.finish(&place, force).map_err(failed)?;
            bytes
        }
    };
    print(&format!("{bytes} bytes are in {}", path.display()));
    Ok(())
}

/// Writes the results as they come; how many bytes they are.
fn receive(target: &Target, out: &mut dyn Write, path: &Path) -> Result<u64, Failure> {
    let mut answer = target.get("/api/results")?;
    let mut lines = answer.body_mut().as_reader();
    let mut piece = vec![0; PIECE_BYTES];
    let mut all = 0;
    loop {
        let bytes = match lines.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let message = format!("the results broke off: {error}; try again");
                return Err(Failure::new(Reason::Unreachable, message));
            }
        };
        match out.write_all(&piece[..bytes]) {
            Ok(()) => all += bytes as u64,
            // Whoever reads it has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(all),
            Err(error) => return Err(cannot_write(path, &error)),
        }
    }
    out.flush()?;
    Ok(all)
}

/// The search as people read it.
fn render(view: &View, search: &SearchView) -> String {
    let mut lines = vec![];
    if let Some(job) = &view.job {
        lines.push(one_line(&format!("{} asks for: {}", job.asked_by, job.title)));
    }
    lines.push(format!("state       {}", status::state(view)));
    lines.extend(status::search_lines(view, search));
    lines.push(format!("speed       {}", Measure::of(view, None).speed(view.room.speed)));
    if search.false_news > 0 {
        lines.push(format!("refused     {} told of that are none", search.false_news));
    }
    if !search.tests.is_empty() {
        lines.push("\nUnder way:".to_owned());
        lines.extend(search.tests.iter().map(test_line));
    }
    if search.primes.is_empty() {
        lines.push("\nNo prime was found yet.".to_owned());
    } else {
        lines.push(String::new());
        lines.push(primes_table(&search.primes));
    }
    lines.extend(credit_table(&view.peers));
    lines.join("\n")
}

/// Who did how much, the most first; nothing before anybody did anything.
fn credit_table(peers: &[PeerView]) -> Option<String> {
    let all: u64 = peers.iter().map(|peer| peer.credit_cost).sum();
    let mut credited: Vec<&PeerView> = peers.iter().filter(|peer| peer.credit_cost > 0).collect();
    credited.sort_by_key(|peer| std::cmp::Reverse(peer.credit_cost));
    let mut rows = vec![["CREDIT", "SHARE", "PEER"].map(str::to_owned)];
    rows.extend(credited.iter().take(PEERS_SHOWN).map(|peer| {
        [
            Measure::SquaredBits.work(peer.credit_cost),
            format!("{:.1} %", peer.credit_cost as f64 / all as f64 * 100.0),
            one_line(&format!("{} {}", peer.name, peer.code)),
        ]
    }));
    let mut text = format!("\n{}\n{CREDIT}", table(&rows));
    if let Some(more @ 1..) = credited.len().checked_sub(PEERS_SHOWN) {
        text.push_str(&format!(" {more} more have some."));
    }
    (all > 0).then_some(text)
}

/// A test under way: `  2^44497 - 1  [#####···················]  21.3 %  Ann`.
fn test_line(test: &TestView) -> String {
    let share = f64::from(test.iteration) / f64::from(test.iterations.max(1));
    let share = share.clamp(0.0, 1.0);
    let full = (share * BAR_CHARS as f64) as usize;
    let bar = "#".repeat(full) + &"·".repeat(BAR_CHARS - full);
    let percent = (share * 1000.0).floor() / 10.0;
    one_line(&format!("  2^{} - 1  [{bar}]  {percent:>5.1} %  {}", test.exponent, test.peer))
}

fn primes_table(primes: &[PrimeView]) -> String {
    let mut rows =
        vec![["EXPONENT", "DIGITS", "FOUND BY", "HEARD", "PATH", "CONFIRMED BY"].map(str::to_owned)];
    rows.extend(primes.iter().map(|prime| {
        [
            numbers::grouped(&prime.exponent.to_string()),
            numbers::grouped(&prime.digits.to_string()),
            numbers::finder(prime),
            prime
                .heard_ms
                .map_or("before".to_owned(), |ms| format!("{} ago", numbers::span(ms as f64 / 1000.0))),
            path(&prime.path),
            confirmed_by(prime),
        ]
    }));
    table(&rows)
}

/// Rows below each other. The first two columns are of numbers, which end in the same place.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| match at {
            0 | 1 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The way of the news, without its middle where it is long.
fn path(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
    match names.len() {
        0 | 1 => "-".to_owned(),
        2..=PATH_SHOWN => names.join(" -> "),
        count => format!("{} -> … -> {}", names[..PATH_SHOWN - 2].join(" -> "), names[count - 1]),
    }
}

fn confirmed_by(prime: &PrimeView) -> String {
    match prime.state {
        PrimeState::Claimed => "nobody yet".to_owned(),
        PrimeState::Confirmed => {
            let shown: Vec<String> =
                prime.confirmed_by.iter().take(CONFIRMED_BY_SHOWN).map(|name| one_line(name)).collect();
            let more = prime.confirmed_by.len().saturating_sub(CONFIRMED_BY_SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn primes_are_told_with_their_finders_and_those_who_confirmed_them() {
        let prime = PrimeView {
            exponent: 9941,
            digits: 2993,
            finder: "Ann".into(),
            heard_ms: Some(12_400),
            path: names(&["Ann", "Bob", "me"]),
            state: PrimeState::Confirmed,
            confirmed_by: names(&["Bob", "me", "Cid", "Dee"]),
            ..PrimeView::default()
        };
        let claimed = PrimeView {
            exponent: 11_213,
            digits: 3376,
            finder: "evil \u{1b}[31mred".into(),
            path: names(&["x"]),
            ..PrimeView::default()
        };

        let table = primes_table(&[prime, claimed]);

        assert_eq!(
            table,
            "EXPONENT  DIGITS  FOUND BY      HEARD     PATH              CONFIRMED BY\n   \
             9,941   2,993  Ann           12 s ago  Ann -> Bob -> me  Bob, me, Cid and 1 more\n  \
             11,213   3,376  evil [31mred  before    -                 nobody yet"
        );
    }

    #[test]
    fn credit_is_told_with_its_share_and_what_it_is() {
        let peer = |name: &str, credit_cost| PeerView {
            name: name.into(),
            code: "k7qf".into(),
            credit_cost,
            ..PeerView::default()
        };

        let table = credit_table(&[peer("Ann", 1_000_000), peer("Bob", 0), peer("evil\u{1b}", 3_000_000)]);

        let expected =
            ["", " CREDIT   SHARE  PEER", "9 Gbit²  75.0 %  evil k7qf", "3 Gbit²  25.0 %  Ann k7qf", CREDIT];
        assert_eq!(table.unwrap().lines().collect::<Vec<_>>(), expected);
        assert_eq!(credit_table(&[peer("Bob", 0)]), None);
    }

    #[test]
    fn a_test_under_way_has_a_bar() {
        let test =
            TestView { exponent: 44_497, peer: "Ann".into(), by: 1, iteration: 11_124, iterations: 44_496 };

        assert_eq!(test_line(&test), "  2^44497 - 1  [######··················]   25.0 %  Ann");
    }

    #[test]
    fn a_long_path_is_told_without_its_middle() {
        assert_eq!(path(&names(&["a", "b", "c", "d", "e", "f", "g", "h"])), "a -> b -> c -> d -> … -> h");
    }
}
