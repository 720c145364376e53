//! The image: a program that needs nothing but the system's kernel, and the folder that is the whole root around it.
//!
//! `Dockerfile` copies this folder and nothing else into its last stage, which the test here looks at. So what runs in the
//! folder as its root runs in the image, and no engine for images is needed to know that.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::browsers::process::Process;

use crate::{build, commands, setup};

/// The most that the image may have, in bytes.
const IMAGE_BYTES_MAX: u64 = 30_000_000;
/// The folders that the program writes into: where its task is, and where nodes tell each other of a room.
const FOLDERS: [&str; 2] = ["data", "room"];
/// A task to begin with, where the person brings none.
const TASK: &str =
    "{ \"most_recent_counting_number_added\": 0, \"current_total\": 0, \"counting_number\": 100000000 }\n";
/// Who the program runs as: nobody in particular.
const USER: u32 = 65_532;
/// What the last stage of `Dockerfile` takes from the first.
const COPIED: &str = "COPY --from=build --chown=65532:65532 /manyhands/target/image/ /";
/// Far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Builds the static program, with the page that is in `dist/`, and the root around it.
pub(crate) fn build() -> Result<PathBuf> {
    setup::static_target()?;
    let mut cargo = commands::cargo(["build", "--release", "--package", "manyhands", "--target"]);
    cargo.arg(setup::STATIC_TARGET).env("CARGO_PROFILE_RELEASE_STRIP", "true");
    // The few parts in C ask nothing of their library that its headers would decide, so any compiler will do.
    if !commands::is_installed("musl-gcc") {
        cargo
            .env("CC_x86_64_unknown_linux_musl", "cc")
            .env("CFLAGS_x86_64_unknown_linux_musl", "-U_FORTIFY_SOURCE");
    }
    commands::run(&mut cargo)?;

    let root = build::target_folder().join("image");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("data/task.json"), TASK)?;
    let program = build::target_folder().join(setup::STATIC_TARGET).join("release/manyhands");
    fs::copy(program, root.join("manyhands"))?;
    Ok(root)
}

/// Runs the program in its image's root: it answers, and takes and gives a file.
pub(crate) fn test() -> Result<String> {
    check_dockerfile()?;
    if build::page_size().is_err() {
        setup::page()?;
        build::page()?;
    }
    let image = build()?;
    let bytes = fs::metadata(image.join("manyhands"))?.len();
    ensure!(bytes <= IMAGE_BYTES_MAX, "the image has {bytes} bytes, where {IMAGE_BYTES_MAX} is the most");

    // A copy, as the program leaves things behind in its root.
    let folder = tempfile::tempdir()?;
    let root = Root::copy(&image, &folder.path().join("root"))?;
    let begun = Instant::now();
    let mut host = Process::start(root.command(&[
        "host",
        "--port",
        "0",
        "--no-work",
        "--invite-file",
        "/room/link",
        "--json",
    ]))?;
    let port = host.wait_for_line("its port", PATIENCE, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listening").then(|| event["port"].as_u64()).flatten()
    })?;
    let url = format!("http://127.0.0.1:{port}");
    root.output(&["status", &url])?;
    let put = root.output(&["put", "/data/task.json", "--to", &url])?;
    let id = put.split_whitespace().next().context("no id")?;
    let got = root.output(&["get", id, "--from", &url, "-o", "-"])?;
    let task = fs::read_to_string(root.path.join("data/task.json"))?;
    ensure!(got == task, "what came back is not what was put:\n{got}\n{task}");
    ensure!(root.path.join("room/link").exists(), "the link was not written");
    let took = begun.elapsed();

    host.signal("TERM");
    let status = host.wait(PATIENCE)?;
    ensure!(status.code() == Some(0) || status.code() == Some(130), "the host ended with {status}");
    Ok(format!("{:.1} MB, a file put and fetched after {:.1} s", bytes as f64 / 1e6, took.as_secs_f64()))
}

/// That the image is made of the folder that is built here.
fn check_dockerfile() -> Result<()> {
    let text = fs::read_to_string(commands::root().join("Dockerfile")).context("Dockerfile")?;
    let (_, last) = text.rsplit_once("\nFROM ").context("Dockerfile has no stage")?;
    ensure!(last.starts_with("scratch"), "the last stage of Dockerfile is not FROM scratch");
    let copied: Vec<_> =
        last.lines().filter(|line| line.starts_with("COPY") || line.starts_with("ADD")).collect();
    ensure!(
        copied == [COPIED],
        "the last stage of Dockerfile copies {copied:?}, where the test knows {COPIED}"
    );
    ensure!(last.contains("ENTRYPOINT [\"/manyhands\"]"), "Dockerfile starts something else");
    ensure!(text.contains("RUN cargo xtask image"), "Dockerfile builds the root in another way");
    Ok(())
}

/// A root with nothing in it but what the image has.
struct Root {
    path: PathBuf,
    /// Whether this program may give folders away and become somebody else.
    is_superuser: bool,
}

impl Root {
    fn copy(image: &Path, path: &Path) -> Result<Self> {
        let id = commands::quiet(Command::new("id").arg("-u")).unwrap_or_default();
        let root = Self { path: path.to_owned(), is_superuser: id.trim() == "0" };
        for folder in FOLDERS {
            fs::create_dir_all(path.join(folder))?;
        }
        for file in ["data/task.json", "manyhands"] {
            fs::copy(image.join(file), path.join(file))?;
        }
        if root.is_superuser {
            for own in ["data", "data/task.json", "room"] {
                chown(path.join(own), Some(USER), Some(USER))?;
            }
        }
        Ok(root)
    }

    /// The program in this root, with an empty environment. Without a superuser's rights, a user namespace gives the right to
    /// change the root.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        if self.is_superuser {
            let user = USER.to_string();
            command.args(["--setgid", &user, "--setuid", &user]);
        } else {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--root").arg(&self.path).args(["--wd", "/data", "/manyhands"]).args(arguments);
        command.env("MANYHANDS_STATE", "/data").stdin(Stdio::null());
        command
    }

    fn output(&self, arguments: &[&str]) -> Result<String> {
        commands::output(&mut self.command(arguments))
    }
}
