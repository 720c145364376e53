//! What this person lends: threads, pause, finish.

use std::rc::Rc;

use manyhands_core::Command;
use manyhands_core::view::Phase;

use super::dom::{El, el, told};
use super::state::{Room, Scene, threads_max};

/// The controls; hidden once there is nothing to control.
pub(crate) struct Controls {
    el: El,
    lent: El,
    slider: El,
    pause: El,
    finish: El,
}

impl Controls {
    /// Made once.
    pub(crate) fn new(room: &Rc<Room>) -> Self {
        let max = threads_max();
        let lent = el("output").attr("for", "threads");
        let unit = if max == 1 { " thread" } else { " threads" };
        let label = el("label").attr("for", "threads").text("You lend ").with(&[&lent]);
        let label = label.text(&[" of ", &max.to_string(), unit].concat());
        let slider = el("input").id("threads").attr("type", "range").attr("min", "1").attr("step", "1");
        let slider = slider.attr("max", &max.to_string());
        let (weak, moved) = (Rc::downgrade(room), slider.clone());
        let slider = slider.on("input", move |_| {
            if let (Some(room), Ok(threads)) = (weak.upgrade(), moved.value().parse::<u16>()) {
                room.lend(threads.clamp(1, max));
            }
        });
        let weak = Rc::downgrade(room);
        let pause = el("button").id("pause").on("click", move |_| {
            if let Some(room) = weak.upgrade() {
                room.command(if room.phase() == Phase::Paused { Command::Resume } else { Command::Pause });
            }
        });
        let weak = Rc::downgrade(room);
        let finish = told("button", "", "Finish, then stop").id("finish").on("click", move |_| {
            if let Some(room) = weak.upgrade() {
                room.command(Command::Finish);
            }
        });
        let lending = el("div").class("slider").with(&[&label, &slider]);
        let el = el("section")
            .class("controls")
            .attr("aria-label", "What you lend")
            .with(&[&lending, &pause, &finish]);
        Self { el, lent, slider, pause, finish }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let phase = scene.view.phase;
        if matches!(phase, Phase::Finished | Phase::Left) {
            self.el.show_if(false);
        }
        let threads = scene.threads.to_string();
        if self.slider.value() != threads {
            let _ = self.slider.clone().with_value(&threads);
        }
        self.lent.say(&threads);
        self.pause.say(if phase == Phase::Paused { "Resume" } else { "Pause" });
        for part in [&self.slider, &self.pause, &self.finish] {
            part.enable_if(phase != Phase::Finishing);
        }
    }
}
