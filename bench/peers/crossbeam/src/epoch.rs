//! crossbeam-epoch.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned};

use crate::gang::{self, Alone, Member, Stop, BATCH};
use crate::pointer::{self, ns, Object, Pointer, Replace, Small};
use crate::samples::Samples;
use crate::{die, Args, EPOCH};

pub struct Epoch(Alone<Atomic<Small>>);

impl Pointer for Epoch {
    fn new() -> Self {
        Epoch(Alone(Atomic::new(Small::new(0))))
    }

    #[inline(always)]
    fn section(&self) {
        drop(epoch::pin());
    }

    #[inline(always)]
    fn load(&self) {
        load(&self.0 .0);
    }
}

impl Replace for Epoch {
    #[inline(always)]
    fn replace(&self, number: u64) {
        let new = Owned::new(Small::new(number));
        let guard = epoch::pin();
        let old = self.0 .0.swap(new, Ordering::AcqRel, &guard);
        unsafe { guard.defer_destroy(old) };
    }
}

#[inline(always)]
fn load<const WORDS: usize>(p: &Atomic<Object<WORDS>>) {
    let guard = epoch::pin();
    // Never null, and alive until the guard goes.
    unsafe { p.load(Ordering::Acquire, &guard).deref() }.read();
}

pub fn nested(a: &Args) -> String {
    let depth = a.param;
    let done = gang::run(a.procs, a.time, move |m| {
        let mut guards: Vec<Guard> = Vec::with_capacity(depth);
        m.work(BATCH, || {
            guards.extend((0..depth).map(|_| epoch::pin()));
            guards.clear();
        });
    });
    ns(done.each(0))
}

/// Every 128th pin looks at all threads that have ever pinned and are still there. With
/// 10,000 of them, all at work, a run takes minutes in which even the kernel's threads
/// hardly have a turn.
pub fn threads(a: &Args) -> String {
    const MOST: usize = 2000;

    if a.param > MOST {
        die(3, &format!("{EPOCH} takes {MOST} threads at most"));
    }
    pointer::threads::<Epoch>(a)
}

/// Deferring needs a guard, and each call pins anew, as a caller outside of any section
/// does. Every 128th pin runs some of the functions that are due.
///
/// There is no barrier: flush runs a few of the functions that are due, and is repeated
/// until none is left. They all run in this thread, the only one there is.
pub fn call(a: &Args) -> String {
    static RAN: Alone<AtomicU64> = Alone(AtomicU64::new(0));

    let objects: Vec<_> = (0..a.param).map(|_| Box::new(Small::new(1))).collect();
    let mut called = 0;
    let mut burst = || {
        let start = Instant::now();
        for object in &objects {
            let object: *const Small = &**object;
            // The object outlives the function: none is left when the burst returns.
            unsafe {
                epoch::pin().defer_unchecked(move || {
                    // One thread: no need for a locked instruction.
                    let ran = RAN.0.load(Ordering::Relaxed) + (*object).read();
                    RAN.0.store(ran, Ordering::Relaxed);
                });
            }
        }
        let calls = start.elapsed();
        called += objects.len() as u64;
        while RAN.0.load(Ordering::Relaxed) < called {
            epoch::pin().flush();
        }
        (calls, start.elapsed())
    };
    burst(); // the first one gets the memory
    let (mut bursts, mut calls, mut all) = (0, Duration::ZERO, Duration::ZERO);
    while all < a.time {
        let took = burst();
        calls += took.0;
        all += took.1;
        bursts += 1;
    }
    let each = |t: Duration| t.as_nanos() as f64 / (bursts * objects.len()) as f64;
    format!("{{\"ns\":{:.4},\"all\":{:.4}}}", each(calls), each(all))
}

/// A deferred function stays with the thread that deferred it until that one's bag is full
/// or flushed, and then runs in whichever thread pins or flushes after two more epochs. So
/// the caller flushes after each call. Where nobody reads, the next flush, at the next call
/// and later, is all that can run it.
pub fn callback(a: &Args) -> String {
    const PERIOD: Duration = Duration::from_micros(100);

    let p = Epoch::new();
    let waits: Mutex<Samples> = Mutex::default();
    let (begin, stop) = (Barrier::new(a.procs), Stop::default());
    let call = |guard: &Guard| {
        let (waits, start) = (&waits, Instant::now());
        // waits outlives the functions: the loop below ends when all have run.
        unsafe {
            guard.defer_unchecked(move || {
                let wait = start.elapsed().as_nanos() as u64;
                waits.lock().unwrap().add(wait);
            });
        }
    };
    thread::scope(|scope| {
        for _ in 1..a.procs {
            scope.spawn(|| {
                begin.wait();
                while !stop.is_set() {
                    (0..BATCH).for_each(|_| p.load());
                }
            });
        }
        begin.wait();
        let (start, mut called) = (Instant::now(), 0);
        loop {
            let now = Instant::now();
            let more = now - start < a.time;
            if !more && waits.lock().unwrap().seen() == called {
                break;
            }
            let guard = epoch::pin();
            if more {
                call(&guard);
                called += 1;
            }
            guard.flush();
            drop(guard);
            while now.elapsed() < PERIOD {
                thread::yield_now();
            }
        }
        stop.set();
    });
    let waits = &mut *waits.lock().unwrap();
    let (p50, p99) = (waits.quantile(0.5), waits.quantile(0.99));
    format!("{{\"p50\":{p50},\"p99\":{p99},\"max\":{}}}", waits.max())
}

/// crossbeam-epoch has nothing that throttles. Readers free objects, too.
pub fn flood(a: &Args) -> String {
    type Large = Object<128>;
    const SIZE: u64 = std::mem::size_of::<Large>() as u64;
    static WAITING: Alone<AtomicU64> = Alone(AtomicU64::new(0)); // bytes
    static PEAK: AtomicU64 = AtomicU64::new(0);

    let p = gang::forever(Alone(Atomic::new(Large::new(0))));
    let done = gang::run(1 + a.param, a.time, move |m| {
        if m.index > 0 {
            return m.work(BATCH, || load(&p.0));
        }
        let (mut number, mut most) = (0, 0);
        m.work(BATCH, || {
            number += 1;
            let new = Owned::new(Large::new(number));
            let guard = epoch::pin();
            let old = p.0.swap(new, Ordering::AcqRel, &guard);
            let waiting = WAITING.0.fetch_add(SIZE, Ordering::Relaxed) + SIZE;
            if waiting > most {
                most = waiting;
                PEAK.store(most, Ordering::Relaxed);
            }
            unsafe {
                guard.defer_unchecked(move || {
                    drop(old.into_owned());
                    WAITING.0.fetch_sub(SIZE, Ordering::Relaxed);
                });
            }
        });
    });
    let peak = PEAK.load(Ordering::Relaxed);
    format!("{{\"updates\":{:.1},\"peak\":{peak}}}", done.rate())
}

#[repr(align(64))]
struct Element {
    word: u64,
    next: Atomic<Element>,
}

impl Element {
    fn new(word: u64) -> Owned<Element> {
        Owned::new(Element {
            word,
            next: Atomic::null(),
        })
    }
}

/// A queue for one writer. It is never empty.
struct Queue {
    head: Alone<Atomic<Element>>,
    tail: Alone<Atomic<Element>>, // for the writer alone
    batch: usize,                 // walks between two looks at the flag
}

impl Queue {
    /// The elements stand in a random order, so that no prefetcher guesses the next one.
    fn new(elements: usize, seed: u64) -> Queue {
        let mut all: Vec<_> = (0..elements as u64).map(Element::new).collect();
        let mut random = Random(seed);
        for i in (1..elements).rev() {
            all.swap(i, random.below(i + 1));
        }
        let guard = &epoch::pin();
        let mut all = all.into_iter();
        let first = all.next().unwrap().into_shared(guard);
        let q = Queue {
            head: Alone(first.into()),
            tail: Alone(first.into()),
            batch: (BATCH / elements).max(1),
        };
        for element in all {
            q.insert(element, guard);
        }
        q
    }

    #[inline(always)]
    fn insert(&self, new: Owned<Element>, guard: &Guard) {
        let new = new.into_shared(guard);
        let last = self.tail.0.load(Ordering::Relaxed, guard);
        unsafe { last.deref() }.next.store(new, Ordering::Release);
        self.tail.0.store(new, Ordering::Relaxed);
    }

    /// Removes the first of two elements or more.
    #[inline(always)]
    fn remove(&self, guard: &Guard) {
        let first = self.head.0.load(Ordering::Relaxed, guard);
        let second = unsafe { first.deref() }.next.load(Ordering::Relaxed, guard);
        self.head.0.store(second, Ordering::Release);
        unsafe { guard.defer_destroy(first) };
    }

    #[inline(always)]
    fn walk(&self) -> u64 {
        let guard = &epoch::pin();
        let mut at = self.head.0.load(Ordering::Acquire, guard);
        let mut sum: u64 = 0;
        while let Some(element) = unsafe { at.as_ref() } {
            sum = sum.wrapping_add(element.word);
            at = element.next.load(Ordering::Acquire, guard);
        }
        sum
    }

    /// Walks until the run ends.
    fn walks(&self, m: &Member) {
        m.work(self.batch, || keep(self.walk()));
    }
}

/// Keeps the compiler from leaving out what the value comes from.
fn keep(v: u64) {
    unsafe { ptr::read_volatile(&v) };
}

/// Numbers that are random enough for an order: Steele and others' SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

pub fn walk(a: &Args) -> String {
    let q = Queue::new(a.param, a.seed);
    let done = gang::run(a.procs, a.time, move |m| q.walks(m));
    ns(done.each(0))
}

/// All but one of the processors walk, and one does where there is no other.
pub fn walk_beside(a: &Args) -> String {
    let q = Queue::new(a.param, a.seed);
    let walkers = (a.procs - 1).max(1);
    let done = gang::run(1 + walkers, a.time, move |m| {
        if m.index > 0 {
            return q.walks(m);
        }
        let mut number: u64 = 0;
        m.work(BATCH, || {
            number += 1;
            let new = Element::new(number);
            let guard = &epoch::pin();
            // In this order, the queue is not empty between.
            q.insert(new, guard);
            q.remove(guard);
        });
    });
    let (ns, updates) = (done.each(1), done.rate());
    format!("{{\"ns\":{ns:.4},\"updates\":{updates:.1}}}")
}
