//! Measures the transform: to come with the fast one.

fn main() {}
