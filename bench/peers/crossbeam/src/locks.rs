//! What std has: a lock for readers and writers, and a reference count.

use std::mem;
use std::sync::{Arc, RwLock};

use crate::gang::Alone;
use crate::pointer::{Pointer, Replace, Small};

pub struct Locked(Alone<RwLock<Box<Small>>>);

impl Pointer for Locked {
    fn new() -> Self {
        Locked(Alone(RwLock::new(Box::new(Small::new(0)))))
    }

    #[inline(always)]
    fn section(&self) {
        drop(self.0 .0.read().unwrap());
    }

    #[inline(always)]
    fn load(&self) {
        self.0 .0.read().unwrap().read();
    }
}

impl Replace for Locked {
    #[inline(always)]
    fn replace(&self, number: u64) {
        let new = Box::new(Small::new(number));
        let old = mem::replace(&mut *self.0 .0.write().unwrap(), new);
        drop(old); // without the lock
    }
}

/// The object's own count is the section: one more reference, and one less. The Arc
/// itself stays what it is, for a shared one can't be replaced without a lock.
pub struct Counted(Arc<Small>);

impl Pointer for Counted {
    fn new() -> Self {
        Counted(Arc::new(Small::new(0)))
    }

    #[inline(always)]
    fn section(&self) {
        drop(Arc::clone(&self.0));
    }

    #[inline(always)]
    fn load(&self) {
        Arc::clone(&self.0).read();
    }
}
