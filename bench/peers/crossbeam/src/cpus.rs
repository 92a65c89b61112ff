//! The processors that the process may use.

use std::io::Error;
use std::mem::size_of;

type Set = [u64; 128]; // of 8,192 processors, as many as Linux can have

// std has no such calls, and of the C library this is all that is needed.
extern "C" {
    fn sched_getaffinity(pid: i32, size: usize, set: *mut Set) -> i32;
    fn sched_setaffinity(pid: i32, size: usize, set: *const Set) -> i32;
}

/// Takes all processors but the first n from the calling thread, and so from those that
/// it starts.
pub fn keep_first(n: usize) -> Result<(), String> {
    let mut set: Set = [0; 128];
    if unsafe { sched_getaffinity(0, size_of::<Set>(), &mut set) } != 0 {
        return Err(format!("sched_getaffinity: {}", Error::last_os_error()));
    }
    let mut left = n;
    for word in &mut set {
        let mut kept = 0;
        while left > 0 && *word != 0 {
            let lowest = *word & word.wrapping_neg();
            kept |= lowest;
            *word ^= lowest;
            left -= 1;
        }
        *word = kept;
    }
    if left > 0 {
        return Err(format!(
            "{n} processors are wanted, and {} are there",
            n - left
        ));
    }
    if unsafe { sched_setaffinity(0, size_of::<Set>(), &set) } != 0 {
        return Err(format!("sched_setaffinity: {}", Error::last_os_error()));
    }
    Ok(())
}
