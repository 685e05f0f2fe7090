//! Counting distinct subjects in little memory.

use crate::store::Subject;

/// Bits of the hash that choose a register.
const PRECISION: u32 = 12;
const REGISTERS: usize = 1 << PRECISION;
/// Bits of the hash that an entry of the sparse form keeps whole.
const SPARSE_PRECISION: u32 = 26;
/// Up to this many entries the sparse form is not larger than the registers.
const SPARSE_LIMIT: usize = 1_000;
/// The first one bit lies at 1 to 52, or there is none: 53.
const MAX_RANK: u8 = byte(64 - PRECISION + 1);
const MAX_SPARSE_RANK: u8 = byte(64 - SPARSE_PRECISION + 1);

const SPARSE_V1: u8 = 1;
const DENSE_V1: u8 = 2;

/// A distinct-count sketch (`HyperLogLog`) with 4096 registers: a standard error of 1.6 %, and exact up to a thousand, in at most
/// 4 KiB.
///
/// Sketches of any parts of a crowd merge into the sketch of the whole; what is counted twice counts once. P. Flajolet et al.,
/// *HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm*, 2007; the sparse form is that of S. Heule et
/// al., *HyperLogLog in Practice*, 2013; the estimate is O. Ertl's, *New cardinality estimation algorithms for HyperLogLog
/// sketches*, 2017, which needs no table of biases and no switch to linear counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// Ascending, one per place: 26 bits of place, then 6 bits of rank of what follows it.
    Sparse(Vec<u32>),
    /// The highest rank seen by each register.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// A sketch of nobody.
    pub const fn new() -> Self {
        Self(Form::Sparse(Vec::new()))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, body) = bytes.split_first()?;
        match *version {
            SPARSE_V1 => {
                let (chunks, rest) = body.as_chunks::<4>();
                let entries: Vec<u32> = chunks.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect();
                let ascending = entries.windows(2).all(|pair| place(pair[0]) < place(pair[1]));
                let ranked = entries.iter().all(|entry| (1..=MAX_SPARSE_RANK).contains(&sparse_rank(*entry)));
                (rest.is_empty() && entries.len() <= SPARSE_LIMIT && ascending && ranked).then_some(Self(Form::Sparse(entries)))
            }
            DENSE_V1 => {
                let registers = <&[u8; REGISTERS]>::try_from(body).ok()?;
                registers.iter().all(|rank| *rank <= MAX_RANK).then(|| Self(Form::Dense(Box::new(*registers))))
            }
            _ => None,
        }
    }

    /// The sketch as bytes: a version, then up to 1000 entries of four bytes (big-endian, ascending), or 4096 registers of one
    /// byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::Sparse(entries) => {
                let mut bytes = Vec::with_capacity(1 + 4 * entries.len());
                bytes.push(SPARSE_V1);
                bytes.extend(entries.iter().flat_map(|entry| entry.to_be_bytes()));
                bytes
            }
            Form::Dense(registers) => {
                let mut bytes = Vec::with_capacity(1 + REGISTERS);
                bytes.push(DENSE_V1);
                bytes.extend_from_slice(&registers[..]);
                bytes
            }
        }
    }

    /// Counts `subject`, once however often it is inserted.
    pub fn insert(&mut self, subject: &Subject) {
        self.insert_entry(entry(subject));
    }

    fn insert_entry(&mut self, entry: u32) {
        match &mut self.0 {
            Form::Dense(registers) => raise(registers, entry),
            Form::Sparse(entries) => match entries.binary_search_by_key(&place(entry), |known| place(*known)) {
                Ok(index) => entries[index] = entries[index].max(entry),
                Err(index) => {
                    entries.insert(index, entry);
                    if entries.len() > SPARSE_LIMIT {
                        self.spread();
                    }
                }
            },
        }
    }

    /// Turns the sparse form into registers.
    fn spread(&mut self) {
        if let Form::Sparse(entries) = &self.0 {
            let mut registers = Box::new([0; REGISTERS]);
            for entry in entries {
                raise(&mut registers, *entry);
            }
            self.0 = Form::Dense(registers);
        }
    }

    /// Adds everyone of `other`. Order, grouping and repetition of merges make no difference to the result.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Form::Sparse(entries) => entries.iter().for_each(|entry| self.insert_entry(*entry)),
            Form::Dense(theirs) => {
                self.spread();
                if let Form::Dense(ours) = &mut self.0 {
                    for (own, their) in ours.iter_mut().zip(theirs.iter()) {
                        *own = (*own).max(*their);
                    }
                }
            }
        }
    }

    /// How many distinct subjects were inserted, about.
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            // 2^26 places: among a thousand subjects the chance that any two share one is below 1 %.
            Form::Sparse(entries) => entries.len() as u64,
            Form::Dense(registers) => estimate(registers),
        }
    }

    /// Bytes that inserting `subject` would add to the memory held, about; 0 when nothing is added.
    pub(super) fn growth(&self, subject: &Subject) -> usize {
        match &self.0 {
            Form::Dense(_) => 0,
            Form::Sparse(entries) => match entries.binary_search_by_key(&place(entry(subject)), |known| place(*known)) {
                Ok(_) => 0,
                // A vector grows by doubling.
                Err(_) => 2 * size_of::<u32>(),
            },
        }
    }
}

/// The subject's entry. A subject is part of a SHA-256, so its bytes are as good as any hash of them.
fn entry(subject: &Subject) -> u32 {
    let hash = u128::from_be_bytes(subject.0);
    let rest = hash << SPARSE_PRECISION;
    let rank = rest.leading_zeros().min(64 - SPARSE_PRECISION) + 1;
    let [first, second, third, fourth, ..] = subject.0;
    (u32::from_be_bytes([first, second, third, fourth]) & !0x3F) | rank
}

const fn place(entry: u32) -> u32 {
    entry >> 6
}

const fn sparse_rank(entry: u32) -> u8 {
    byte(entry & 0x3F)
}

#[expect(clippy::cast_possible_truncation, reason = "ranks are below 64")]
const fn byte(rank: u32) -> u8 {
    rank as u8
}

/// Shows an entry to its register. Nothing is lost by the detour: the rank is that of the whole hash.
fn raise(registers: &mut [u8; REGISTERS], entry: u32) {
    const BITS: u32 = SPARSE_PRECISION - PRECISION;
    let index = (place(entry) >> BITS) as usize;
    let low = place(entry) & ((1 << BITS) - 1);
    let rank = if low == 0 { byte(BITS) + sparse_rank(entry) } else { byte(low.leading_zeros() - (32 - BITS) + 1) };
    registers[index] = registers[index].max(rank);
}

/// Ertl 2017, algorithm 6 ("improved raw estimation").
fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let mut counts = [0_u32; MAX_RANK as usize + 1];
    for rank in registers {
        counts[usize::from(*rank)] += 1;
    }
    let registers = f64::from(1_u32 << PRECISION);
    let (last, inner) = (MAX_RANK as usize, 1..MAX_RANK as usize);
    let mut sum = registers * tau(1.0 - f64::from(counts[last]) / registers);
    for rank in inner.rev() {
        sum = 0.5 * (sum + f64::from(counts[rank]));
    }
    sum += registers * sigma(f64::from(counts[0]) / registers);
    let estimate = registers * registers / (2.0 * std::f64::consts::LN_2 * sum);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and the cast saturates")]
    {
        estimate.round() as u64
    }
}

/// x + Σ x^(2^k) 2^(k-1): infinite at 1.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut factor, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum <= before {
            return sum;
        }
    }
}

/// (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut factor, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x).powi(2) * factor;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::count::real;
    use proptest::prelude::*;

    fn of(users: impl IntoIterator<Item = u32>) -> Sketch {
        let mut sketch = Sketch::new();
        users.into_iter().for_each(|user| sketch.insert(&Subject::of(&user.to_string())));
        sketch
    }

    fn merged(a: &Sketch, b: &Sketch) -> Sketch {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    /// Sketches of both forms, with and without overlap.
    fn sketch() -> impl Strategy<Value = Sketch> {
        (0_u32..3000, 0_u32..2000).prop_map(|(first, count)| of(first..first + count))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn merging_ignores_order_grouping_and_repetition(a in sketch(), b in sketch(), c in sketch()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert_eq!(merged(&a, &Sketch::new()), a);
        }

        #[test]
        fn merging_is_counting_together(first in 0_u32..2000, a in 0_u32..2000, b in 0_u32..2000) {
            prop_assert_eq!(merged(&of(0..a), &of(first..first + b)), of((0..a).chain(first..first + b)));
        }

        #[test]
        fn bytes_read_back(sketch in sketch()) {
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Some(sketch));
        }

        #[test]
        fn hostile_bytes_are_refused_or_usable(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            version in 0_u8..4,
            dense in any::<bool>(),
        ) {
            if dense {
                bytes.resize(REGISTERS + 1, 9);
            }
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            if let Some(sketch) = Sketch::from_bytes(&bytes) {
                prop_assert_eq!(sketch.to_bytes(), bytes);
                prop_assert!(merged(&sketch, &of(0..2000)).estimate() >= 1900);
            }
        }
    }

    proptest! {
        #[test]
        fn a_register_holds_the_highest_place_of_the_first_one_bit(hash in any::<u64>(), zeros in 0_u32..=52) {
            // The register's number, then `zeros` zeros, then anything.
            let index = hash >> (64 - PRECISION);
            let rest = (hash << PRECISION).checked_shr(zeros).unwrap_or(0);
            let hash = (index << (64 - PRECISION)) | (rest >> PRECISION);
            let mut subject = [0xFF; 16];
            subject[..8].copy_from_slice(&hash.to_be_bytes());
            let mut sketch = Sketch::new();
            sketch.insert(&Subject(subject));
            sketch.spread();
            let rank = (hash << PRECISION).leading_zeros().min(64 - PRECISION) + 1;
            let mut bytes = vec![0; REGISTERS + 1];
            bytes[0] = DENSE_V1;
            bytes[1 + usize::try_from(index).unwrap()] = u8::try_from(rank).unwrap();
            prop_assert_eq!(sketch.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_thousand_are_counted_exactly() {
        for count in [0, 1, 2, 300, 1000] {
            assert_eq!(of(0..count).estimate(), u64::from(count));
        }
    }

    #[test]
    fn the_error_stays_within_four_standard_errors_up_to_a_million() {
        let mut sketch = Sketch::new();
        let checked = [1_001, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];
        let mut worst = 0.0_f64;
        for user in 1..=1_000_000_u32 {
            sketch.insert(&Subject::of(&user.to_string()));
            if checked.contains(&user) {
                let error = real(sketch.estimate()) / f64::from(user) - 1.0;
                worst = worst.max(error.abs());
            }
        }
        assert!(worst < 4.0 * 1.04 / 64.0, "off by {worst}");
    }

    #[test]
    fn the_estimate_is_not_biased() {
        let mut sum = 0.0;
        let crowds: u32 = 64;
        for crowd in 0..crowds {
            sum += real(of(crowd * 10_000..(crowd + 1) * 10_000).estimate()) / 10_000.0;
        }
        let mean = sum / f64::from(crowds);
        // The mean of 64 estimates has a standard error of 0.2 %.
        assert!((mean - 1.0).abs() < 0.008, "off by {mean}");
    }

    #[test]
    fn saturated_registers_still_give_an_estimate() {
        let mut bytes = vec![MAX_RANK; REGISTERS + 1];
        bytes[0] = DENSE_V1;
        assert_eq!(Sketch::from_bytes(&bytes).unwrap().estimate(), u64::MAX);
        bytes[7] = MAX_RANK + 1;
        assert_eq!(Sketch::from_bytes(&bytes), None);
    }

    #[test]
    fn the_form_of_the_bytes_is_fixed() {
        // SHA-256 of "abc" begins ba7816bf 8f01cfea: place 0x2e9e05a, then 1111 1110…: rank 1.
        let mut sketch = Sketch::new();
        sketch.insert(&Subject::of("abc"));
        assert_eq!(sketch.to_bytes(), [1, 0xba, 0x78, 0x16, 0x81]);
        assert_eq!(Sketch::new().to_bytes(), [1]);
        assert_eq!(of(0..2000).to_bytes().len(), 4097);
    }
}
