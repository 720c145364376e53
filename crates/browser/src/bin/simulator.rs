//! The simulator: what is seen of it, and in a Web Worker what is computed.

fn main() {
    manyhands_browser::simulator::run();
}
