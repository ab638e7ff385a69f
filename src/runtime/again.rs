//! Starts the program again in place of itself. A process cannot change its own environment while
//! other threads may read it, but it can choose the one of its successor.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process by the same program with the same arguments, which lacks these variables.
/// Its id stays the same. Returns only if that fails.
pub fn without(variables: &[OsString]) -> io::Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let (mut successor, mut arguments) = (Command::new(program), env::args_os());
    if let Some(name) = arguments.next() {
        successor.arg0(name);
    }
    for variable in variables {
        successor.env_remove(variable);
    }
    successor.args(arguments).exec()
}
