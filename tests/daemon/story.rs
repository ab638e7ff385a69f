//! The story that `sandbox --story` plays: it is told as it happened.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ec2_policy_enforcer::story::{self, Pace};

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_story_goes_from_a_dry_run_to_an_undone_mistake() {
    let told = Told::default();
    story::play(Pace::AT_ONCE, Box::new(told.clone())).unwrap();
    let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    for line in [
        "It would have stopped 2 of them",
        "EC2 api violates builtin",
        "EC2 report will be stopped at",
        "EC2 report will NOT be stopped",
        "12:00  -> notice to the owner: EC2 training Stopped",
        "5 of the 30 are stopped",
        "hold/123456789012/us-east-1 = ",
        "5 instances were started.",
        "30 of the 30",
        "The day is over: 1 instance is stopped (training)",
        "0 messages are left",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&told).contains(&words(line)), "{line}\n{told}");
    }
    // What `undo` prints is as wide as it is; the story itself fits a terminal.
    let own = told.lines().filter(|line| !line.starts_with("  |"));
    assert_eq!(own.filter(|line| line.len() > 80).collect::<Vec<_>>(), Vec::<&str>::new());
}
