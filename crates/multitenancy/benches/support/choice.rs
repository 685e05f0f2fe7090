//! Who comes next.

/// How often each of many is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All of them alike.
    Uniform,
    /// By Zipf's law with exponent 1: the `n`th of them `1/n` times as often as the first.
    Zipf,
}

impl Choice {
    /// `length` choices out of `many`, the same ones each time. Those that Zipf's law prefers do not lie side by side.
    pub(crate) fn draw(self, many: usize, length: usize) -> Vec<u32> {
        let mut numbers = Numbers(0x5eed);
        let mut places: Vec<u32> = (0..u32::try_from(many).unwrap()).collect();
        for place in (1..many).rev() {
            places.swap(place, numbers.below(place + 1));
        }
        // What the first, the first two, … are chosen together.
        let sums: Vec<f64> = (1..=u32::try_from(many).unwrap())
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / f64::from(rank);
                Some(*sum)
            })
            .collect();
        let next = |_| match self {
            Self::Uniform => places[numbers.below(many)],
            Self::Zipf => {
                let part = numbers.fraction() * sums[many - 1];
                places[sums.partition_point(|sum| *sum <= part).min(many - 1)]
            }
        };
        (0..length).map(next).collect()
    }
}

/// Numbers in an order that no cache foresees.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 32).unwrap()
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    /// From 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        f64::from(self.next()) / 4_294_967_296.0
    }
}
