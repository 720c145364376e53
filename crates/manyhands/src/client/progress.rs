//! How far a transfer is: a bar where a person looks, a line now and then where not.

use std::io::{self, IsTerminal as _, Read};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::voice::{one_line, print_error};

/// How often a line may come.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The progress of one transfer, told on the error output: the standard output may be the file.
pub(super) struct Progress {
    style: Style,
    total: Option<u64>,
    done: u64,
    told_at: Instant,
}

enum Style {
    Bar(ProgressBar),
    Lines(String),
    Silent,
}

impl Progress {
    /// A transfer of this many bytes, if that is known.
    pub(super) fn new(what: &str, total: Option<u64>, is_json: bool) -> Self {
        let what = one_line(what);
        let style = if is_json {
            Style::Silent
        } else if io::stderr().is_terminal() {
            Style::Bar(bar(&what, total))
        } else {
            Style::Lines(what)
        };
        Self { style, total, done: 0, told_at: Instant::now() }
    }

    /// More bytes are through.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        match &self.style {
            Style::Bar(bar) => bar.set_position(self.done),
            Style::Lines(what) if self.told_at.elapsed() >= LINE_EVERY => {
                let of = self.total.map(|total| format!(" of {}", HumanBytes(total))).unwrap_or_default();
                print_error(&format!("{what}: {}{of}", HumanBytes(self.done)));
                self.told_at = Instant::now();
            }
            Style::Lines(_) | Style::Silent => {}
        }
    }

    /// Whether anything is through.
    pub(super) fn has_moved(&self) -> bool {
        self.done > 0
    }

    /// The bar, for whoever has more to say beside it.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        match &self.style {
            Style::Bar(bar) => Some(bar.clone()),
            Style::Lines(_) | Style::Silent => None,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => {
            "{prefix} {bar:24.green/dim} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {wide_msg}"
        }
        None => "{prefix} {spinner} {bytes}, {bytes_per_sec} {wide_msg}",
    };
    let style = ProgressStyle::with_template(template)
        .expect("the template names only what indicatif knows")
        .progress_chars("━╸━");
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
    bar.set_prefix(what.to_owned());
    bar.with_style(style)
}

/// A reader that tells how far it is.
pub(super) struct Counted<'a, R> {
    pub(super) reader: R,
    pub(super) progress: &'a mut Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.progress.add(bytes as u64);
        Ok(bytes)
    }
}
