//! Faults: what a test can let go wrong with a call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Sandbox;

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call takes longer.
    Delay(Duration),
    /// The call is answered with an error and has no effect.
    Error { status: u16, code: String, message: String },
    /// The connection breaks, and the call has no effect.
    CutBefore,
    /// The connection breaks after the call has had its effect.
    CutAfter,
    /// The call has its effect, and its answer, if it is no error, ends after so many bytes, the
    /// last one being lost at least. Its length is announced as if it were whole.
    CutAnswer { bytes: usize },
    /// The call is never answered and has no effect.
    HangBefore,
    /// The call has its effect and is never answered.
    HangAfter,
    /// The first `count` entries of a batch fail without effect. With `StopInstances`, the first
    /// `count` instances are neither stopped nor in the answer.
    Entries { count: usize, code: String, sender_fault: bool },
    /// A describing call of EC2 answers with what was this long ago, as where it lags behind a
    /// change.
    Lag(Duration),
    /// The hook runs just before the call has its effect.
    Run(Hook),
    /// The hook runs after the effect, when the answer is fixed but not yet sent.
    RunAfter(Hook),
}

impl Fault {
    /// An error of AWS. A status of 500 or above makes it the service's fault, a lower one the
    /// caller's.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("{code}, as injected");
        Self::Error { status, code: code.to_owned(), message }
    }

    /// Calls a function just before the effect.
    #[must_use]
    pub fn run(hook: impl Fn(&Sandbox) + Send + Sync + 'static) -> Self {
        Self::Run(Hook(Arc::new(hook)))
    }

    /// Calls a function after the effect, before the answer is sent.
    #[must_use]
    pub fn run_after(hook: impl Fn(&Sandbox) + Send + Sync + 'static) -> Self {
        Self::RunAfter(Hook(Arc::new(hook)))
    }
}

/// A function that changes the sandbox in the middle of a call.
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
