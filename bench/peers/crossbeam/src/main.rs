//! The benchmark's peers in Rust: crossbeam-epoch, and std's RwLock and Arc.
//!
//! crossbeam-epoch is the distribution's, and nothing is fetched. On Debian:
//!
//!     apt-get install cargo librust-crossbeam-epoch-dev
//!     cargo build --release --offline \
//!         --config 'source.crates-io.replace-with="debian"' \
//!         --config 'source.debian.directory="/usr/share/cargo/registry"'
//!
//! in this folder, which gets a Cargo.lock; CARGO_TARGET_DIR says where the rest goes.
//! Rust 1.63, which is Debian 12's, is enough.
//!
//! crossbeam-epoch can't wait, neither for a grace period nor for its deferred functions,
//! so it has no synchronize, barrier, oversub, long and scan.

mod cpus;
mod epoch;
mod gang;
mod locks;
mod pointer;
mod samples;

use std::ops::RangeInclusive;
use std::process::exit;
use std::time::Duration;

use epoch::Epoch;
use locks::{Counted, Locked};

/// What a measurement is asked for.
pub struct Args {
    param: usize,
    procs: usize,
    time: Duration,
    seed: u64,
}

type Measure = fn(&Args) -> String;

const EPOCH: &str = "crossbeam-epoch";
const RWLOCK: &str = "rust-rwlock";
const ARC: &str = "rust-arc";

const PAIRS: &[(&str, &str, Measure)] = &[
    ("section", EPOCH, pointer::section::<Epoch>),
    ("section", RWLOCK, pointer::section::<Locked>),
    ("section", ARC, pointer::section::<Counted>),
    ("load", EPOCH, pointer::load::<Epoch>),
    ("load", RWLOCK, pointer::load::<Locked>),
    ("load", ARC, pointer::load::<Counted>),
    ("nested", EPOCH, epoch::nested),
    ("swap", EPOCH, pointer::swap::<Epoch>),
    ("swap", RWLOCK, pointer::swap::<Locked>),
    ("threads", EPOCH, epoch::threads),
    ("threads", RWLOCK, pointer::threads::<Locked>),
    ("call", EPOCH, epoch::call),
    ("callback", EPOCH, epoch::callback),
    ("flood", EPOCH, epoch::flood),
    ("walk", EPOCH, epoch::walk),
    ("walk-beside", EPOCH, epoch::walk_beside),
];

type Count = fn(loads: bool, n: usize);

const INSTRUCTIONS: &str = "instructions";
const LOAD: &str = "+load";

/// Of each of these, two paths: its empty section, and the one with a load.
const COUNTED: &[(&str, Count)] = &[
    (EPOCH, pointer::count::<Epoch>),
    (RWLOCK, pointer::count::<Locked>),
    (ARC, pointer::count::<Counted>),
];

/// The values of PARAM that a family takes.
fn params(family: &str) -> RangeInclusive<usize> {
    match family {
        "nested" | "threads" | "call" | "walk" | "walk-beside" => 1..=usize::MAX,
        "swap" => 0..=1000,
        _ => 0..=usize::MAX,
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["list"] => {
            for (family, peer, _) in PAIRS {
                println!("{family} {peer}");
            }
            for (peer, _) in COUNTED {
                println!("{INSTRUCTIONS} {peer}\n{INSTRUCTIONS} {peer}{LOAD}");
            }
        }
        [INSTRUCTIONS, path, n] => {
            let n = number("N", n, 1..=usize::MAX);
            let peer = path.strip_suffix(LOAD);
            let found = COUNTED.iter().find(|c| c.0 == peer.unwrap_or(path));
            match found {
                Some(c) => c.1(peer.is_some(), n),
                None => die(3, &format!("there is no {INSTRUCTIONS} of {path}")),
            }
        }
        [family, peer, param, procs, ms, seed] => {
            let args = Args {
                param: number("PARAM", param, params(family)),
                procs: number("PROCS", procs, 1..=usize::MAX),
                time: Duration::from_millis(number("MILLISECONDS", ms, 1..=1 << 40) as u64),
                seed: number("SEED", seed, 0..=usize::MAX) as u64,
            };
            let found = PAIRS.iter().find(|p| p.0 == family && p.1 == peer);
            let measure = match found {
                Some(p) => p.2,
                None => die(3, &format!("there is no {family} of {peer}")),
            };
            if let Err(e) = cpus::keep_first(args.procs) {
                die(1, &e);
            }
            println!("{}", measure(&args));
        }
        _ => die(
            2,
            "usage: crossbeam list | FAMILY PEER PARAM PROCS MILLISECONDS SEED | instructions PATH N",
        ),
    }
}

fn number(what: &str, s: &str, range: RangeInclusive<usize>) -> usize {
    match s.parse() {
        Ok(n) if range.contains(&n) => n,
        _ => die(2, &format!("{what} can't be {s:?}")),
    }
}

fn die(status: i32, why: &str) -> ! {
    eprintln!("crossbeam: {why}");
    exit(status)
}
