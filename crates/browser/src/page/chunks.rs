//! One file and its chunks: each in the colour of who gave it, those that were asked for outlined.
//!
//! A large file has tens of thousands of chunks, so they are drawn on a canvas, and where there are more than cells, a cell
//! stands for several.

use std::cell::{Cell, RefCell};

use js_sys::Date;
use manyhands_core::View;
use manyhands_core::files::{ChunkState, FileInfo, FileState};
use manyhands_wire::{FileId, PeerId};

use super::dom::{El, el, style_value, told};
use super::file_rows::{here, shown_name};
use super::format::{bytes, decimal, percent, span, whole};

/// How high the grid is at most, in pixels, and how large its cells are.
const HEIGHT_MAX: f64 = 150.0;
const CELL_MAX: f64 = 18.0;
const CELL_MIN: f64 = 4.0;
/// How many sources are told of by name.
const SOURCES_MAX: usize = 12;
/// How many drawings pass until the grid is drawn although nothing changed: the theme may have.
const REST_MAX: u32 = 15;

/// For how long a file has to come until it is told how long it will take, in milliseconds: the speed rises at first.
const GUESS_AFTER_MS: f64 = 3_000.0;

/// The part of the page that shows one file.
pub(super) struct Chunks {
    el: El,
    name: El,
    facts: El,
    grid: El,
    sources: El,
    trouble: El,
    /// What is drawn, and how many drawings ago.
    drawn: RefCell<(Vec<ChunkState>, i32, u32)>,
    /// The file that is coming, and since when.
    coming: Cell<Option<(FileId, f64)>>,
}

/// What a cell looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Look {
    /// Whose colour; `None` for nobody's.
    hue: Option<u16>,
    /// How much of it is here, 0 to 10.
    tenths: u8,
    /// Whether somebody was asked for some of it.
    is_asked: bool,
}

impl Chunks {
    /// Made once.
    pub(super) fn new() -> Self {
        let (name, facts) = (el("h3"), el("p").class("facts").id("file-facts"));
        let grid = el("canvas").class("grid").attr("role", "img");
        let sign = |class: &str, text: &str| el("span").with(&[&el("i").class(class)]).text(text);
        let legend = told("p", "legend", "").attr("aria-hidden", "true").with(&[
            &sign("cell", "missing"),
            &sign("cell asked", "asked for"),
            &sign("cell done", "here, in the colour of who gave it"),
        ]);
        let sources = el("ul").class("sources").attr("aria-label", "Who gave how much");
        let trouble = told("p", "trouble quiet", "");
        let el =
            el("div").id("chunks").class("chunks").with(&[&name, &facts, &grid, &legend, &sources, &trouble]);
        el.show_if(false);
        Self { el, name, facts, grid, sources, trouble, drawn: RefCell::default(), coming: Cell::default() }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows this file, or nothing.
    pub(super) fn draw(
        &self,
        view: &View,
        file: Option<&FileInfo>,
        chunks: impl Fn(&FileId) -> Vec<ChunkState>,
    ) {
        self.el.show_if(file.is_some());
        let Some(file) = file else { return };
        self.name.say(&shown_name(file));
        let facts = facts(file, self.is_coming_for_long(file));
        self.facts.say(&facts);
        self.trouble.say_if((!file.trouble.is_empty()).then_some(&file.trouble));
        self.draw_sources(view, file);
        let state = chunks(&file.id);
        self.grid.show_if(!state.is_empty());
        let width = self.el.width();
        let mut drawn = self.drawn.borrow_mut();
        if drawn.0 == state && drawn.1 == width && drawn.2 < REST_MAX {
            drawn.2 += 1;
            return;
        }
        self.grid.set("aria-label", &["The chunks of this file: ", &facts].concat());
        self.paint(view, &state, f64::from(width));
        *drawn = (state, width, 0);
    }

    fn is_coming_for_long(&self, file: &FileInfo) -> bool {
        let (now, is_coming) = (Date::now(), file.state == FileState::Fetching);
        let since = self.coming.get().filter(|(id, _)| *id == file.id).map_or(now, |(_, since)| since);
        self.coming.set(is_coming.then_some((file.id, since)));
        now - since > GUESS_AFTER_MS
    }

    fn draw_sources(&self, view: &View, file: &FileInfo) {
        let key: Vec<String> = file
            .sources
            .iter()
            .map(|source| [source.peer.as_str(), &bytes(source.bytes)].join(" "))
            .collect();
        if !self.sources.is_new("data-shown", &key.join("\n")) {
            return;
        }
        let total: u64 = file.sources.iter().map(|source| source.bytes).sum();
        let items: Vec<El> = file
            .sources
            .iter()
            .take(SOURCES_MAX)
            .map(|source| {
                let dot = el("i").class("dot").attr("aria-hidden", "true");
                let peer = view.peers.iter().find(|peer| source.peer == peer.name);
                if let Some(peer) = peer {
                    dot.style("--h", &peer.hue.to_string());
                }
                let share = [&bytes(source.bytes), ", ", &percent(source.bytes, total)].concat();
                el("li")
                    .with(&[&dot, &told("span", "name", &source.peer)])
                    .text(" ")
                    .with(&[&told("span", "muted", &share)])
            })
            .collect();
        self.sources.hold(items.iter());
    }

    fn paint(&self, view: &View, chunks: &[ChunkState], width: f64) {
        let grid = Layout::new(chunks.len(), width);
        let Some(brush) = self.grid.brush(grid.width() as u32, grid.height() as u32) else { return };
        let hues = Hues::new(view);
        let (light, todo, soft) = (style_value("--peer-light"), style_value("--todo"), style_value("--soft"));
        let colour = |hue: Option<u16>| match hue {
            Some(hue) => ["oklch(", &light, " .14 ", &hue.to_string(), ")"].concat(),
            None => soft.clone(),
        };
        let gap = if grid.cell > 6.0 { 2.0 } else { 1.0 };
        let mut last = None;
        for (at, look) in looks(chunks, grid.per_cell, &hues).into_iter().enumerate() {
            let (x, y) = grid.place(at);
            let side = grid.cell - gap;
            brush.set_global_alpha(1.0);
            let fill =
                |inset: f64| brush.fill_rect(x + inset, y + inset, side - 2.0 * inset, side - 2.0 * inset);
            if look.tenths < 10 {
                if last.replace(None) != Some(None) {
                    brush.set_fill_style_str(&todo);
                }
                fill(0.0);
            }
            if look.tenths == 0 && !look.is_asked {
                continue;
            }
            if last != Some(Some(look.hue)) {
                brush.set_fill_style_str(&colour(look.hue));
                last = Some(Some(look.hue));
            }
            if look.is_asked {
                // An outline: the colour around the pale middle.
                fill(0.0);
                brush.set_fill_style_str(&todo);
                last = Some(None);
                fill(if side > 6.0 { 2.0 } else { 1.0 });
            } else {
                brush.set_global_alpha(f64::from(look.tenths.max(3)) / 10.0);
                fill(0.0);
            }
        }
    }
}

/// How far it is, how quickly it comes, and how long it will take.
fn facts(file: &FileInfo, with_left: bool) -> String {
    let here_bytes = (u64::from(file.chunks_here) * u64::from(file.chunk_bytes)).min(file.size);
    let mut facts = match file.state {
        FileState::Fetching | FileState::Waiting => {
            [&bytes(here_bytes), " of ", &bytes(file.size), " here"].concat()
        }
        FileState::Here => [&bytes(file.size), ", all of it here"].concat(),
        FileState::Known | FileState::Failed | FileState::Forgotten => {
            [&bytes(file.size), ", here: ", &here(file)].concat()
        }
    };
    let pieces = if file.chunks == 1 { " chunk" } else { " chunks" };
    facts.extend([", ", &whole(file.chunks.into()), pieces]);
    if file.state == FileState::Fetching && file.bytes_per_second > 0 {
        let left_s = (file.size - here_bytes) as f64 / file.bytes_per_second as f64;
        let speed = decimal(file.bytes_per_second as f64 / 1e6);
        facts.extend([", ", &speed, " MB a second"]);
        if with_left {
            facts.extend([", about ", &span(left_s), " left"]);
        }
    }
    facts
}

/// The hues of the peers, by their keys.
struct Hues {
    own: Option<u16>,
    peers: Vec<([u8; 32], u16)>,
}

impl Hues {
    fn new(view: &View) -> Self {
        // A peer's id is written as a file's is.
        let peers = view.peers.iter().filter_map(|peer| Some((FileId::parse(&peer.id)?.0, peer.hue)));
        let own = view.peers.iter().find(|peer| peer.me).map(|peer| peer.hue);
        Self { own, peers: peers.collect() }
    }

    fn of(&self, peer: &PeerId) -> Option<u16> {
        self.peers.iter().find(|(id, _)| *id == peer.0).map(|(_, hue)| *hue)
    }
}

/// The look of every cell, each of which stands for so many chunks.
fn looks(chunks: &[ChunkState], per_cell: usize, hues: &Hues) -> Vec<Look> {
    let look = |chunks: &[ChunkState]| {
        let mut counts: Vec<(Option<u16>, usize)> = Vec::new();
        let (mut here, mut asked) = (0, None);
        for chunk in chunks {
            let hue = match chunk {
                ChunkState::Missing => continue,
                ChunkState::Asked(peer) => {
                    asked = Some(hues.of(peer));
                    continue;
                }
                ChunkState::From(peer) => hues.of(peer),
                ChunkState::Here => hues.own,
            };
            here += 1;
            match counts.iter_mut().find(|(other, _)| *other == hue) {
                Some((_, count)) => *count += 1,
                None => counts.push((hue, 1)),
            }
        }
        let most = counts.iter().max_by_key(|(_, count)| *count).and_then(|(hue, _)| *hue);
        // Rounded down, but never to nothing: a cell is full only when all of it is here.
        let tenths = if here == 0 { 0 } else { (here * 10 / chunks.len()).max(1) as u8 };
        Look { hue: asked.unwrap_or(most), tenths, is_asked: asked.is_some() }
    };
    chunks.chunks(per_cell.max(1)).map(look).collect()
}

/// Where the cells are.
struct Layout {
    cell: f64,
    columns: usize,
    cells: usize,
    per_cell: usize,
}

impl Layout {
    /// As large as they can be, and as many as there is place for.
    fn new(chunks: usize, width: f64) -> Self {
        let width = width.max(CELL_MAX);
        let fits = |cell: f64| ((width / cell).floor() as usize, (HEIGHT_MAX / cell).floor() as usize);
        let mut cell = CELL_MAX;
        while cell > CELL_MIN && fits(cell).0 * fits(cell).1 < chunks {
            cell -= 1.0;
        }
        let (columns, rows) = fits(cell);
        let per_cell = chunks.div_ceil(columns * rows).max(1);
        Self { cell, columns, cells: chunks.div_ceil(per_cell), per_cell }
    }

    fn width(&self) -> f64 {
        self.cell * self.columns as f64
    }

    fn height(&self) -> f64 {
        self.cell * self.cells.div_ceil(self.columns) as f64
    }

    fn place(&self, at: usize) -> (f64, f64) {
        ((at % self.columns) as f64 * self.cell, (at / self.columns) as f64 * self.cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 32]);
    const BOB: PeerId = PeerId([2; 32]);

    fn hues() -> Hues {
        Hues { own: Some(5), peers: vec![(ANN.0, 100), (BOB.0, 200)] }
    }

    #[test]
    fn a_cell_has_the_colour_of_who_gave_most_of_it() {
        let chunks =
            [ChunkState::From(ANN), ChunkState::From(BOB), ChunkState::From(BOB), ChunkState::Missing];

        let looks = looks(&chunks, 4, &hues());

        assert_eq!(looks, [Look { hue: Some(200), tenths: 7, is_asked: false }]);
    }

    #[test]
    fn what_was_asked_for_has_the_colour_of_who_was_asked() {
        let chunks = [ChunkState::Here, ChunkState::Asked(ANN), ChunkState::Missing];

        let looks = looks(&chunks, 1, &hues());

        assert_eq!(looks[0], Look { hue: Some(5), tenths: 10, is_asked: false });
        assert_eq!(looks[1], Look { hue: Some(100), tenths: 0, is_asked: true });
        assert_eq!(looks[2], Look::default());
    }

    #[test]
    fn the_largest_file_fits_into_the_grid() {
        for chunks in [1, 17, 458, 2_000, 65_536] {
            for width in [300.0, 1000.0] {
                let layout = Layout::new(chunks, width);

                assert!(layout.height() <= HEIGHT_MAX.max(layout.cell), "{chunks} on {width}");
                assert!(layout.width() <= width);
                assert!(layout.cells * layout.per_cell >= chunks);
                assert!(layout.per_cell == 1 || chunks > 2_500, "{chunks} on {width}");
            }
        }
    }
}
