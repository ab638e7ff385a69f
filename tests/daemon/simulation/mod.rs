//! The whole daemon in random worlds: a sandbox, instances, faults, and processes of the daemon
//! that start, drain and are killed. Each world is drawn from a seed and can be played again
//! exactly.
//!
//! `draw` makes a `plan` from a seed, `drive` plays it in a `world`, and `invariants` check its
//! record. Some worlds have random `policies`, whose meaning is worked out without the daemon's code.
//!
//! By default few worlds are played, for a developer's loop. `SIMULATION_SEEDS=10000` plays more;
//! `SIMULATION_SEED=7` plays one and, with `-- --nocapture`, shows its calls. `--nocapture` also
//! shows what was played, and how often the invariants were checked that concern few worlds.

mod draw;
mod drive;
mod evidence;
mod history;
mod launch;
mod look;
mod member_totals;
mod members;
mod names;
mod outages;
mod panicking;
mod result;
mod invariants;
mod bodies;
mod budget;
mod concern;
mod holds;
mod policies;
mod plan;
mod process;
mod put_off;
mod settle;
mod stays;
mod times;
mod told;
mod totals;
mod trace;
mod world;

use std::env;
use std::fmt::Write as _;
use std::sync::Mutex;

use drive::play;
use invariants::violations;
use plan::Plan;
use totals::Totals;
use trace::trace;

const SEEDS: u64 = 64;
const PARTS: u64 = 8;

/// Plays every eighth world.
fn keeps_its_promises(part: u64) {
    let one = number("SIMULATION_SEED");
    let seeds = 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let seeds = one.map_or(seeds, |seed| seed..seed + 1).filter(|seed| seed % PARTS == part);
    let (mut failed, mut totals) = (Vec::new(), Totals::default());
    for seed in seeds {
        let record = play(Plan::drawn(seed));
        let violations = violations(&record);
        totals.add(&record);
        if one.is_some() {
            eprintln!("{}{}", record.plan, trace(&record));
        } else if failed.is_empty() && !violations.is_empty() {
            eprintln!("the plan of seed {seed}\n{}", record.plan);
        }
        if !violations.is_empty() {
            failed.push((seed, violations.join("\n  ")));
        }
    }
    let missing = together(&totals);
    assert!(failed.is_empty(), "{}", report(&failed));
    assert!(missing.is_empty(), "no world has these: {missing:?}");
}

/// Adds to what all parts have played. The last one shows it, and returns what never happened, if so
/// many worlds were played that everything should.
fn together(totals: &Totals) -> Vec<&'static str> {
    static ALL: Mutex<(u64, Totals)> = Mutex::new((0, Totals::NONE));
    let mut all = ALL.lock().unwrap();
    all.0 += 1;
    all.1.join(totals);
    if all.0 < PARTS {
        return Vec::new();
    }
    eprintln!("{:#?}", all.1);
    if all.1.worlds() as u64 >= SEEDS { all.1.missing() } else { Vec::new() }
}

fn report(failed: &[(u64, String)]) -> String {
    let mut report = String::new();
    for (seed, violations) in failed {
        writeln!(report, "seed {seed}: {violations}").unwrap();
    }
    let seed = failed[0].0;
    report + &format!("play it again: SIMULATION_SEED={seed} cargo test --test daemon simulation")
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

macro_rules! parts {
    ($($name:ident: $part:literal,)*) => {$(
        #[test]
        fn $name() {
            keeps_its_promises($part);
        }
    )*};
}

parts! {
    every_world_is_left_in_order_part_1: 0,
    every_world_is_left_in_order_part_2: 1,
    every_world_is_left_in_order_part_3: 2,
    every_world_is_left_in_order_part_4: 3,
    every_world_is_left_in_order_part_5: 4,
    every_world_is_left_in_order_part_6: 5,
    every_world_is_left_in_order_part_7: 6,
    every_world_is_left_in_order_part_8: 7,
}

#[test]
fn a_world_can_be_played_again_exactly() {
    for seed in (0..200).step_by(25) {
        let [first, second] = [(), ()].map(|()| trace(&play(Plan::drawn(seed))));
        for (first, second) in first.lines().zip(second.lines()) {
            assert_eq!(first, second, "seed {seed}");
        }
        assert_eq!(first.lines().count(), second.lines().count(), "seed {seed}");
    }
}
