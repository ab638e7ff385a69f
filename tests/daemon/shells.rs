//! The completions in real shells. A shell that is not there is skipped with a message, unless
//! `SHELLS_REQUIRED` is set, as in the whole check.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::program::BINARY;

/// What is typed, with the cursor at its end, and some of what is offered there.
const LINES: [(&str, &[&str]); 9] = [
    ("ec2-policy-enforcer ", &["run", "check", "healthcheck", "sandbox", "generate"]),
    ("ec2-policy-enforcer he", &["healthcheck", "help"]),
    ("ec2-policy-enforcer check --", &["--config", "--instance", "--json"]),
    ("ec2-policy-enforcer sandbox --", &["--serve", "--port", "--instances"]),
    ("ec2-policy-enforcer policy ", &["check", "schema", "test", "diff"]),
    ("ec2-policy-enforcer policy test --", &["--config", "--junit", "--require"]),
    ("ec2-policy-enforcer explain --", &["--config", "--facts", "--region", "--json"]),
    ("ec2-policy-enforcer generate ", &["completions", "config", "man"]),
    ("ec2-policy-enforcer generate completions --shell ", &["bash", "zsh", "fish"]),
];

/// Calls the function that `complete` names, as bash does at a tab.
const BASH: &str = r#"
source "$1"
line=$2
read -ra COMP_WORDS <<<"$line"
[[ $line == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p ec2-policy-enforcer | sed 's/.* -F \([^ ]*\) .*/\1/')
"$function" ec2-policy-enforcer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Lists by Ctrl-D what a shell in a terminal of its own offers, until it says nothing more.
const ZSH: &str = r#"
zmodload zsh/zpty
TERM=vt100 zpty inner zsh -f -i
send() { zpty -w inner "$1" }
send "unsetopt zle_bracketed_paste beep; LISTMAX=1000; stty columns 200 lines 100"
send "autoload -U compinit; compinit -u -D; source '$1'; bindkey '^D' list-choices"
# The line editor takes keys from the prompt on. What is typed here does not look like it.
send "PS1='re%{%}ady> '"
zpty -r inner shown '*ready> *' || exit 1
zpty -w -n inner "$2"$'\x04'
# No description has this word.
zpty -w -n inner $'\x15'"echo end''oflist"$'\n'
zpty -r inner shown '*endoflist*' || exit 1
print -r -- "$shown"
zpty -d inner
"#;

const FISH: &str = r#"
source $argv[1]
complete --do-complete "$argv[2]"
"#;

fn is_missing(shell: &str) -> bool {
    let found = Command::new(shell).arg("-c").arg("exit").stdin(Stdio::null()).status();
    let is_missing = found.is_err();
    assert!(!is_missing || std::env::var_os("SHELLS_REQUIRED").is_none(), "there is no {shell}");
    if is_missing {
        eprintln!("skipped: there is no {shell} on this machine");
    }
    is_missing
}

/// Expects what `shell` offers for each line, asked by its `script`.
fn assert_completes(shell: &str, options: &[&str], script: &str) {
    if is_missing(shell) {
        return;
    }
    let text = Command::new(BINARY)
        .args(["generate", "completions", "--shell", shell])
        .env_clear()
        .output()
        .unwrap()
        .stdout;
    let path = std::env::temp_dir().join(format!("completions-{shell}-{}", std::process::id()));
    std::fs::File::create(&path).unwrap().write_all(&text).unwrap();
    let mut lacking = Vec::new();
    for (line, offered) in LINES {
        let mut asked = Command::new(shell);
        asked.args(options).arg("-c").arg(script);
        if shell != "fish" {
            asked.arg(shell);
        }
        let asked = asked.arg(&path).arg(line).stdin(Stdio::null()).output().unwrap();
        let shown = String::from_utf8_lossy(&asked.stdout).into_owned();
        // A terminal's escapes and padding stand beside the words.
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let words: Vec<_> = shown.split(|letter| !is_part(letter)).collect();
        let missing = offered.iter().filter(|word| !words.contains(*word));
        lacking.extend(missing.map(|word| format!("{line:?} offers no {word}: {words:?}")));
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lacking, [""; 0]);
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    assert_completes("bash", &["--noprofile", "--norc"], BASH);
}

#[test]
fn zsh_completes_subcommands_options_and_values() {
    assert_completes("zsh", &["-f"], ZSH);
}

#[test]
fn fish_completes_subcommands_options_and_values() {
    assert_completes("fish", &["--no-config"], FISH);
}
