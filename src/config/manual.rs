//! What shells and `man` know of the flags and commands.

use std::io;

use clap_complete::Shell;
use clap_mangen::Man;

use super::read::whole;

/// The script that completes flags and commands in a shell.
#[must_use]
pub fn completion(shell: Shell) -> Vec<u8> {
    let mut command = whole();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// The manual page, as roff.
///
/// # Errors
/// None now: it is written into memory.
pub fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(whole()).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What bash offers after `custom-metrics-adapter WORD`.
    fn offered(word: &str) -> String {
        let script = String::from_utf8(completion(Shell::Bash)).unwrap();
        let asks = format!(
            "{script}\nCOMP_WORDS=(custom-metrics-adapter {word}); COMP_CWORD=1\n\
             set -- $(complete -p custom-metrics-adapter); while [ $1 != -F ]; do shift; done\n\
             $2 custom-metrics-adapter {word} custom-metrics-adapter\necho ${{COMPREPLY[@]}}"
        );
        let ended = Command::new("bash").args(["--norc", "-c", &asks]).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn bash_completes_flags_and_commands() {
        assert_eq!(offered("--scrape-int"), "--scrape-interval");
        assert_eq!(offered("expl"), "explain");
        assert_eq!(offered("--log-f"), "--log-format");
    }

    #[test]
    fn every_shell_and_the_manual_page_know_every_flag() {
        let command = whole();
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                let script = String::from_utf8(completion(shell)).unwrap();
                assert!(script.contains(flag), "{shell}: {flag}");
            }
            let roff = String::from_utf8(page().unwrap()).unwrap();
            assert!(roff.contains(&flag.replace('-', "\\-")), "{flag}");
            assert!(roff.contains("Puts any number in front of the Kubernetes Horizontal Pod Autoscaler"));
        }
    }
}
