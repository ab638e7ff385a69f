//! The sandbox of a trial, as this process sees it: a process of its own, so that its CPU time is
//! not counted as the contender's.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::case::Scene;
use crate::evidence::Evidence;

/// The addresses that a contender needs of the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Access {
    pub endpoint: String,
    pub region: String,
    pub queue_url: String,
    pub topic_arn: String,
}

pub struct Aws {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub access: Access,
}

impl Aws {
    /// Starts a sandbox process, and waits until it has prepared the scenes and sent its addresses.
    pub fn open(scenes: &[Scene]) -> anyhow::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["--sandbox", &serde_json::to_string(scenes)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sandbox")?;
        let commands = process.stdin.take().context("the sandbox has no stdin")?;
        let answers = process.stdout.take().context("the sandbox has no stdout")?;
        let mut answers = BufReader::new(answers);
        let access = read(&mut answers)?;
        Ok(Self { process, commands, answers, access })
    }

    /// Lets the sandbox send the events of the next scene, and waits until all are settled or the
    /// time limit is reached.
    pub fn go(&mut self) -> anyhow::Result<Evidence> {
        writeln!(self.commands, "go").context("cannot tell the sandbox to go")?;
        read(&mut self.answers)
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn read<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> anyhow::Result<T> {
    let mut line = String::new();
    let length = answers.read_line(&mut line).context("cannot read from the sandbox")?;
    ensure!(length > 0, "the sandbox ended early");
    serde_json::from_str(&line).context("cannot read the answer of the sandbox")
}
