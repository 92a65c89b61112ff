//! Threads that work until a flag is set.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Keeps a value away from its neighbours: the prefetcher of x86 takes lines in pairs.
#[repr(align(128))]
#[derive(Default)]
pub struct Alone<T>(pub T);

/// A flag that ends a run.
#[derive(Default)]
pub struct Stop(Alone<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0 .0.store(true, Ordering::Relaxed);
    }

    #[inline(always)]
    pub fn is_set(&self) -> bool {
        self.0 .0.load(Ordering::Relaxed)
    }
}

/// Cheap operations between two looks at the flag.
pub const BATCH: usize = 1000;

/// What a thread of a gang has in hand.
pub struct Member {
    pub index: usize,
    stop: &'static Stop,
    ops: &'static Alone<AtomicU64>,
}

impl Member {
    /// Does op until the flag is set. It looks at it, and says how much is done, after
    /// each batch.
    #[inline(always)]
    pub fn work(&self, batch: usize, mut op: impl FnMut()) {
        let mut ops = 0;
        while !self.stop.is_set() {
            for _ in 0..batch {
                op();
            }
            ops += batch as u64;
            self.ops.0.store(ops, Ordering::Relaxed);
        }
    }
}

/// What the threads have done in a time.
pub struct Done {
    time: Duration,
    ops: Vec<u64>, // of each thread
}

impl Done {
    /// Operations of the first thread in a second.
    pub fn rate(&self) -> f64 {
        self.ops[0] as f64 / self.time.as_secs_f64()
    }

    /// Nanoseconds of one thread for one operation, of all threads but the first few.
    pub fn each(&self, but: usize) -> f64 {
        self.overall(but) * (self.ops.len() - but) as f64
    }

    /// Nanoseconds between two operations of any thread, of all but the first few.
    pub fn overall(&self, but: usize) -> f64 {
        let ops: u64 = self.ops[but..].iter().sum();
        if ops == 0 {
            crate::die(1, "nothing was done in this time");
        }
        self.time.as_nanos() as f64 / ops as f64
    }
}

/// Runs body in as many threads. What they do in the time is counted from when each of
/// them has done something.
///
/// They are not waited for: a thread that ends and has pinned looks at all others, and with
/// thousands of them this takes longer than the run. So what they share lives on.
pub fn run<F>(threads: usize, time: Duration, body: F) -> Done
where
    F: Fn(&Member) + Send + Sync + 'static,
{
    let body = forever(body);
    let stop = forever(Stop::default());
    let ops: Vec<Alone<AtomicU64>> = (0..threads).map(|_| Alone::default()).collect();
    let ops: &[_] = forever(ops);
    // Nobody wakes the threads. With thousands of them, whoever did would have to share
    // the processors with those that are awake already, and take many seconds.
    let open = forever(AtomicBool::new(false));
    let nap = Duration::from_micros(10 * threads as u64);
    for index in 0..threads {
        let member = move || {
            while !open.load(Ordering::Acquire) {
                thread::sleep(nap);
            }
            let ops = &ops[index];
            body(&Member { index, stop, ops });
        };
        let small = thread::Builder::new().stack_size(128 << 10);
        if let Err(e) = small.spawn(member) {
            crate::die(1, &format!("thread {} of {threads}: {e}", index + 1));
        }
    }
    open.store(true, Ordering::Release);

    let now = |ops: &Alone<AtomicU64>| ops.0.load(Ordering::Relaxed);
    for ops in ops {
        while now(ops) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let start = Instant::now();
    let before: Vec<u64> = ops.iter().map(now).collect();
    thread::sleep(time);
    let time = start.elapsed();
    let after = ops.iter().map(now);
    let ops = after.zip(before).map(|(after, before)| after - before);
    let done = Done {
        time,
        ops: ops.collect(),
    };
    stop.set();
    done
}

/// Puts a value where all threads can use it until the process ends.
pub fn forever<T>(v: T) -> &'static T {
    Box::leak(Box::new(v))
}
