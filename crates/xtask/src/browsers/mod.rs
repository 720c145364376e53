//! Real browsers, driven over WebDriver, and real hosts for them to visit.
//!
//! In reading order:
//!
//! 1. [`http`]: one request to a server on this machine.
//! 2. [`process`]: a program that ends when its handle is dropped, and what it wrote.
//! 3. [`driver`]: a browser: its driver (chromedriver or geckodriver), started on a free port, and one session.
//! 4. [`page`]: one window of a browser, and the party's page in it.
//! 5. [`party`]: the `manyhands` program as host and as friend.
//! 6. [`files`]: a file to put, and waiting for it.
//! 7. [`serve`]: a few files from memory, for pages that are not the party's.
//!
//! Everything blocks; tests that want two things at once use threads. Nothing waits for a fixed time: waiting is asking
//! again until the answer is the wanted one, with a deadline.

mod bidi;
pub mod driver;
pub mod files;
pub mod http;
pub mod page;
pub mod party;
pub mod process;
pub mod serve;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use driver::{Browser, Options};
pub use files::file_of_noise;
pub use page::Page;
pub use party::{Friend, Host};

/// Asks again and again until there is an answer.
///
/// # Errors
/// The error of `ask`, or that `what` did not come about within `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begun.elapsed() > patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}
