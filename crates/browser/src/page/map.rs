//! The map of the job: each cell in the colour of who finished most of it, those under way pulsing.
//!
//! There are hundreds of cells and few change at a time, so only the changed ones are touched. The colours are the style
//! sheet's: a cell carries a hue and a share.

use std::cell::RefCell;

use manyhands_core::View;

use super::dom::{El, el, told};
use super::format::percent;
use super::state::Scene;

/// The map and its legend; hidden before the job is known.
pub(crate) struct Map {
    el: El,
    grid: El,
    cells: RefCell<Vec<(El, Look)>>,
}

/// What a cell looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    /// How much of it is finished, in percent.
    done: u8,
    /// Whose colour.
    hue: Option<u16>,
    /// Whether somebody is on it.
    under_way: bool,
}

impl Map {
    /// Made once.
    pub(crate) fn new() -> Self {
        let title = el("h2").id("map-title").text("The map of the job");
        let grid = el("div").class("map").id("map").attr("role", "img");
        let sign = |class: &str, text: &str| el("span").with(&[&el("i").class(class)]).text(text);
        let legend = el("p").class("legend").attr("aria-hidden", "true").with(&[
            &sign("cell", "to do"),
            &sign("cell now", "under way"),
            &sign("cell done", "finished, in the colour of who did it"),
        ]);
        let el = el("section")
            .class("map-part")
            .attr("aria-labelledby", "map-title")
            .with(&[&title, &grid, &legend]);
        Self { el, grid, cells: RefCell::default() }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let view = &scene.view;
        // Of a job without an end there is nothing to be seen but its very beginning.
        let progress = scene.progress.filter(|_| !view.map.is_empty());
        self.el.show_if(progress.is_some());
        let Some((done, all)) = progress else { return };
        let (done, pieces) = (percent(done, all), view.under_way.len().to_string());
        self.grid.set(
            "aria-label",
            &[
                "The job from its first piece to its last: ",
                &done,
                " finished, ",
                &pieces,
                " pieces under way",
            ]
            .concat(),
        );

        let looks = looks(view);
        let mut cells = self.cells.borrow_mut();
        if cells.len() != looks.len() {
            *cells = looks.iter().map(|_| (told("i", "cell", ""), Look::default())).collect();
            self.grid.hold(cells.iter().map(|(cell, _)| cell));
        }
        for ((cell, shown), look) in cells.iter_mut().zip(looks) {
            if *shown != look {
                *shown = look;
                look.paint(cell);
            }
        }
    }
}

impl Look {
    fn paint(self, cell: &El) {
        cell.set(
            "class",
            match (self.under_way, self.done) {
                (true, _) => "cell now",
                (false, 0) => "cell",
                (false, _) => "cell done",
            },
        );
        if let Some(hue) = self.hue {
            cell.style("--h", &hue.to_string());
        }
        cell.style("--d", &[&self.done.to_string(), "%"].concat());
    }
}

/// The look of every cell.
fn looks(view: &View) -> Vec<Look> {
    let hue = |peer: usize| view.peers.get(peer).map(|peer| peer.hue);
    let mut looks: Vec<Look> = view
        .map
        .iter()
        .map(|cell| Look {
            // Rounded down: a cell is full only when all of it is finished.
            done: (cell.done.clamp(0.0, 1.0) * 100.0) as u8,
            hue: cell.by.and_then(|by| hue(by.into())),
            under_way: false,
        })
        .collect();
    let units = u128::from(view.job.as_ref().map_or(0, |job| job.units));
    if units == 0 {
        return looks;
    }
    let count = looks.len() as u128;
    for (range, by) in &view.under_way {
        let first = (u128::from(range.start) * count / units) as usize;
        let end = (u128::from(range.end) * count).div_ceil(units) as usize;
        for look in looks.iter_mut().take(end).skip(first).filter(|look| look.done < 100) {
            look.under_way = true;
            if look.done == 0 || look.hue.is_none() {
                look.hue = hue(*by);
            }
        }
    }
    looks
}

#[cfg(test)]
mod tests {
    use manyhands_core::view::{Cell, JobView, PeerView};
    use manyhands_wire::UnitRange;

    use super::*;

    #[test]
    fn a_slice_marks_the_unfinished_cells_that_it_touches() {
        let peer = |hue| PeerView { hue, ..PeerView::default() };
        let full = Cell { done: 1.0, by: Some(0) };
        let view = View {
            job: Some(JobView { units: 100, ..JobView::default() }),
            peers: vec![peer(10), peer(200)],
            map: vec![full, Cell::default(), Cell { done: 0.999, by: Some(0) }, Cell::default()],
            under_way: vec![(UnitRange::new(20, 51), 1)],
            ..View::default()
        };

        let looks = looks(&view);

        assert_eq!(looks[0], Look { done: 100, hue: Some(10), under_way: false });
        assert_eq!(looks[1], Look { done: 0, hue: Some(200), under_way: true });
        assert_eq!(looks[2], Look { done: 99, hue: Some(10), under_way: true });
        assert_eq!(looks[3], Look::default());
    }
}
