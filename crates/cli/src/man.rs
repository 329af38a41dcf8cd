//! Manual pages, one for each command, with the same text as `--help`.

use std::collections::BTreeMap;
use std::io;

use clap::{Command, CommandFactory as _};

/// The pages by file name, for example `kubectl-podidentity-status.1`.
pub(crate) fn pages() -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut pages = BTreeMap::new();
    let mut root = crate::command::Cli::command().disable_help_subcommand(true);
    root.build();
    add(&root, "kubectl-podidentity", &mut pages)?;
    for subcommand in root.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        add(subcommand, &format!("kubectl-podidentity-{}", subcommand.get_name()), &mut pages)?;
    }
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).section("1");
    man.render(&mut page)?;
    pages.insert(format!("{name}.1"), page);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_pages_of_the_repository_are_those_of_the_commands() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
        let pages = pages().unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for (name, page) in &pages {
                fs::write(folder.join(name), page).unwrap();
            }
        }
        for (name, page) in &pages {
            let stored = fs::read(folder.join(name)).unwrap_or_default();
            assert!(stored == *page, "docs/man/{name} is stale: UPDATE=1 cargo test -p kubectl-podidentity man");
        }
        let stored = fs::read_dir(&folder).unwrap().count();
        assert_eq!(stored, pages.len(), "docs/man has pages of commands that are gone");
    }
}
