//! The wasm driver of the core: the page that friends open, and its workers.
//!
//! Several programs are built from this crate. `app` is the page: [`run`] wires the core's [`Node`](manyhands_core::Node) to
//! what a browser offers, and [`page`] draws it. `worker` is one thread lent to the room: [`serve`] runs the kernels; where the
//! room searches primes, `searcher` is, which has the search's kernel too. `store` keeps files, and is loaded only when there are
//! any: [`store`]. `sides` and `simulator` are loaded when somebody opens them: [`sides`] and [`simulator`]; what the page offers
//! to them is in [`bridge`]. The modules, from what a driver waits for to what a person sees:
//!
//! 1. [`clock`] and [`listen`]: the time, event listeners and timeouts that end when they are dropped.
//! 2. [`link`] with [`channel`]: one `RTCPeerConnection` with its data channels, each with a bounded queue.
//! 3. [`signaling`]: the WebSocket, opened again with back-off; [`json`]: what goes over it.
//! 4. [`workers`] and [`serve`]: the pool of Web Workers, and what runs in one; [`measure`]: how fast one is.
//! 5. [`timer`] and [`awake`]: timeouts that hidden tabs do not slow down, and a lock against being frozen.
//! 6. [`storage`]: the key of this tab, which survives a reload and is never in two tabs at once.
//! 7. [`database`] and [`memory`]: the job and its ledger, kept from one page to the next.
//! 8. [`store`]: files, kept likewise.
//! 9. [`run`]: the loop. 10. [`page`]: what a person sees.
//!
//! No decision of the protocol is taken here.

pub mod awake;
pub mod bridge;
pub mod channel;
pub mod clock;
pub mod database;
pub mod json;
pub mod link;
pub mod listen;
pub mod measure;
pub mod memory;
pub mod page;
pub mod run;
pub mod serve;
pub mod sides;
pub mod signaling;
pub mod simulator;
pub mod storage;
pub mod store;
pub mod timer;
pub mod workers;
