//! The sides of the room that not everybody looks at.

fn main() {
    manyhands_browser::sides::run();
}
