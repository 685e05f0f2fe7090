use proptest::prelude::*;

use super::*;

const GRACE: Duration = Duration::from_secs(100);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
}

fn suspend() -> Step {
    Step::Suspend(Reason::new("abuse").unwrap())
}

/// One of each status.
fn standings() -> [Standing; 4] {
    let active = Standing::default();
    let after = |step: &Step| active.after(step, at(0)).unwrap();
    [after(&Step::Settle), after(&Step::MarkPastDue), after(&suspend()), after(&Step::Delete { grace: GRACE })]
}

#[test]
fn the_table_is_what_the_documentation_shows() {
    use TenantStatus::{Active, Deleted, PastDue, Suspended};
    let table = [
        (suspend(), [Some(Suspended), Some(Suspended), Some(Suspended), None]),
        (Step::Resume, [None, None, Some(Active), None]),
        (Step::MarkPastDue, [Some(PastDue), Some(PastDue), Some(Suspended), None]),
        (Step::Settle, [Some(Active), Some(Active), Some(Suspended), None]),
        (Step::Delete { grace: GRACE }, [Some(Deleted), Some(Deleted), Some(Deleted), None]),
        (Step::Restore, [None, None, None, Some(Active)]),
        (Step::Purge, [None, None, None, None]),
    ];
    for (step, expected) in table {
        for (standing, expected) in standings().iter().zip(expected) {
            let after = standing.after(&step, at(99));
            assert_eq!(after.as_ref().ok().map(Standing::status), expected, "{step:?} from {:?}", standing.status());
        }
    }
}

#[test]
fn grace_ends_at_its_last_moment() {
    let [.., deleted] = standings();
    let end = at(100);
    assert_eq!(deleted.after(&Step::Purge, at(99)), Err(StepRefused::GraceGoesOn(end)));
    assert_eq!(deleted.after(&Step::Restore, at(99)).unwrap(), Standing::default());
    assert_eq!(deleted.after(&Step::Restore, at(100)), Err(StepRefused::GraceIsOver(end)));
    let purged = deleted.after(&Step::Purge, at(100)).unwrap();
    assert!(purged.is_purged() && !deleted.is_purged());
    for step in [Step::Restore, Step::Purge] {
        assert_eq!(purged.after(&step, at(50)), Err(StepRefused::Purged), "{step:?}, whatever the clock says");
    }
}

#[test]
fn what_was_so_underneath_comes_back() {
    let mut standing = Standing::default();
    for (step, second) in [(Step::MarkPastDue, 1), (suspend(), 2), (Step::Delete { grace: GRACE }, 3), (Step::Restore, 4)] {
        standing = standing.after(&step, at(second)).unwrap();
    }
    assert_eq!(standing.status(), TenantStatus::Suspended);
    let resumed = standing.after(&Step::Resume, at(5)).unwrap();
    assert_eq!(resumed.status(), TenantStatus::PastDue);
    let paid = standing.after(&Step::Settle, at(5)).unwrap();
    assert_eq!(paid.status(), TenantStatus::Suspended, "money does not lift a suspension");
    assert_eq!(paid.after(&Step::Resume, at(6)).unwrap(), Standing::default());
}

#[test]
fn the_first_notice_and_the_first_suspension_count() {
    let [_, past_due, suspended, _] = standings();
    assert_eq!(past_due.after(&Step::MarkPastDue, at(9)).unwrap(), past_due);
    let again = suspended.after(&Step::Suspend(Reason::new("fraud").unwrap()), at(9)).unwrap().suspension.unwrap();
    assert_eq!((again.reason.as_str(), again.at), ("fraud", at(0)));
}

#[test]
fn words_and_reasons_read_back() {
    for (word, status) in TenantStatus::WORDS {
        assert_eq!((TenantStatus::parse(word), status.as_str()), (Some(status), word));
    }
    assert_eq!(TenantStatus::parse("Active"), None);
    assert_eq!(Reason::new(" abuse ").unwrap().as_str(), "abuse");
    assert_eq!(Reason::new(" "), Err(InvalidReason));
    assert_eq!(Reason::new(&"x".repeat(501)), Err(InvalidReason));
}

#[test]
fn what_is_deleted_may_do_nothing_whatever_the_policy() {
    let policy = AccessPolicy { past_due: Allowed::NOTHING, suspended: Allowed::EVERYTHING };
    assert_eq!(policy.allowed(TenantStatus::Active), Allowed::EVERYTHING);
    assert_eq!(policy.allowed(TenantStatus::PastDue), Allowed::NOTHING);
    assert_eq!(policy.allowed(TenantStatus::Suspended), Allowed::EVERYTHING);
    assert_eq!(policy.allowed(TenantStatus::Deleted), Allowed::NOTHING);
    let usual = AccessPolicy::default().allowed(TenantStatus::Suspended);
    assert!(usual.evaluation && !usual.management);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        "[a-z]{1,4}".prop_map(|reason| Step::Suspend(Reason::new(&reason).unwrap())),
        Just(Step::Resume),
        Just(Step::MarkPastDue),
        Just(Step::Settle),
        (0_u64..50).prop_map(|seconds| Step::Delete { grace: Duration::from_secs(seconds) }),
        Just(Step::Restore),
        Just(Step::Purge),
    ]
}

proptest! {
    /// Whatever the steps, in whatever order, also when the clock jumps.
    #[test]
    fn every_walk_keeps_the_rules(walk in prop::collection::vec((step(), 0_u64..100), 0..40)) {
        let mut standing = Standing::default();
        for (step, second) in walk {
            let now = at(second);
            match standing.after(&step, now) {
                Err(_) => {}
                Ok(next) => {
                    prop_assert!(!standing.is_purged(), "{:?} led out of a purge", step);
                    if next.is_purged() {
                        prop_assert_eq!(&step, &Step::Purge);
                        prop_assert!(standing.deletion.as_ref().is_some_and(|deletion| deletion.restorable_until <= now));
                    }
                    if standing.status() == TenantStatus::Deleted && next.status() != TenantStatus::Deleted {
                        prop_assert_eq!(&step, &Step::Restore);
                        prop_assert_eq!(&Standing { deletion: None, ..standing.clone() }, &next, "restored as it was");
                    }
                    if standing.suspension.is_some() && next.suspension.is_none() {
                        prop_assert_eq!(&step, &Step::Resume);
                    }
                    standing = next;
                }
            }
        }
    }
}
