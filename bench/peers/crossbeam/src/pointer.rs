//! The families that are about one shared pointer, for every peer that has one.

use std::ptr;
use std::thread;

use crate::gang::{self, BATCH};
use crate::Args;

/// What the pointer points at.
pub struct Object<const WORDS: usize>([u64; WORDS]);

/// An object of 64 bytes.
pub type Small = Object<8>;

impl<const WORDS: usize> Object<WORDS> {
    #[inline(always)]
    pub fn new(number: u64) -> Self {
        Object([number; WORDS])
    }

    /// Reads the first word. The compiler can't leave it out or move it out of a loop.
    #[inline(always)]
    pub fn read(&self) -> u64 {
        unsafe { ptr::read_volatile(&self.0[0]) }
    }
}

/// A shared pointer to a Small.
pub trait Pointer: Send + Sync + 'static {
    fn new() -> Self;

    /// An empty section.
    fn section(&self);

    /// A section in which a word of the object is read.
    fn load(&self);
}

/// A Pointer that can be made to point at another object.
pub trait Replace: Pointer {
    fn replace(&self, number: u64);
}

pub fn section<P: Pointer>(a: &Args) -> String {
    let p = P::new();
    let done = gang::run(a.procs, a.time, move |m| m.work(BATCH, || p.section()));
    ns(done.each(0))
}

pub fn load<P: Pointer>(a: &Args) -> String {
    let p = P::new();
    let done = gang::run(a.procs, a.time, move |m| m.work(BATCH, || p.load()));
    ns(done.each(0))
}

/// Executes so many operations. Who counts instructions looks for it by its name, and counts
/// in it and below: the loop is in the function that it calls once.
#[no_mangle]
#[inline(never)]
fn counted_loop(operations: &dyn Fn(usize), n: usize) {
    operations(n)
}

pub fn count<P: Pointer>(loads: bool, n: usize) {
    let p = P::new();
    if loads {
        counted_loop(&|n| (0..n).for_each(|_| p.load()), n);
    } else {
        counted_loop(&|n| (0..n).for_each(|_| p.section()), n);
    }
}

pub fn swap<P: Replace>(a: &Args) -> String {
    let p = P::new();
    let updates = a.param;
    let done = gang::run(a.procs, a.time, move |m| {
        let mut due = 0; // in 1/1000
        let mut number = 0;
        m.work(BATCH, || {
            due += updates;
            if due < 1000 {
                p.load();
                return;
            }
            due -= 1000;
            number += 1;
            p.replace(number);
        });
    });
    ns(done.each(0))
}

pub fn threads<P: Pointer>(a: &Args) -> String {
    let p = P::new();
    let done = gang::run(a.param, a.time, move |m| {
        m.work(1, || {
            for _ in 0..100 {
                p.load();
            }
            thread::yield_now();
        });
    });
    ns(done.overall(0) / 100.0 * a.procs as f64)
}

/// The result of the families whose only value is the time of an operation.
pub fn ns(v: f64) -> String {
    format!("{{\"ns\":{v:.4}}}")
}
