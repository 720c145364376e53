//! The page.

fn main() {
    manyhands_browser::page::open();
}
