use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use togglebox_core::{OsEntropy, TenantId};
use uuid::Uuid;

use super::*;
use crate::slab::{Entry, Making, Slab, TakeError, Taken};
use crate::{CellKey, Minute};

fn tenant(n: u8) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n.into()))
}

fn series(n: u8) -> Series {
    Series { meter: format!("m{n}").parse().unwrap(), labels: Labels::new([("key", format!("k{n}").as_str())]).unwrap() }
}

fn new(directory: &Path, slots: u32) -> Slab {
    Slab::create(directory, Making { slots, mapped: true }, &OsEntropy, Timestamp::EPOCH).unwrap()
}

/// A slab with these increments by series and minute, as a recorder writes them; and what is in it.
fn filled(directory: &Path, increments: &[(u8, u8, u64)]) -> BTreeMap<CellKey, u64> {
    let slab = new(directory, 64);
    let (mut entries, mut totals): (BTreeMap<u8, Entry>, BTreeMap<CellKey, u64>) = Default::default();
    let mut slots: BTreeMap<_, (Taken, bool)> = BTreeMap::new();
    for (n, at, amount) in increments {
        let minute = Minute::from_number(u32::from(*at));
        let key = CellKey { tenant: tenant(*n), series: series(*n), minute, writer: slab.writer() };
        let total = totals.entry(key).or_default();
        *total += amount;
        let entry = *entries.entry(*n).or_insert_with(|| slab.enter(tenant(*n), &series(*n)).unwrap());
        match slots.get_mut(&(*n, *at)) {
            Some((taken, second)) => {
                slab.set(*taken, *second, *total).unwrap();
                *second = !*second;
            }
            None => {
                slots.insert((*n, *at), (slab.take(entry, minute, *total).unwrap(), true));
            }
        }
    }
    totals
}

fn drained(directory: &Path) -> Vec<Result<Drained, NotDrained>> {
    abandoned(directory).unwrap().collect()
}

fn totals(cells: &[Cell]) -> BTreeMap<CellKey, u64> {
    cells.iter().map(|cell| (cell.key(), cell.total)).collect()
}

fn files(directory: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

fn file(directory: &Path, kind: &str) -> PathBuf {
    directory.join(files(directory).into_iter().find(|name| name.ends_with(kind)).unwrap())
}

#[test]
fn an_abandoned_slab_gives_what_was_counted_and_is_removed() {
    let directory = TempDir::new().unwrap();
    let expected = filled(directory.path(), &[(1, 0, 5), (2, 0, 7), (1, 0, 6), (1, 1, 1)]);
    let [Ok(slab)] = &drained(directory.path())[..] else { panic!("one") };
    assert_eq!(totals(&slab.cells), expected);
    assert!(slab.damage.is_none() && !slab.after_restart);
    assert!(drained(directory.path()).is_empty(), "whoever drains it has it locked");
}

#[test]
fn what_was_drained_is_gone_once_it_is_removed() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), &[(1, 0, 5)]);
    assert_eq!(files(directory.path()).len(), 2);
    for slab in drained(directory.path()) {
        slab.unwrap().remove().unwrap();
    }
    assert!(files(directory.path()).is_empty() && drained(directory.path()).is_empty());
}

#[test]
fn a_slab_in_use_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let slab = new(directory.path(), 4);
    assert!(drained(directory.path()).is_empty());
    drop(slab);
    assert_eq!(drained(directory.path()).len(), 1);
}

#[test]
fn a_slab_has_so_many_slots_and_takes_its_space_at_once() {
    let directory = TempDir::new().unwrap();
    let slab = new(directory.path(), 3);
    let metadata = fs::metadata(file(directory.path(), ".slab")).unwrap();
    assert_eq!(metadata.len(), 4096 + 3 * 64);
    assert!(metadata.blocks() * 512 >= metadata.len(), "it has no holes");
    let entry = slab.enter(tenant(1), &series(1)).unwrap();
    for at in 0..3 {
        assert_eq!(slab.take(entry, Minute::from_number(at), 1).unwrap().slot(), at);
    }
    for _ in 0..3 {
        assert!(matches!(slab.take(entry, Minute::EPOCH, 1), Err(TakeError::Full)));
    }
    assert_eq!(slab.taken(), 3);
}

#[test]
fn a_slab_that_was_never_finished_is_removed() {
    let directory = TempDir::new().unwrap();
    for kind in ["unmade", "names"] {
        fs::write(directory.path().join(format!("x.{kind}")), b"x").unwrap();
    }
    assert!(drained(directory.path()).is_empty());
    assert_eq!(files(directory.path()), [""; 0]);
}

#[test]
fn a_torn_header_is_told_and_the_file_is_kept_aside() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), &[(1, 0, 5)]);
    let path = file(directory.path(), ".slab");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(&drained(directory.path())[..], [Err(NotDrained::Header(_))]));
    assert!(drained(directory.path()).is_empty(), "told once");
    assert!(files(directory.path()).iter().all(|name| name.ends_with(".damaged")));
}

#[test]
fn a_lost_dictionary_loses_its_series_and_says_so() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), &[(1, 0, 5), (2, 0, 7), (3, 0, 9)]);
    let path = file(directory.path(), ".names");
    let names = fs::read(&path).unwrap();
    // The last entry is cut.
    fs::write(&path, &names[..names.len() - 1]).unwrap();
    let [Ok(slab)] = &drained(directory.path())[..] else { panic!("one") };
    assert_eq!(slab.cells.iter().map(|cell| cell.total).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(slab.damage, Damage { slots: 1, ..Damage::default() });
}

#[test]
fn a_dictionary_without_its_file_gives_nothing() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), &[(1, 0, 5)]);
    fs::remove_file(file(directory.path(), ".names")).unwrap();
    let [Ok(slab)] = &drained(directory.path())[..] else { panic!("one") };
    assert!(slab.cells.is_empty());
    assert_eq!(slab.damage.slots, 1);
}

#[test]
fn a_slab_of_another_start_of_the_machine_says_so() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), &[(1, 0, 5)]);
    let path = file(directory.path(), ".slab");
    let mut bytes = fs::read(&path).unwrap();
    let header = Header { boot: [b'0'; 36], ..Header::read(&bytes).unwrap() };
    bytes[..HEADER_BYTES].copy_from_slice(&header.write());
    fs::write(&path, &bytes).unwrap();
    let [Ok(slab)] = &drained(directory.path())[..] else { panic!("one") };
    assert!(slab.after_restart);
    assert_eq!(slab.cells.len(), 1);
}

/// What may happen to bytes.
#[derive(Clone, Debug)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Zero(prop::sample::Index, usize),
    Garbage(prop::sample::Index, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        6 => (at(), 0_u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        1 => at().prop_map(Harm::Cut),
        1 => (at(), 1_usize..600).prop_map(|(at, length)| Harm::Zero(at, length)),
        1 => (at(), vec(any::<u8>(), 1..100)).prop_map(|(at, bytes)| Harm::Garbage(at, bytes)),
    ]
}

/// The header and the slots that are in use: elsewhere harm would mostly change nothing.
fn do_harm(path: &Path, harm: &[Harm], used: usize) {
    let mut bytes = fs::read(path).unwrap();
    for harm in harm {
        let length = bytes.len().min(used);
        if length == 0 {
            break;
        }
        match harm {
            Harm::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Harm::Cut(at) => bytes.truncate(at.index(length)),
            Harm::Zero(at, count) => bytes.iter_mut().skip(at.index(length)).take(*count).for_each(|byte| *byte = 0),
            Harm::Garbage(at, garbage) => {
                let place = at.index(length);
                bytes.iter_mut().skip(place).zip(garbage).for_each(|(byte, garbage)| *byte = *garbage);
            }
        }
    }
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Never a panic, never a cell that nobody counted, never more than was counted; and whatever is missing was told.
    #[test]
    fn damage_is_told_and_nothing_is_invented(
        increments in vec((0_u8..4, 0_u8..4, 1_u64..1_000_000), 1..40),
        slab_harm in vec(harm(), 0..4),
        names_harm in vec(harm(), 0..3),
    ) {
        let directory = TempDir::new().unwrap();
        let expected = filled(directory.path(), &increments);
        // Harm is spread over the slots rather than the padding of the header.
        let slab = file(directory.path(), ".slab");
        do_harm(&slab, &slab_harm, HEADER_BYTES + SLOT_BYTES * expected.len());
        do_harm(&file(directory.path(), ".names"), &names_harm, usize::MAX);
        match &drained(directory.path())[..] {
            [Ok(slab)] => {
                let read = totals(&slab.cells);
                prop_assert_eq!(read.len(), slab.cells.len(), "no cell twice");
                for (key, total) in &read {
                    let counted = expected.get(key);
                    prop_assert!(counted.is_some_and(|counted| counted >= total), "{:?} is {} and was {:?}", key, total, counted);
                }
                // Zeros where a slot was look like one that was never used: the one kind of harm that leaves no trace.
                let zeroed = slab_harm.iter().any(|harm| matches!(harm, Harm::Zero(..)));
                prop_assert!(read == expected || !slab.damage.is_none() || zeroed, "{:?}", slab.damage);
            }
            [Err(NotDrained::Header(_))] => prop_assert!(!slab_harm.is_empty()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// The same of harm to the slots alone, so that they are always read.
    #[test]
    fn flipped_bits_in_slots_invent_nothing(
        increments in vec((0_u8..3, 0_u8..3, 1_u64..100), 1..30),
        flips in vec((any::<prop::sample::Index>(), 0_u8..8), 1..8),
    ) {
        let directory = TempDir::new().unwrap();
        let expected = filled(directory.path(), &increments);
        let path = file(directory.path(), ".slab");
        let mut bytes = fs::read(&path).unwrap();
        for (at, bit) in &flips {
            bytes[HEADER_BYTES + at.index(SLOT_BYTES * expected.len())] ^= 1 << bit;
        }
        fs::write(&path, bytes).unwrap();
        let [Ok(slab)] = &drained(directory.path())[..] else { panic!("the header is sound") };
        for (key, total) in totals(&slab.cells) {
            prop_assert!(expected.get(&key).is_some_and(|counted| *counted >= total));
        }
    }
}
