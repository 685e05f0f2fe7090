//! A process ends at every single step of a sign-up; another one goes on a minute later.

use togglebox_billing::{Mode, SignUpState};
use togglebox_stripe_sim::Outcome;

use crate::world::{World, new_sign_up};

/// Where the process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Store(u64, bool),
    Rest(u64, bool),
}

async fn signed_up_and_crashed(end: End) -> bool {
    let world = World::new().await;
    match end {
        End::Store(call, false) => world.node.crash_at(call),
        End::Store(call, true) => world.node.crash_after(call),
        End::Rest(call, after) => world.rest.fuse.set(call, after),
    }
    let begun = world.billing.sign_up(new_sign_up("acme")).await.ok();
    // The visitor pays if there is a page; which may be so although nobody got to see its address.
    let sessions = world.truth_of_all("sessions");
    let session = sessions.first().map(|session| session["id"].as_str().unwrap().to_owned());
    if let Some(session) = &session {
        world.sim.complete_checkout(session, Outcome::Paid).unwrap();
    }
    let mut undelivered = Vec::new();
    for delivery in world.sim.take_deliveries() {
        let signature = delivery.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("stripe-signature"));
        let signature = signature.map(|(_, value)| value.as_str());
        if world.billing.receive(signature, &delivery.body).await.is_err() {
            undelivered.push(delivery);
        }
    }
    for _ in 0..5 {
        drop(world.billing.turn().await);
    }
    let has_ended = world.node.has_crashed() || world.rest.fuse.has_blown();
    world.node.revive();
    world.rest.fuse.clear();
    // Sixty seconds later another one looks, and what was not acknowledged is sent again.
    world.sim.advance(61).await;
    for delivery in undelivered {
        let again = world.sim.refuse_delivery(&delivery);
        drop(again);
    }
    world.deliver_all().await;
    world.drain().await;
    world.sim.advance(300).await;
    world.deliver_all().await;
    world.drain().await;
    let tenants: Vec<_> = world.rest.tenants.lock().unwrap().values().cloned().collect();
    if session.is_some() {
        assert_eq!(tenants.len(), 1, "{end:?}");
        let given = tenants[0].entitlement.as_ref().unwrap_or_else(|| panic!("paid, and not given: {end:?}"));
        assert_eq!((given.plan.as_deref(), given.mode), (Some("pro"), Mode::Full), "{end:?}");
        let mut welcomes: Vec<_> = world.mails("welcome:").into_iter().map(|(key, _)| key).collect();
        welcomes.dedup();
        assert_eq!(welcomes.len(), 1, "{end:?}: one mail by what it is about");
    } else {
        // Nobody could pay. Whoever asks again finds the name taken by the first attempt, which goes on, or free.
        assert!(tenants.iter().all(|tenant| tenant.entitlement.is_none()), "{end:?}");
    }
    if let Some(begun) = begun {
        let state = world.billing.sign_up_status(begun.id).await.unwrap().state;
        assert_eq!(state, SignUpState::Active, "{end:?}");
    }
    // Nothing is left over: a week later every name that was not paid for is free.
    world.sim.advance(7 * 24 * 3600).await;
    drop(world.sim.take_deliveries());
    world.drain().await;
    assert_eq!(world.store_open_sign_ups().await, 0, "{end:?}");
    let tenants = world.rest.tenants.lock().unwrap();
    assert!(tenants.values().all(|tenant| tenant.entitlement.is_some()), "{end:?}: no reservation is left");
    has_ended
}

#[tokio::test]
async fn a_crash_at_every_call_to_the_store_heals() {
    for after in [false, true] {
        let mut call = 1;
        while signed_up_and_crashed(End::Store(call, after)).await {
            call += 1;
        }
        assert!(call > 20, "there are more steps than {call}");
    }
}

#[tokio::test]
async fn a_crash_at_every_call_to_the_rest_heals() {
    for after in [false, true] {
        let mut call = 1;
        while signed_up_and_crashed(End::Rest(call, after)).await {
            call += 1;
        }
        assert!(call > 3, "there are more steps than {call}");
    }
}
