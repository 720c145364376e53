//! One thread lent to a room that searches primes, in a Web Worker.

fn main() {
    manyhands_browser::measure::answer();
    manyhands_browser::serve::serve(manyhands_jobs::Worker::new());
}
