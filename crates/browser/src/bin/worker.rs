//! One thread lent to the room, in a Web Worker.

fn main() {
    manyhands_browser::serve::serve();
}
