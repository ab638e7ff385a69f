//! A terminal that closes: `run` drains and ends, instead of going on without it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Launch;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::program::{BINARY, Served, program, serve, signal};

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The program at a terminal that `script` makes, and a file with its log.
struct AtTerminal {
    /// Holds the terminal open.
    script: Child,
    log: PathBuf,
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.log));
    }
}

impl AtTerminal {
    fn start(served: &Served, name: &str) -> Self {
        let log = std::env::temp_dir().join(format!("{name}-{}.log", std::process::id()));
        let mut script = Command::new("script");
        let command = format!("exec {BINARY} run >{} 2>&1", log.display());
        script.args(["--quiet", "--command", &command, "/dev/null"]).env_clear();
        let of_program = program(served);
        let variables = of_program.as_std().get_envs();
        script.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        script.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::null());
        Self { script: script.kill_on_drop(true).spawn().unwrap(), log }
    }

    /// Waits until the log has this text.
    async fn until_logged(&self, text: &str) -> String {
        let logged = timeout(TIME_LIMIT, async {
            loop {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                if log.contains(text) {
                    return log;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        logged.await.unwrap_or_else(|_| panic!("{text} is not logged"))
    }
}

#[tokio::test]
async fn a_terminal_that_closes_has_the_daemon_drain() {
    let served = serve().await;
    let id = served.aws.launch(Launch::default());
    let program = AtTerminal::start(&served, "closed-terminal");
    served.aws.until("it is announced", |aws| !aws.notices().is_empty()).await;
    signal(&program.script, "KILL");
    let log = program.until_logged("\"drained\"").await;
    assert!(log.contains("\"SIGHUP\"") && log.contains(&id), "{log}");
    assert!(!log.contains("re-read the settings"), "{log}");
    assert!(!log.contains("ending at once"), "{log}");
}
