//! Shell completions and the man page, both made from the command line itself, and the settings.

use std::io::{self, Write};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::manual::{CHAPTERS, Chapter};
use crate::cli::{Arguments, Generated, output};
use crate::settings;

/// Prints what is asked for.
///
/// # Errors
/// If stdout does not take it.
pub fn print(generated: &Generated) -> anyhow::Result<()> {
    let text = match generated {
        Generated::Completions { shell } => completions(*shell),
        Generated::Config => settings::defaults().as_bytes().to_vec(),
        Generated::Man => man().context("cannot write the man page")?,
    };
    output::print(text)
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, &*name, &mut text);
    if shell == Shell::Bash { reached(&name, &text) } else { text }
}

/// The completions for bash with every subcommand in reach. Where the generator says which one is
/// completed, it writes the hyphens of the program's name as two underscores; where it looks that
/// up, it takes them for the gaps between subcommands.
fn reached(name: &str, text: &[u8]) -> Vec<u8> {
    let (looked_up, said) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    String::from_utf8_lossy(text).replace(&looked_up, &said).into_bytes()
}

/// One page for all: the subcommands and their options follow each other, since a page for each
/// would have to be installed by hand.
fn man() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let page = Man::new(command.clone());
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    sections(&command, "", &mut text)?;
    CHAPTERS.iter().try_for_each(|chapter| section(chapter, &mut text))?;
    page.render_version_section(&mut text)?;
    Ok(text)
}

/// Writes a chapter as a section. A backslash, and a point at the beginning of a line, mean
/// something to roff.
fn section(chapter: &Chapter, text: &mut Vec<u8>) -> io::Result<()> {
    let plain = |line: &str| line.replace('\\', "\\e").replace('-', "\\-");
    writeln!(text, ".SH \"{}\"", chapter.heading.to_uppercase())?;
    for (term, meaning) in chapter.entries {
        writeln!(text, ".TP\n\\fB{}\\fR\n\\&{}", plain(term), plain(meaning))?;
    }
    Ok(())
}

/// Writes a section for each subcommand, and for those under it.
fn sections(command: &Command, above: &str, text: &mut Vec<u8>) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        let name = format!("{above}{} ", subcommand.get_name());
        writeln!(text, ".SH \"{}\"", name.trim_end().to_uppercase())?;
        let page = Man::new(subcommand.clone());
        let mut parts = Vec::new();
        page.render_synopsis_section(&mut parts)?;
        page.render_description_section(&mut parts)?;
        page.render_options_section(&mut parts)?;
        // Sections within a section.
        let parts = String::from_utf8_lossy(&parts).replace(".SH ", ".SS ");
        text.extend_from_slice(parts.as_bytes());
        sections(subcommand, &name, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn subcommands() -> Vec<String> {
        let command = Arguments::command();
        command.get_subcommands().map(|one| one.get_name().to_owned()).collect()
    }

    #[test]
    fn the_completions_of_every_shell_name_every_subcommand() {
        for shell in Shell::value_variants() {
            let text = String::from_utf8(completions(*shell)).unwrap();
            for name in subcommands() {
                assert!(text.contains(&name), "{shell} does not complete {name}");
            }
        }
    }

    #[test]
    fn the_man_page_has_a_section_for_every_subcommand_and_names_its_options() {
        let text = String::from_utf8(man().unwrap()).unwrap();
        for name in subcommands() {
            assert!(text.contains(&format!("\n.SH \"{}\"\n", name.to_uppercase())), "{name}");
        }
        assert!(text.contains("\n.SH \"GENERATE COMPLETIONS\"\n"), "{text}");
        for chapter in ["ENVIRONMENT", "FILES", "EXIT CODES", "EXAMPLES"] {
            assert!(text.contains(&format!("\n.SH \"{chapter}\"\n.TP\n")), "{chapter}");
        }
        assert!(text.contains("\\-\\-instance"), "{text}");
    }
}
