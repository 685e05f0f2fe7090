use std::time::Duration;

use togglebox_core::TenantId;

use super::*;
use crate::clock::ManualStopwatch;
use crate::key::Tag;
use crate::quota::Quota;

const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);
const START_US: u64 = 1_000_000;

fn store(capacity: usize) -> (MemoryStore, Arc<ManualStopwatch>) {
    let clock = Arc::new(ManualStopwatch::new(START_US));
    (MemoryStore::with(capacity, Arc::<ManualStopwatch>::clone(&clock)), clock)
}

fn batch(subject: u64, burst: u32, no_room: NoRoom) -> Batch {
    let quota = Quota::rate(burst, Duration::from_secs(1)).full_burst().unwrap();
    let slot = Digest::of([subject.to_le_bytes().as_slice()]);
    Batch::one(TAG, Limit::new("p".parse().unwrap(), slot, quota, 1).unwrap().with_no_room(no_room))
}

fn passes(store: &MemoryStore, batch: &Batch) -> bool {
    store.consume_now(batch).unwrap().unwrap().passed
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_part_and_its_lock_fill_a_line_of_memory() {
    assert_eq!(size_of::<Mutex<Table>>(), 64);
}

#[test]
fn a_flood_of_keys_does_not_outgrow_the_capacity_nor_push_out_those_who_used_theirs_up() {
    let (store, _) = store(6400);
    let heavy: Vec<Batch> = (0..20).map(|n| batch(u64::MAX - n, 50, NoRoom::Forget)).collect();
    for batch in &heavy {
        assert_eq!((0..60).filter(|_| passes(&store, batch)).count(), 50);
    }
    for subject in 0..50_000 {
        passes(&store, &batch(subject, 50, NoRoom::Forget));
        assert!(store.len() <= store.capacity());
    }
    assert!(store.evictions() > 0);
    for batch in &heavy {
        assert!(!passes(&store, batch), "still used up");
    }
}

#[test]
fn what_is_full_again_makes_room_and_is_not_counted() {
    let (store, clock) = store(6400);
    for round in 0..20 {
        for subject in 0..2000 {
            assert!(passes(&store, &batch(round * 2000 + subject, 2, NoRoom::Refuse)));
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(store.evictions(), 0);
    assert!(store.len() < 6400);
}

#[test]
fn where_nothing_may_be_forgotten_there_is_no_room() {
    let (store, clock) = store(64);
    let mut refused = 0;
    for subject in 0..1000 {
        match store.consume_now(&batch(subject, 1, NoRoom::Refuse)).unwrap() {
            Ok(reply) => assert!(reply.passed),
            Err(error) => {
                assert_eq!(*error.kind(), StoreErrorKind::LimitReached { limit: 1 });
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 1000 - store.len());
    assert_eq!(store.evictions(), 0);
    clock.advance(Duration::from_secs(1));
    assert!(passes(&store, &batch(2000, 1, NoRoom::Refuse)));
}

#[test]
fn a_state_from_elsewhere_is_followed_by_its_distance() {
    let (store, clock) = store(64);
    let batch = batch(1, 10, NoRoom::Forget);
    // There, three of ten are left, by a clock of another century.
    let there =
        Reply { now_us: 1 << 50, passed: true, charged: true, before: [Tat::of_us((1 << 50) + 600_000)].into_iter().collect() };
    store.follow(&batch, &there);
    assert_eq!((0..9).filter(|_| passes(&store, &batch)).count(), 3);
    clock.advance(Duration::from_millis(100));
    assert!(passes(&store, &batch));
}
