//! `labgate man`: one page about all commands, as their help has it. Packages need no further pages.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

/// Writes the page as troff.
pub(super) fn run(mut command: Command, out: &mut dyn Write) -> io::Result<()> {
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in leaves(&command) {
        add(&mut roff, &command);
    }
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(EXITS)]);
    roff.to_writer(out)
}

/// A command that does something, in the form of its help.
fn add(roff: &mut Roff, command: &Command) {
    let name = command.get_bin_name().unwrap_or_default();
    roff.control("SS", [name]);
    roff.control("nf", []);
    let help = command.clone().term_width(WIDTH).render_help().to_string();
    for line in help.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// Those below it that have none below themselves, but for what is hidden and help about help.
fn leaves(command: &Command) -> Vec<Command> {
    let shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    let mut found = Vec::new();
    for below in command.get_subcommands().filter(shown) {
        if below.has_subcommands() {
            found.extend(leaves(below));
        } else {
            found.push(below.clone());
        }
    }
    found
}

const EXITS: &str = "0 done; 1 not done, or failed on the way; 64 arguments that cannot be; 78 a \
                     configuration that has to be mended.";
/// Beside the indent of a section there are 80 columns in all.
const WIDTH: usize = 72;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn the_page_has_every_command_with_its_options_and_no_other_page() {
        let mut page = Vec::new();
        run(Arguments::command(), &mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        for part in [
            "labgate serve",
            "labgate user add",
            "labgate session revoke",
        ] {
            assert!(
                page.contains(&format!(".SS \"{part}\"\n")),
                "{part}: {page}"
            );
        }
        assert!(page.contains("--password-stdin") && page.contains("--origin"));
        assert!(
            !page.contains("supervise") && !page.contains("(1)"),
            "{page}"
        );
    }
}
