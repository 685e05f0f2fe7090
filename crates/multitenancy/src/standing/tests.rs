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

/// Every part of a standing, by itself and together with others.
fn every_standing() -> Vec<Standing> {
    let unpaid = [None, Some(Unpaid::Reserved(at(1))), Some(Unpaid::ReadOnly(at(2))), Some(Unpaid::Closed(at(3)))];
    let suspension = Some(Suspension { reason: Reason::new("abuse").unwrap(), at: at(4) });
    let deletion = Some(Deletion { at: at(5), restorable_until: at(105), purged_at: None });
    let mut all = Vec::new();
    for unpaid in unpaid {
        for past_due_since in [None, Some(at(0))] {
            for suspension in [None, suspension.clone()] {
                for deletion in [None, deletion.clone()] {
                    all.push(Standing { past_due_since, unpaid, suspension: suspension.clone(), deletion });
                }
            }
        }
    }
    all
}

#[test]
fn what_is_not_paid_for_is_past_due_unless_it_is_stopped_or_deleted() {
    for standing in every_standing() {
        let expected = match &standing {
            Standing { deletion: Some(_), .. } => TenantStatus::Deleted,
            Standing { suspension: Some(_), .. } => TenantStatus::Suspended,
            Standing { past_due_since: None, unpaid: None, .. } => TenantStatus::Active,
            _ => TenantStatus::PastDue,
        };
        assert_eq!(standing.status(), expected, "{standing:?}");
        assert_eq!(standing.takes_in(), standing.deletion.is_none() && !standing.is_reserved());
    }
    for (word, unpaid) in Unpaid::WORDS {
        assert_eq!(
            (Unpaid::parse(word, at(7)), unpaid(at(7)).as_str(), unpaid(at(7)).since()),
            (Some(unpaid(at(7))), word, at(7))
        );
    }
    assert_eq!(Unpaid::parse("Closed", at(7)), None);
}

#[test]
fn money_lifts_no_suspension_and_undoes_no_deletion() {
    let restrictions = [None, Some(Unpaid::Reserved(at(9))), Some(Unpaid::ReadOnly(at(9))), Some(Unpaid::Closed(at(9)))];
    for standing in every_standing() {
        for unpaid in restrictions {
            let next = standing.paid(Some(at(8)), unpaid);
            assert_eq!((&next.suspension, &next.deletion), (&standing.suspension, &standing.deletion));
            if matches!(unpaid, Some(Unpaid::Reserved(_))) {
                assert_eq!(next, standing, "nobody becomes reserved, and nobody stops being so");
            } else {
                assert_eq!((next.past_due_since, next.unpaid), (Some(at(8)), unpaid));
            }
            assert_eq!(next.paid(Some(at(8)), unpaid), next, "twice is once");
        }
    }
    let reserved = Standing { unpaid: Some(Unpaid::Reserved(at(1))), ..Standing::default() };
    assert_eq!(reserved.after(&Step::Settle, at(2)).unwrap(), Standing::default());
}

#[test]
fn what_is_deleted_may_do_nothing_whatever_the_policy() {
    let everything = AccessPolicy {
        past_due: Allowed::EVERYTHING,
        unpaid: Allowed::EVERYTHING,
        closed: Allowed::EVERYTHING,
        suspended: Allowed::EVERYTHING,
        ..AccessPolicy::default()
    };
    for standing in every_standing() {
        let nothing = standing.deletion.is_some() || standing.is_reserved();
        let expected = if nothing { Allowed::NOTHING } else { Allowed::EVERYTHING };
        assert_eq!(everything.allowed(&standing), expected, "{standing:?}");
    }
}

#[test]
fn the_usual_policy_leaves_clients_alone_and_closes_the_rest_step_by_step() {
    let policy = AccessPolicy::default();
    let looking_on = Allowed { management: false, reading: true, evaluation: true };
    for standing in every_standing() {
        let expected = match (&standing.deletion, &standing.unpaid, &standing.suspension) {
            (Some(_), ..) | (_, Some(Unpaid::Reserved(_)), _) => Allowed::NOTHING,
            (None, _, Some(_)) | (None, Some(Unpaid::Closed(_)), None) => Allowed::EVALUATION,
            (None, Some(Unpaid::ReadOnly(_)), None) => looking_on,
            (None, None, None) => Allowed::EVERYTHING,
        };
        assert_eq!(policy.allowed(&standing), expected, "{standing:?}");
    }
    // Two restrictions leave what each of them leaves.
    let strict = AccessPolicy { unpaid: Allowed { evaluation: false, ..looking_on }, ..policy };
    let both = Standing { unpaid: Some(Unpaid::ReadOnly(at(1))), ..standings()[2].clone() };
    assert_eq!(strict.allowed(&both), Allowed::NOTHING);
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
    fn every_walk_keeps_the_rules(start in 0..every_standing().len(), walk in prop::collection::vec((step(), 0_u64..100), 0..40)) {
        let mut standing = every_standing().swap_remove(start);
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
                    if standing.unpaid != next.unpaid {
                        prop_assert_eq!((&step, next.unpaid), (&Step::Settle, None));
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

#[test]
fn clients_of_who_does_not_pay_go_on_for_as_long_as_was_said() {
    let day = Duration::from_hours(24);
    let limited = AccessPolicy { unpaid_evaluation: Some(day), closed_evaluation: Some(2 * day), ..AccessPolicy::default() };
    let of = |policy: &AccessPolicy, unpaid| policy.evaluation_until(&Standing { unpaid, ..Standing::default() });
    assert_eq!(of(&limited, Some(Unpaid::ReadOnly(at(9)))), Some(at(9).plus(day)));
    assert_eq!(of(&limited, Some(Unpaid::Closed(at(9)))), Some(at(9).plus(2 * day)));
    assert_eq!((of(&limited, Some(Unpaid::Reserved(at(9)))), of(&limited, None)), (None, None));
    assert_eq!(of(&AccessPolicy::default(), Some(Unpaid::Closed(at(9)))), None, "without an end, unless one is said");
}
