//! Exact quantiles.

const MOST: usize = 1_000_000;

/// Samples: all up to a million, then every second one, and so on.
#[derive(Default)]
pub struct Samples {
    kept: Vec<u64>,
    seen: u64,
    halvings: u32,
    max: u64,
}

impl Samples {
    pub fn add(&mut self, v: u64) {
        if self.seen & ((1 << self.halvings) - 1) == 0 {
            if self.kept.len() == MOST {
                self.halve();
            }
            self.kept.push(v);
        }
        self.seen += 1;
        self.max = self.max.max(v);
    }

    fn halve(&mut self) {
        let mut even = false;
        self.kept.retain(|_| {
            even = !even;
            even
        });
        self.halvings += 1;
    }

    /// How many there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The largest of all, whether it was kept or not.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The smallest value that a share q of the samples does not exceed.
    pub fn quantile(&mut self, q: f64) -> u64 {
        self.kept.sort_unstable();
        let rank = (q * self.kept.len() as f64).ceil() as usize;
        self.kept[rank.max(1) - 1]
    }
}
