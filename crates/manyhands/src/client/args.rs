//! The command lines of `put`, `get` and `ls`.

use std::path::PathBuf;

use clap::Args;

/// Where a node is, unless told otherwise.
const HERE: &str = "http://127.0.0.1:8080";

/// What to put.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands put photo.jpg                           through the node on this machine, to everybody in the room
  manyhands put *.txt --set \"my notes\"              several files are a set, which get fetches at once
  manyhands put -r folder                           all files in a folder, named with their place in it
  date | manyhands put - --name now.txt
  manyhands put a.txt --to http://192.168.1.7:8080  through a friend's node that was started with --open-files

Prints the id of each file, then its name; of several files also the id of the set. The same file has the same id, whoever puts it.
If one file of several is refused, none is put.")]
pub(crate) struct PutArgs {
    /// The files; - for the standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The address of the node to put them through; an invite link will do
    #[arg(long, value_name = "URL", default_value = HERE, env = "MANYHANDS_URL")]
    pub(crate) to: String,
    /// What others see the file called [default: the file's own name, without its folder]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Its media type, such as text/plain [default: what the name suggests]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    /// What the set of several files is called
    #[arg(long, value_name = "NAME")]
    pub(crate) set: Option<String>,
    /// Put all files in folders, too
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to fetch.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands get photo.jpg                           by its name, into this folder
  manyhands get 3fa94c                              by its id, or the beginning of it
  manyhands get notes.txt -o - | less
  manyhands get SET -o folder                       all files of a set, into a folder
  manyhands get a.txt --from http://192.168.1.7:8080

What is not yet on the node is fetched from the room. A file is written under another name until it is whole; nothing is
overwritten without --force. What strangers call their files is never taken for a path.")]
pub(crate) struct GetArgs {
    /// The id of a file or a set, at least 6 digits of it, or its name
    #[arg(value_name = "ID|NAME")]
    pub(crate) which: String,
    /// Where to write it: a file, a folder, or - for the standard output [default: its name, in this folder]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite what is there: a file, also one that a link leads to; a device or a pipe is written into
    #[arg(short, long)]
    pub(crate) force: bool,
    /// The address of the node to fetch it through; an invite link will do
    #[arg(long, value_name = "URL", default_value = HERE, env = "MANYHANDS_URL")]
    pub(crate) from: String,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands ls
  manyhands ls --sets --json
  manyhands ls --name a.txt --from http://192.168.1.7:8080

HERE is how much of the file is on the node, PEERS how many have all of it.")]
pub(crate) struct LsArgs {
    /// List the sets of files instead
    #[arg(long)]
    pub(crate) sets: bool,
    /// Only files of exactly this name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The address of the node to ask; an invite link will do
    #[arg(long, value_name = "URL", default_value = HERE, env = "MANYHANDS_URL")]
    pub(crate) from: String,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
