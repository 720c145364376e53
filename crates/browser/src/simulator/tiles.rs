//! The servers, each a tile of its chunks: every chunk in the colour of the server that sent it, those on their way as dots.
//!
//! There may be a hundred servers with 256 chunks each, so they are painted on a canvas, and only what changed.

use std::cell::RefCell;

use web_sys::CanvasRenderingContext2d;

use super::charts::Paints;
use super::message::{COMING, FROM, Frame, MISSING, Snapshot};
use crate::page::dom::{El, el, told};

/// How large a chunk is drawn, in pixels.
const CELL_MAX: u32 = 16;
const CELL_MIN: u32 = 3;
/// The line above a tile, with the server's number.
const LABEL: u32 = 17;
/// Between two tiles.
const GAP: u32 = 12;
/// How high the whole is if it can be, in pixels: before that, chunks are drawn smaller.
const HEIGHT_GOOD: u32 = 460;

/// The drawing with its legend.
pub(super) struct Tiles {
    el: El,
    frame: El,
    canvas: El,
    painted: RefCell<Option<Painted>>,
}

/// What is on the canvas.
struct Painted {
    /// How many servers and chunks there are: twenty servers may lie as nineteen do.
    counts: (u32, u32),
    brush: CanvasRenderingContext2d,
    layout: Layout,
    paints: Paints,
    cells: Vec<u8>,
    is_finished: Vec<bool>,
}

impl Tiles {
    /// Made once.
    pub(super) fn new() -> Self {
        let canvas = el("canvas").id("sim-servers").class("grid").attr("role", "img");
        let frame = el("div").with(&[&canvas]);
        let sign = |class: &str, text: &str| el("span").with(&[&el("i").class(class)]).text(text);
        let legend = told("p", "legend", "").attr("aria-hidden", "true").with(&[
            &sign("cell", "missing"),
            &sign("cell sim-coming", "on its way"),
            &sign("cell sim-first", "from server 0, which has everything at first"),
            &sign("cell done", "from another server, in its colour"),
        ]);
        let el = el("div").class("sim-tiles").with(&[&frame, &legend]);
        Self { el, frame, canvas, painted: RefCell::default() }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things stand.
    pub(super) fn draw(&self, frame: &Frame, snapshot: &Snapshot) {
        let width = u32::try_from(self.frame.width()).unwrap_or(0);
        if width == 0 {
            return;
        }
        let (layout, paints) = (Layout::new(frame.servers, frame.chunks, width), Paints::now());
        let mut painted = self.painted.borrow_mut();
        let counts = (frame.servers, frame.chunks);
        let fits = |painted: &Painted| {
            (painted.counts, &painted.layout, &painted.paints) == (counts, &layout, &paints)
        };
        if !painted.as_ref().is_some_and(fits) {
            let Some(brush) = self.canvas.brush(layout.width(), layout.height()) else { return };
            brush.set_font("12px system-ui, sans-serif");
            *painted = Some(Painted {
                counts,
                brush,
                cells: vec![u8::MAX; (frame.servers * frame.chunks) as usize],
                is_finished: Vec::new(),
                layout,
                paints,
            });
        }
        if let Some(painted) = painted.as_mut() {
            painted.paint(frame, snapshot);
        }
        let done = snapshot.standings.iter().filter(|standing| standing.finished_us.is_some()).count();
        self.canvas.set(
            "aria-label",
            &[&done.to_string(), " of ", &frame.servers.to_string(), " servers have all chunks"].concat(),
        );
    }
}

impl Painted {
    fn paint(&mut self, frame: &Frame, snapshot: &Snapshot) {
        if self.cells.len() != snapshot.cells.len() {
            return;
        }
        let gap = match self.layout.cell {
            ..=CELL_MIN => 0,
            4..=6 => 1,
            _ => 2,
        };
        let side = f64::from(self.layout.cell - gap);
        for (at, (old, new)) in self.cells.iter_mut().zip(&snapshot.cells).enumerate() {
            if old == new {
                continue;
            }
            *old = *new;
            let (server, chunk) = (at as u32 / frame.chunks, at as u32 % frame.chunks);
            let (x, y) = self.layout.cell_at(server, chunk);
            let fill = |colour: &str, inset: f64| {
                self.brush.set_fill_style_str(colour);
                self.brush.fill_rect(x + inset, y + inset, side - 2.0 * inset, side - 2.0 * inset);
            };
            match *new {
                MISSING => fill(&self.paints.todo, 0.0),
                FROM..COMING => fill(&self.paints.server(u32::from(*new - FROM)), 0.0),
                COMING.. => {
                    fill(&self.paints.todo, 0.0);
                    fill(&self.paints.server(u32::from(*new - COMING)), side * 0.3);
                }
            }
        }
        let is_finished = snapshot.standings.iter().map(|standing| standing.finished_us.is_some());
        for (server, is_finished) in is_finished.clone().enumerate() {
            if self.is_finished.get(server) != Some(&is_finished) {
                self.label(server as u32, is_finished);
            }
        }
        self.is_finished = is_finished.collect();
    }

    /// A server's number, in its colour's dot, with a sign when it has everything.
    fn label(&self, server: u32, is_finished: bool) {
        let (x, y) = self.layout.tile_at(server);
        let width = f64::from(self.layout.tile_width() + GAP - 2);
        self.brush.clear_rect(x, y, width, f64::from(LABEL));
        self.brush.set_fill_style_str(&self.paints.server(server));
        self.brush.fill_rect(x, y + 4.0, 8.0, 8.0);
        self.brush.set_fill_style_str(if is_finished { &self.paints.ink } else { &self.paints.soft });
        let sign = if is_finished { " ✓" } else { "" };
        let _ = self.brush.fill_text(&[&server.to_string(), sign].concat(), x + 12.0, y + 12.0);
    }
}

/// Where tiles and cells are, in pixels.
#[derive(Clone, Debug, PartialEq)]
struct Layout {
    cell: u32,
    /// How many chunks lie beside each other in a tile, and below.
    columns: u32,
    rows: u32,
    /// How many tiles lie beside each other, and below.
    across: u32,
    down: u32,
}

impl Layout {
    /// As large as it can be within the width and a good height.
    fn new(servers: u32, chunks: u32, width: u32) -> Self {
        let columns = (1..).find(|columns| columns * columns >= chunks).unwrap_or(1);
        let rows = chunks.div_ceil(columns);
        let with = |cell: u32| {
            let tile = (columns * cell).max(Self::TILE_MIN);
            let across = ((width + GAP) / (tile + GAP)).clamp(1, servers);
            Self { cell, columns, rows, across, down: servers.div_ceil(across) }
        };
        let fits = |layout: &Self| layout.height() <= HEIGHT_GOOD && layout.width() <= width;
        (CELL_MIN..=CELL_MAX).rev().map(with).find(fits).unwrap_or_else(|| with(CELL_MIN))
    }

    /// Room for a number of two digits, its colour and its sign.
    const TILE_MIN: u32 = 34;

    fn tile_width(&self) -> u32 {
        (self.columns * self.cell).max(Self::TILE_MIN)
    }

    fn width(&self) -> u32 {
        self.across * (self.tile_width() + GAP) - GAP
    }

    fn height(&self) -> u32 {
        self.down * (LABEL + self.rows * self.cell + GAP) - GAP
    }

    fn tile_at(&self, server: u32) -> (f64, f64) {
        let (column, row) = (server % self.across, server / self.across);
        let tile_height = LABEL + self.rows * self.cell + GAP;
        (f64::from(column * (self.tile_width() + GAP)), f64::from(row * tile_height))
    }

    fn cell_at(&self, server: u32, chunk: u32) -> (f64, f64) {
        let (x, y) = self.tile_at(server);
        let (column, row) = (chunk % self.columns, chunk / self.columns);
        (x + f64::from(column * self.cell), y + f64::from(LABEL + row * self.cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_servers_and_chunks_fit_into_any_page() {
        for (servers, chunks) in [(2, 1), (20, 16), (20, 64), (100, 256), (7, 200), (100, 1)] {
            for width in [300, 335, 1000] {
                let layout = Layout::new(servers, chunks, width);

                assert!(layout.width() <= width, "{layout:?}");
                assert!(layout.columns * layout.rows >= chunks && layout.across * layout.down >= servers);
                let (x, y) = layout.cell_at(servers - 1, chunks - 1);
                assert!(
                    x as u32 + layout.cell <= layout.width() && y as u32 + layout.cell <= layout.height()
                );
            }
        }
    }

    #[test]
    fn other_servers_and_chunks_may_lie_in_the_same_way() {
        // So the layout alone does not say whether what is painted still fits.
        assert_eq!(Layout::new(19, 16, 1000), Layout::new(20, 16, 1000));
        assert_eq!(Layout::new(20, 15, 1000), Layout::new(20, 16, 1000));
    }

    #[test]
    fn what_is_seen_first_is_large() {
        assert!(Layout::new(20, 16, 1000).cell >= 14);
        assert!(Layout::new(20, 16, 335).cell >= 12);
    }
}
