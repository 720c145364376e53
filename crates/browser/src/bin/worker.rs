//! One thread lent to the room, in a Web Worker. It cannot search primes: `searcher` can.

fn main() {
    manyhands_browser::serve::serve(manyhands_jobs::Worker::without_search());
}
