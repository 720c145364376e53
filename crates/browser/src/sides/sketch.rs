//! A drawing of the nodes and their links, with messages that travel along them.
//!
//! All nodes stand on an oval, in the order of their names with the numbers in them taken as numbers, so that the same room
//! looks the same on every page. [`Picture`] is what is to be seen, worked out from one view; only when it differs from
//! what is drawn is the drawing made anew. Messages fly in a layer of their own, as the style sheet moves them: hop after
//! hop, or all at once and still where a person wants no motion.
//!
//! The drawing is one picture for screen readers: the table beside it says the same in words.

use std::cell::RefCell;

use js_sys::Date;
use manyhands_core::View;
use manyhands_core::view::{LinkState, PeerView};

use super::room::Flight;
use crate::page::dom::{El, svg};
use crate::page::table::tags;

/// How many nodes are drawn at most; the table has them all.
const NODES_MAX: usize = 96;
/// Up to how many nodes have their names beside them, on a wide page and on a phone.
const NAMED_MAX: (usize, usize) = (24, 12);
/// Below this width, in pixels, a page is a phone's.
const NARROW: i32 = 560;
/// How long one hop takes to be shown, and how long the whole way stays in sight after the last, in milliseconds. The style
/// sheet has the same.
const HOP_MS: f64 = 450.0;
const SIGHT_MS: f64 = 2_200.0;
/// How many messages fly at once.
const IN_FLIGHT_MAX: usize = 8;

/// The drawing.
pub(crate) struct Sketch {
    el: El,
    links: El,
    nodes: El,
    sky: El,
    shown: RefCell<Picture>,
    /// When each flight is over, and what it is.
    in_flight: RefCell<Vec<(f64, El)>>,
}

/// What is to be seen.
#[derive(Debug, Default, PartialEq)]
struct Picture {
    size: (i32, i32),
    nodes: Vec<Spot>,
    /// With positions in `nodes`.
    links: Vec<Edge>,
}

/// The positions of a link's ends, and how it looks.
type Edge = ((usize, usize), &'static str);

/// A node in the picture.
#[derive(Debug, PartialEq)]
struct Spot {
    id: String,
    /// The whole name with what it is to this page, and what of it has room.
    title: String,
    label: String,
    /// A sign that fits into the node.
    sign: String,
    look: &'static str,
    is_host: bool,
    hue: u16,
    at: (i32, i32),
    radius: i32,
    /// Where the label is: to the left, below or above, or to the right.
    side: i32,
}

impl Sketch {
    /// Made once.
    pub(crate) fn new() -> Self {
        let layer = |class: &str| svg("g").attr("class", class);
        let (links, nodes, sky) = (layer("edges"), layer("spots"), layer("sky"));
        let el = svg("svg")
            .attr("id", "sketch")
            .attr("class", "sketch")
            .attr("role", "img")
            .with(&[&links, &sky, &nodes]);
        Self { el, links, nodes, sky, shown: RefCell::default(), in_flight: RefCell::default() }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows the nodes as they are now, in this width, and lets `flights` go.
    pub(crate) fn draw(&self, view: &View, width: i32, flights: &[Flight]) {
        let picture = Picture::of(view, width);
        if picture != *self.shown.borrow() {
            self.paint(&picture);
            *self.shown.borrow_mut() = picture;
        }
        let now = Date::now();
        let mut in_flight = self.in_flight.borrow_mut();
        in_flight.retain(|(end, flight)| {
            let is_up = *end > now;
            if !is_up {
                flight.remove();
            }
            is_up
        });
        for flight in flights {
            if in_flight.len() < IN_FLIGHT_MAX
                && let Some((span, drawn)) = self.shown.borrow().fly(flight)
            {
                let _ = self.sky.clone().with(&[&drawn]);
                in_flight.push((now + span, drawn));
            }
        }
    }

    fn paint(&self, picture: &Picture) {
        let (width, height) = picture.size;
        self.el.set("viewBox", &[0, 0, width, height].map(|side| side.to_string()).join(" "));
        self.el.set("width", &width.to_string());
        self.el.set("height", &height.to_string());
        let (nodes, links) = (picture.nodes.len(), picture.links.len());
        let many = |count: usize, word: &str| {
            [count.to_string().as_str(), " ", word, if count == 1 { "" } else { "s" }].concat()
        };
        self.el.set(
            "aria-label",
            &[
                "The network: ",
                &many(nodes, "node"),
                " and ",
                &many(links, "link"),
                ". The table below lists them.",
            ]
            .concat(),
        );
        let lines: Vec<El> = picture
            .links
            .iter()
            .filter_map(|((a, b), look)| Some(line(picture.nodes.get(*a)?, picture.nodes.get(*b)?, look)))
            .collect();
        self.links.hold(lines.iter());
        let spots: Vec<El> = picture.nodes.iter().map(Spot::drawn).collect();
        self.nodes.hold(spots.iter());
        // What flies, flies between places that are no more.
        self.sky.hold(std::iter::empty());
        self.in_flight.borrow_mut().clear();
    }
}

impl Picture {
    fn of(view: &View, width: i32) -> Self {
        let edges = edges(view);
        let is_linked = |at: &usize| edges.iter().any(|((a, b), _)| a == at || b == at);
        // Those that are there come first, if not all have room.
        let is_there = |at: &usize| view.peers[*at].me || is_linked(at);
        let (there, away): (Vec<usize>, Vec<usize>) = (0..view.peers.len()).partition(is_there);
        // Sorted by inserting, as a sort of its own would make the page larger by some KiB.
        let mut order: Vec<usize> = Vec::new();
        for at in there.into_iter().chain(away).take(NODES_MAX) {
            let key = |at: usize| (sort_key(&view.peers[at].name), &view.peers[at].id);
            let place = order.partition_point(|other| key(*other) < key(at));
            order.insert(place, at);
        }

        let oval = Oval::new(width, order.len());
        let spot = |(nth, at): (usize, &usize)| {
            let peer = &view.peers[*at];
            let look = match peer.link {
                LinkState::Own if view.asleep => "spot me asleep",
                LinkState::Own => "spot me",
                LinkState::Stale => "spot stale",
                LinkState::Connecting => "spot coming",
                LinkState::Open => "spot",
                LinkState::None if is_linked(at) => "spot far",
                LinkState::None => "spot away",
            };
            oval.spot(nth, peer, look)
        };
        let nodes = order.iter().enumerate().map(spot).collect();
        let placed = |at: &usize| order.iter().position(|other| other == at);
        let links =
            edges.iter().filter_map(|((a, b), look)| Some(((placed(a)?, placed(b)?), *look))).collect();
        Self { size: (width, oval.height), nodes, links }
    }

    /// The way of a message, and for how long it is in sight; none if nothing of it is in the picture.
    fn fly(&self, flight: &Flight) -> Option<(f64, El)> {
        let find = |id: &String| self.nodes.iter().position(|spot| spot.id == *id);
        let hops: Vec<(usize, usize, usize)> = if let [from] = flight.as_slice() {
            let from = find(from)?;
            let other = |(a, b): (usize, usize)| match from {
                end if end == a => Some(b),
                end if end == b => Some(a),
                _ => None,
            };
            self.links.iter().filter_map(|(ends, _)| Some((0, from, other(*ends)?))).collect()
        } else {
            let hop = |(nth, pair): (usize, &[String])| {
                let [from, to] = pair else { return None };
                Some((nth, find(from)?, find(to)?))
            };
            flight.windows(2).enumerate().filter_map(hop).collect()
        };
        let last = hops.last()?.0;
        let drawn = svg("g").attr("class", "flight");
        for (nth, from, to) in hops {
            let (from, to) = (self.nodes.get(from)?, self.nodes.get(to)?);
            let dot = svg("circle").attr("class", "fly").attr("r", "6");
            for (name, value) in
                [("--x0", from.at.0), ("--y0", from.at.1), ("--x1", to.at.0), ("--y1", to.at.1)]
            {
                dot.style(name, &[&value.to_string(), "px"].concat());
            }
            let hop = line(from, to, "hop");
            for part in [&hop, &dot] {
                part.style("--k", &nth.to_string());
            }
            let _ = drawn.clone().with(&[&hop, &dot]);
        }
        Some((last as f64 * HOP_MS + SIGHT_MS, drawn))
    }
}

/// Who has links to whom, and how they look.
fn edges(view: &View) -> Vec<Edge> {
    // This page knows its own links best; it is the first of the peers.
    let mut edges: Vec<Edge> = Vec::new();
    for (at, peer) in view.peers.iter().enumerate().skip(1) {
        match peer.link {
            LinkState::Open => edges.push(((0, at), "edge own")),
            LinkState::Stale => edges.push(((0, at), "edge own stale")),
            LinkState::Connecting => edges.push(((0, at), "edge own coming")),
            LinkState::None | LinkState::Own => {}
        }
    }
    // Of the others, each tells its links, so most are told twice.
    let count = view.peers.len();
    let mut is_drawn = vec![false; count * count];
    for (at, peer) in view.peers.iter().enumerate().skip(1) {
        for other in peer.links.iter().map(|other| usize::from(*other)) {
            let (a, b) = (at.min(other), at.max(other));
            if 0 < a && a < b && b < count && !std::mem::replace(&mut is_drawn[a * count + b], true) {
                edges.push(((a, b), "edge"));
            }
        }
    }
    edges
}

/// Where the nodes stand.
struct Oval {
    width: i32,
    height: i32,
    count: usize,
    radius: i32,
    /// How many letters of a name have room; none if names have none.
    letters: usize,
}

impl Oval {
    fn new(width: i32, count: usize) -> Self {
        let is_narrow = width < NARROW;
        let height = if count < 2 { 150 } else { (width / 2).clamp(320, 470) };
        let named_max = if is_narrow { NAMED_MAX.1 } else { NAMED_MAX.0 };
        let letters = match (count <= named_max, is_narrow) {
            (true, true) => 10,
            (true, false) => 17,
            (false, _) => 0,
        };
        let mut oval = Self { width, height, count, radius: 0, letters };
        let (across, down) = oval.radii();
        let apart = std::f64::consts::PI * (across + down) / count.max(1) as f64;
        oval.radius = (apart * 0.38).clamp(5.0, 15.0) as i32;
        oval
    }

    fn radii(&self) -> (f64, f64) {
        let beside = if self.letters > 0 { self.letters as f64 * 7.2 + 14.0 } else { 0.0 };
        let across = f64::from(self.width) / 2.0 - 18.0 - beside;
        (across.max(40.0), f64::from(self.height) / 2.0 - if self.letters > 0 { 42.0 } else { 20.0 })
    }

    fn spot(&self, nth: usize, peer: &PeerView, look: &'static str) -> Spot {
        let (across, down) = if self.count < 2 { (0.0, 0.0) } else { self.radii() };
        let (right, low) = direction(nth as f64 / self.count.max(1) as f64);
        let at = (
            (f64::from(self.width) / 2.0 + right * across).round() as i32,
            (f64::from(self.height) / 2.0 + low * down).round() as i32,
        );
        let side = match right {
            _ if self.count < 2 => 0,
            0.28.. => 1,
            ..=-0.28 => -1,
            _ => 0,
        };
        let tag = tags(peer);
        let suffix = if tag.is_empty() { String::new() } else { [" (", tag, ")"].concat() };
        Spot {
            id: peer.id.clone(),
            title: [peer.name.as_str(), " ", &peer.code, &suffix].concat(),
            label: shortened(&peer.name, self.letters),
            sign: if self.radius >= 9 { sign(&peer.name) } else { String::new() },
            look,
            is_host: peer.host,
            hue: peer.hue,
            at,
            radius: self.radius,
            side,
        }
    }
}

/// Where on a circle a part of the whole turn ends, clockwise from the top: how far to the right and how far down. After
/// Bhaskara, exact to a six-hundredth: the real functions would make the page larger by some KiB.
fn direction(part: f64) -> (f64, f64) {
    let sine = |part: f64| {
        let half = (part - part.floor()) * 2.0;
        let (half, sign) = if half > 1.0 { (half - 1.0, -1.0) } else { (half, 1.0) };
        let product = half * (1.0 - half);
        sign * 16.0 * product / (5.0 - 4.0 * product)
    };
    (sine(part), -sine(part + 0.25))
}

impl Spot {
    fn drawn(&self) -> El {
        let [x, y, r] = [self.at.0, self.at.1, self.radius].map(|number| number.to_string());
        let shape = if self.is_host {
            let side = (self.radius * 2).to_string();
            let corner = [self.at.0 - self.radius, self.at.1 - self.radius].map(|number| number.to_string());
            let [left, top] = &corner;
            svg("rect")
                .attr("x", left)
                .attr("y", top)
                .attr("width", &side)
                .attr("height", &side)
                .attr("rx", "4")
        } else {
            svg("circle").attr("cx", &x).attr("cy", &y).attr("r", &r)
        };
        let sign = svg("text").attr("class", "sign").attr("x", &x).attr("y", &y).text(&self.sign);
        let title = svg("title").text(&self.title);
        let drawn = svg("g").attr("class", self.look).with(&[&title, &shape, &sign]);
        drawn.style("--h", &self.hue.to_string());
        if self.label.is_empty() {
            return drawn;
        }
        let (dx, dy, anchor) = match self.side {
            1 => (self.radius + 7, 4, "start"),
            -1 => (-self.radius - 7, 4, "end"),
            // At the top the label is above, at the bottom below; alone, below.
            _ if self.is_at_top() => (0, -self.radius - 9, "middle"),
            _ => (0, self.radius + 19, "middle"),
        };
        let label = svg("text")
            .attr("class", "label")
            .attr("x", &(self.at.0 + dx).to_string())
            .attr("y", &(self.at.1 + dy).to_string())
            .attr("text-anchor", anchor)
            .text(&self.label);
        drawn.with(&[&label])
    }

    fn is_at_top(&self) -> bool {
        self.at.1 < 70
    }
}

fn line(from: &Spot, to: &Spot, class: &str) -> El {
    let mut line = svg("line").attr("class", class);
    for (name, value) in [("x1", from.at.0), ("y1", from.at.1), ("x2", to.at.0), ("y2", to.at.1)] {
        line = line.attr(name, &value.to_string());
    }
    line
}

/// A name's letters and its last number, so that `Node 9` comes before `Node 10`.
pub(crate) fn sort_key(name: &str) -> (String, u64, String) {
    let letters = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name[letters.len()..].parse().unwrap_or(0);
    (letters.to_ascii_lowercase(), number, name.to_owned())
}

/// The number at the end of a name, or its first letter.
fn sign(name: &str) -> String {
    let letters = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    match &name[letters.len()..] {
        number if (1..=3).contains(&number.len()) => number.to_owned(),
        // Other letters are shown as they are: the tables for them are larger than this drawing.
        _ => name.chars().next().map(|letter| letter.to_ascii_uppercase().to_string()).unwrap_or_default(),
    }
}

/// At most so many letters, the last of them a mark that there are more.
fn shortened(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    let kept: String = name.chars().take(letters.saturating_sub(1)).collect();
    if kept.is_empty() { kept } else { [kept.trim_end(), "…"].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, link: LinkState, links: &[u16]) -> PeerView {
        PeerView {
            id: name.to_owned(),
            name: name.to_owned(),
            me: link == LinkState::Own,
            link,
            links: links.to_vec(),
            ..PeerView::default()
        }
    }

    #[test]
    fn nodes_stand_in_the_order_of_their_numbers() {
        let peers = ["Node 2", "Node 10", "Node 1"].map(|name| {
            let link = if name == "Node 2" { LinkState::Own } else { LinkState::Open };
            peer(name, link, &[])
        });
        let view = View { peers: peers.to_vec(), ..View::default() };

        let picture = Picture::of(&view, 900);

        let names: Vec<&str> = picture.nodes.iter().map(|spot| spot.id.as_str()).collect();
        assert_eq!(names, ["Node 1", "Node 2", "Node 10"]);
        assert_eq!(picture.nodes[2].sign, "10");
    }

    #[test]
    fn a_link_is_drawn_once_and_this_page_knows_its_own_best() {
        let peers = vec![
            peer("a", LinkState::Own, &[1]),
            peer("b", LinkState::Stale, &[0, 2, 9]),
            peer("c", LinkState::None, &[0, 1]),
        ];
        let view = View { peers, ..View::default() };

        let edges = edges(&view);

        assert_eq!(edges, [((0, 1), "edge own stale"), ((1, 2), "edge")]);
    }

    #[test]
    fn all_of_a_large_network_is_within_a_phones_drawing() {
        let peers: Vec<PeerView> = (0..64)
            .map(|nth: i32| {
                let link = if nth == 0 { LinkState::Own } else { LinkState::Open };
                peer(&["Node ", &nth.to_string()].concat(), link, &[])
            })
            .collect();
        let view = View { peers, ..View::default() };

        let picture = Picture::of(&view, 343);

        assert_eq!(picture.nodes.len(), 64);
        let (width, height) = picture.size;
        assert!(picture.nodes.iter().all(|spot| (spot.radius..=width - spot.radius).contains(&spot.at.0)));
        assert!(picture.nodes.iter().all(|spot| (spot.radius..=height - spot.radius).contains(&spot.at.1)));
    }

    #[test]
    fn a_long_name_is_cut_at_a_letter() {
        assert_eq!(shortened("Ærlig Øystein Åse", 6), "Ærlig…");
        assert_eq!(shortened("Ada", 6), "Ada");
        assert_eq!(shortened("Ada", 0), "");
    }
}
