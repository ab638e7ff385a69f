//! Faults: what can go wrong with a call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Sandbox;

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It takes longer, then goes on.
    Delay(Duration),
    /// It is refused, without any effect.
    Error { status: u16, code: String, message: String },
    /// The connection breaks before it has an effect.
    CutBefore,
    /// The connection breaks after it has had its effect.
    CutAfter,
    /// It is never answered and has no effect.
    HangBefore,
    /// It has its effect and is never answered.
    HangAfter,
    /// That many of its entries, the first ones, fail without effect. Of `StopInstances`, that
    /// many ids are neither stopped nor mentioned.
    Entries { count: usize, code: String, sender_fault: bool },
    /// The world changes just before it has its effect.
    Run(Hook),
    /// The world changes after its answer is settled.
    RunAfter(Hook),
}

impl Fault {
    /// An AWS error; from status 500 on it is AWS's own fault.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("{code}, as injected");
        Self::Error { status, code: code.to_owned(), message }
    }

    #[must_use]
    pub fn run(hook: impl Fn(&Sandbox) + Send + Sync + 'static) -> Self {
        Self::Run(Hook(Arc::new(hook)))
    }

    #[must_use]
    pub fn run_after(hook: impl Fn(&Sandbox) + Send + Sync + 'static) -> Self {
        Self::RunAfter(Hook(Arc::new(hook)))
    }
}

/// A change of the world in the middle of a call.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn(&Sandbox) + Send + Sync>);

impl Hook {
    pub(super) fn run(&self, sandbox: &Sandbox) {
        (self.0)(sandbox);
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
