//! Flags before the command, as in `kubectl podidentity -n shop status`, which kubectl accepts
//! before its own commands.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

/// Moves the flags that stand before the command to the position after it. The command is the first
/// word that names a command and has only complete flags of that command before it. If there is no
/// such word, nothing is moved, and clap reports the error.
pub(crate) fn command_first(root: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let is_command = |at: &usize| {
        let command = words[*at].to_str().and_then(|name| root.find_subcommand(name));
        command.is_some_and(|command| are_flags_of(command, &words[1..*at]))
    };
    let Some(at) = (2..words.len()).find(is_command) else { return words };
    let mut ordered = words;
    ordered[1..=at].rotate_right(1);
    ordered
}

/// Whether these words are flags of the command, each with its value.
fn are_flags_of(command: &Command, words: &[OsString]) -> bool {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match needs_value(command, word) {
            Some(true) if words.next().is_none() => return false,
            Some(_) => {}
            None => return false,
        }
    }
    true
}

/// Whether the next word is the value of this flag. `None` if the command has no such flag.
fn needs_value(command: &Command, word: &OsStr) -> Option<bool> {
    let word = word.to_str()?;
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        return Some(value.is_none() && takes_the_next_word(arg));
    }
    let short = word.strip_prefix('-')?;
    let arg = command.get_arguments().find(|arg| arg.get_short() == short.chars().next())?;
    Some(short.chars().count() == 1 && takes_the_next_word(arg))
}

fn takes_the_next_word(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::command::Cli;

    fn ordered(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words = command_first(&Cli::command(), words);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_go_behind_the_command() {
        for (line, expected) in [
            ("k -n shop status", "k status -n shop"),
            ("k --namespace=shop --context prod status -w", "k status --namespace=shop --context prod -w"),
            ("k -nshop -A status web", "k status -nshop -A web"),
            ("k -n status status", "k status -n status"),
            ("k --require-grants -n shop explain deploy/web", "k explain --require-grants -n shop deploy/web"),
            ("k -f manifests lint", "k lint -f manifests"),
        ] {
            assert_eq!(ordered(line), expected);
        }
    }

    #[test]
    fn what_is_no_flag_of_the_command_stays_where_it_is() {
        for line in
            ["k", "k status", "k -h", "k --version", "k --unknown status", "k -n", "k -n status", "k -f x status"]
        {
            assert_eq!(ordered(line), line);
        }
    }
}
