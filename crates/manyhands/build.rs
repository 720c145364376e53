//! Makes the folder of the built page exist, so that the program builds without a page and notices a new one.

fn main() {
    // The page is embedded from here; an absent folder would make every build of the program start afresh, as cargo
    // cannot watch what is not there. Where it cannot be made, the program is built without a page all the same.
    let _ = std::fs::create_dir_all("../../dist");
    println!("cargo::rerun-if-changed=../../dist");
}
