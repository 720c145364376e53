//! Building the page, and the program with the page inside.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use zopfli::{Format, Options};

use crate::{commands, setup};

/// The most that a friend's browser may have to download before it can lend a hand, compressed, in bytes.
pub(crate) const PAGE_BYTES_MAX: u64 = 350_000;

/// What a page loads only when there are files, when the job is a search, or when somebody opens the side of the room that it
/// draws: no part of its first download.
const LATER: [&str; 4] = ["store", "searcher", "simulator", "sides"];

/// How often the compressor goes over a file: more gains nothing that can be seen, and takes longer (measured).
const PATIENCE: NonZeroU64 = NonZeroU64::new(5).expect("five is not zero");

/// Builds everything and returns where the program is.
pub(crate) fn program() -> Result<PathBuf> {
    setup::page()?;
    page()?;
    commands::run(&mut commands::cargo(["build", "--release", "--package", "manyhands"]))?;
    Ok(target_folder().join("release/manyhands"))
}

/// Builds the page into `dist/`, each file beside its compressed form.
pub(crate) fn page() -> Result<()> {
    // Trunk works offline, as it would otherwise look for tools of its own on the network; what it compiles must be there.
    commands::run(&mut commands::cargo(["fetch", "--locked"]))?;
    commands::run(commands::program("trunk").args([
        "build",
        "--release",
        "--cargo-profile",
        "web",
        "--offline",
        "--skip-version-check",
    ]))?;
    for worker in ["worker"].into_iter().chain(LATER) {
        name_by_content(&dist(), worker)?;
    }
    for file in files(&dist())? {
        if file
            .extension()
            .is_some_and(|extension| ["html", "css", "js"].iter().any(|text| extension == *text))
        {
            let text = fs::read_to_string(&file)?;
            fs::write(&file, without_comments(&text))?;
        }
        if is_compressible(&file) {
            compress(&file).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

/// The text without comments that have lines of their own, and without indentation: browsers need neither. No text of ours or
/// of the bindings goes over several lines.
fn without_comments(text: &str) -> String {
    let (mut kept, mut end) = (String::new(), None);
    for line in text.lines().map(str::trim_start) {
        let begun = [("/*", "*/"), ("<!--", "-->")].into_iter().find(|(begin, _)| line.starts_with(begin));
        let Some(mark) = end.or(begun.map(|(_, end)| end)) else {
            if !line.is_empty() && !line.starts_with("//") {
                kept.extend([line, "\n"]);
            }
            continue;
        };
        end = match line.split_once(mark) {
            Some((_, "")) => None,
            Some((_, rest)) => {
                kept.extend([rest, "\n"]);
                None
            }
            None => Some(mark),
        };
    }
    kept
}

/// Gives a worker's files names that hold their hash, as trunk gives them to all others, so that browsers keep them for ever:
/// first what is loaded, then the loader that names it, last the page that names the loader.
fn name_by_content(dist: &Path, worker: &str) -> Result<()> {
    let [wasm, script, loader] =
        ["_bg.wasm", ".js", "_loader.js"].map(|rest| dist.join(format!("{worker}{rest}")));
    let wasm_name = hashed_name(worker, "_bg.wasm", &fs::read(&wasm).context("a worker's wasm")?);
    let script_name = hashed_name(worker, ".js", &fs::read(&script).context("a worker's script")?);
    fs::rename(wasm, dist.join(&wasm_name))?;
    fs::rename(script, dist.join(&script_name))?;

    let text = fs::read_to_string(&loader).context("a worker's loader")?;
    let text = replaced(&text, &format!("./{worker}.js"), &format!("./{script_name}"))?;
    let text = if text.starts_with("import ") {
        // A module finds its wasm by its own name, which is another now.
        replaced(&text, "init()", &format!("init('./{wasm_name}')"))?
    } else {
        replaced(&text, &format!("./{worker}_bg.wasm"), &format!("./{wasm_name}"))?
    };
    let loader_name = hashed_name(&format!("{worker}_loader"), ".js", text.as_bytes());
    fs::write(dist.join(&loader_name), text)?;
    fs::remove_file(loader)?;

    let index = dist.join("index.html");
    let html = fs::read_to_string(&index).context("index.html")?;
    let named = format!("content=\"{worker}_loader.js\"");
    let html = replaced(&html, &named, &format!("content=\"{loader_name}\""))?;
    fs::write(index, html)?;
    Ok(())
}

/// `worker-5e3c1a90b7d24f86.js`: 64 bits are plenty to tell two builds apart.
fn hashed_name(stem: &str, rest: &str, content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{stem}-{:016x}{rest}", hasher.finish())
}

/// The text with `old`, which must be in it once, replaced.
fn replaced(text: &str, old: &str, new: &str) -> Result<String> {
    ensure!(
        text.matches(old).count() == 1,
        "{old} should be there once, which trunk may have changed: {text}"
    );
    Ok(text.replace(old, new))
}

/// The size of the page's first download, and a line for each file, also of what is loaded later: compressed, in bytes.
pub(crate) fn page_size() -> Result<(u64, Vec<(String, u64)>)> {
    let (mut sizes, mut total) = (Vec::new(), 0);
    for file in files(&dist())? {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        if matches!(&*extension, "wasm" | "js" | "css" | "html") {
            let name = file.strip_prefix(dist())?.display().to_string();
            let bytes = fs::metadata(compressed(&file))?.len();
            if !LATER.iter().any(|later| name.starts_with(later)) {
                total += bytes;
            }
            sizes.push((name, bytes));
        }
    }
    ensure!(!sizes.is_empty(), "there is no page in {}", dist().display());
    Ok((total, sizes))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| commands::root().join("target"), PathBuf::from)
}

fn dist() -> PathBuf {
    commands::root().join("dist")
}

/// All files in a folder and the folders in it, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether it gains by compression: pictures are compressed already.
fn is_compressible(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    !matches!(&*extension, "gz" | "png" | "ico" | "woff2")
}

fn compressed(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

fn compress(file: &Path) -> Result<()> {
    let options = Options { iteration_count: PATIENCE, ..Options::default() };
    let mut gzip = Vec::new();
    zopfli::compress(options, Format::Gzip, fs::read(file)?.as_slice(), &mut gzip)?;
    fs::write(compressed(file), gzip)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_all_else_stays() {
        let text = "a;\n  // one\n  /* two\n   * lines */\n\n  b(\"//\"); // c\n<!-- d --><p>\n/* e */\nf";

        assert_eq!(without_comments(text), "a;\nb(\"//\"); // c\n<p>\nf\n");
    }

    #[test]
    fn a_file_is_compressed_beside_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        fs::write(&file, "many hands ".repeat(100)).unwrap();

        compress(&file).unwrap();

        let sizes = files(folder.path()).unwrap();
        assert_eq!(sizes, [file.clone(), folder.path().join("page.html.gz")]);
        assert!(fs::metadata(&sizes[1]).unwrap().len() < 100);
        assert!(is_compressible(&sizes[0]) && !is_compressible(&sizes[1]));
    }

    #[test]
    fn the_workers_files_are_named_by_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("worker.js", "script");
        write("worker_bg.wasm", "wasm");
        write("worker_loader.js", r#"importScripts("./worker.js");wasm_bindgen("./worker_bg.wasm");"#);
        write("index.html", r#"<meta name="worker" content="worker_loader.js">"#);

        name_by_content(folder.path(), "worker").unwrap();

        let names: Vec<String> = files(folder.path())
            .unwrap()
            .iter()
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let [index, script, wasm, loader] = &names[..] else { panic!("{names:?}") };
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(index, "index.html");
        assert!(read(index).contains(&format!("content=\"{loader}\"")));
        assert!(
            read(loader).contains(&format!("(\"./{script}\")"))
                && read(loader).contains(&format!("(\"./{wasm}\")"))
        );
        assert_eq!(read(script), "script");

        // A program that is a module has another loader.
        write("sides.js", "module");
        write("sides_bg.wasm", "more");
        write("sides_loader.js", "import init from './sides.js';await init();");
        write("index.html", r#"<meta name="sides" content="sides_loader.js">"#);
        name_by_content(folder.path(), "sides").unwrap();
        let html = read("index.html");
        let loader = read(html.split('"').nth(3).unwrap());
        assert!(loader.starts_with("import init from './sides-") && loader.contains("init('./sides-"));
        assert_ne!(hashed_name("a", "", b"one"), hashed_name("a", "", b"two"));
    }
}
