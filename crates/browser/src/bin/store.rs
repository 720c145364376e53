//! The store of files, in a Web Worker.

fn main() {
    manyhands_browser::store::serve::serve();
}
