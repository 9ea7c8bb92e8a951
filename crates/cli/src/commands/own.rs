//! `completions` and `man`: made from what can be typed, so neither can drift from it.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::aot;
use clap_mangen::Man;
use countersign_files::{self as files, Readers};

use crate::args::{self, Shell};
use crate::failure::Failure;
use crate::output::{print, print_data};
use crate::system;

const NAME: &str = "countersign";

pub(super) fn completions(args: &args::Completions) -> Result<(), Failure> {
    let shell = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
        Shell::Pwsh => aot::Shell::PowerShell,
    };
    let mut script = Vec::new();
    aot::generate(shell, &mut args::command(), NAME, &mut script);
    print_data(&script)
}

pub(super) fn man(args: &args::Man) -> Result<(), Failure> {
    // Its pages would say what `help` says of itself, once for each group of commands.
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.out else {
        return print_data(&page(command)?.1);
    };
    fs::create_dir_all(folder).map_err(|error| Failure::of_file("create", folder, &error))?;
    let count = write_all(&command, folder)?;
    print(&format!("{count} pages written to {}\n", folder.display()))
}

/// The page of a command and of those below it; how many there are.
fn write_all(command: &Command, folder: &Path) -> Result<usize, Failure> {
    let (name, bytes) = page(command.clone())?;
    files::write(&folder.join(name), &bytes, Readers::Everybody, &*system::random())?;
    let below = command.get_subcommands().filter(|one| !one.is_hide_set());
    below.map(|one| write_all(one, folder)).sum::<Result<usize, _>>().map(|count| count + 1)
}

/// File name and bytes.
fn page(command: Command) -> io::Result<(String, Vec<u8>)> {
    let man = Man::new(command).manual("countersign");
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    Ok((man.get_filename(), bytes))
}
