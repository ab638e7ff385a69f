//! Tests of the daemon against the sandbox. They assert on what AWS saw: stops, notices, messages.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admin;
mod binary;
mod burst;
mod check;
mod command_line;
mod cut_answers;
mod delays;
mod denied_stops;
mod drain;
mod endpoints;
mod faults;
mod floors;
mod handover;
mod invariants;
mod lag;
mod leases;
mod logs;
mod measured;
mod metadata;
mod metrics;
mod names;
mod outages;
mod outcomes;
mod panics;
mod permissions;
mod poison;
mod promises;
mod targets;
mod terminal;
mod reload;
mod program;
mod scenarios;
mod scrape;
mod simulation;
mod storm;
mod stops;
mod stuck;
mod supervised;
mod trials;
mod duplicates;
mod untrusted;
mod world;
