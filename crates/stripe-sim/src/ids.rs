//! Ids and chance, both repeatable.

/// Names objects in the order in which they are made.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    salt: u64,
    made: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { salt: Dice::new(seed).next() & 0xffff_ffff, made: 0 }
    }

    /// `cus_1Sim` and sixteen characters or more. Sorting by text is sorting by age.
    pub(crate) fn next(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_1Sim{:08x}{:08}", self.salt, self.made)
    }
}

/// `SplitMix64`: the same seed throws the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }
}
