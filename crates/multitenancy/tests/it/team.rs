use std::time::Duration;

use secrecy::ExposeSecret as _;
use togglebox_core::testkit::{At, Fault};
use togglebox_core::{Change, Email, PageRequest};
use togglebox_multitenancy::manage::TenancyError;
use togglebox_multitenancy::{InvitationToken, MemberRole, Person, Reason, TenantStatus};
use uuid::Uuid;

use crate::app::{App, actor, person};

#[tokio::test]
async fn an_invited_person_joins_with_the_link_of_the_mail() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let issued = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Developer).await.unwrap();
    assert!(issued.mailed);
    assert_eq!(*app.post.sent.lock().unwrap(), [("person1@example.com".to_owned(), "acme".to_owned())]);
    let token = InvitationToken::read(issued.token.secret()).unwrap();
    let (host, shown) = app.tenancy.invitation(&token).await.unwrap();
    assert_eq!((host.id, shown), (acme.id, issued.invitation));
    let shouting = Person { email: Email::new("PERSON1@example.com").unwrap(), ..person(1) };
    let joined = app.tenancy.accept(&token, &shouting).await.unwrap();
    assert_eq!((joined.role, joined.user), (MemberRole::Developer, person(1).user));
    assert_eq!(app.last_notice(), Change::Members { tenant: acme.id, revision: joined.version });
    assert!(matches!(app.tenancy.accept(&token, &person(1)).await, Err(TenancyError::InvalidInvitation)), "once");
    assert_eq!(app.tenancy.member_count(acme.id).await.unwrap(), 2);
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "invitation.create", "member.join"]);
    for record in app.records(acme.id).await {
        let text = format!("{record:?}");
        assert!(!text.contains(&issued.token.secret().expose_secret()[40..]), "no token in the audit log");
    }
}

#[tokio::test]
async fn only_the_account_that_was_invited_joins() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let issued = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await.unwrap();
    assert!(matches!(app.tenancy.accept(&issued.token, &person(2)).await, Err(TenancyError::OtherAddress)));
    let itself = Person { email: person(1).email, ..person(0) };
    assert!(matches!(app.tenancy.accept(&issued.token, &itself).await, Err(TenancyError::AlreadyMember)));
    app.tenancy.suspend(acme.id, &actor(), Reason::new("abuse").unwrap(), None).await.unwrap();
    let stopped = app.tenancy.accept(&issued.token, &person(1)).await;
    assert!(matches!(stopped, Err(TenancyError::NotAllowed(TenantStatus::Suspended))));
    app.tenancy.resume(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(Duration::from_hours(168));
    assert!(matches!(app.tenancy.accept(&issued.token, &person(1)).await, Err(TenancyError::InvalidInvitation)));
}

#[tokio::test]
async fn an_invitation_sent_again_has_another_link() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let first = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await.unwrap();
    let twice = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Admin).await;
    assert!(matches!(twice, Err(TenancyError::AlreadyInvited)));
    app.clock.advance(Duration::from_hours(144));
    let second = app.tenancy.resend(acme.id, &actor(), person(0).user, first.invitation.id).await.unwrap();
    app.clock.advance(Duration::from_hours(144));
    assert!(matches!(app.tenancy.accept(&first.token, &person(1)).await, Err(TenancyError::InvalidInvitation)));
    app.tenancy.accept(&second.token, &person(1)).await.unwrap();
    assert_eq!(app.post.sent.lock().unwrap().len(), 2);
}

/// Its link would lead nowhere.
#[tokio::test]
async fn nobody_is_written_to_for_a_deleted_tenant() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let issued = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await.unwrap();
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    let again = app.tenancy.resend(acme.id, &actor(), person(0).user, issued.invitation.id).await;
    assert!(matches!(again, Err(TenancyError::TenantNotFound)));
    let other = app.tenancy.invite(acme.id, &actor(), person(0).user, person(2).email, MemberRole::Viewer).await;
    assert!(matches!(other, Err(TenancyError::TenantNotFound)));
    assert_eq!(app.post.sent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_invitation_is_worth_nothing() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let issued = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await.unwrap();
    app.tenancy.revoke(acme.id, &actor(), issued.invitation.id).await.unwrap();
    assert!(matches!(app.tenancy.accept(&issued.token, &person(1)).await, Err(TenancyError::InvalidInvitation)));
    let again = app.tenancy.revoke(acme.id, &actor(), issued.invitation.id).await;
    assert!(matches!(again, Err(TenancyError::InvitationNotFound)));
    assert!(matches!(
        app.tenancy.resend(acme.id, &actor(), person(0).user, issued.invitation.id).await,
        Err(TenancyError::InvitationNotFound)
    ));
    assert_eq!(app.tenancy.invitations(acme.id, &PageRequest::first(10)).await.unwrap().items, []);
}

#[tokio::test]
async fn an_invitation_that_could_not_be_mailed_stands() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    *app.post.closed.lock().unwrap() = true;
    let issued = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await.unwrap();
    assert!(!issued.mailed);
    *app.post.closed.lock().unwrap() = false;
    assert!(app.tenancy.resend(acme.id, &actor(), person(0).user, issued.invitation.id).await.unwrap().mailed);
}

/// The free plan has three places; one person has each.
#[tokio::test]
async fn a_plan_limits_members_when_they_are_invited_and_when_they_accept() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    app.joined(acme.id, 1, MemberRole::Viewer).await;
    let one = app.tenancy.invite(acme.id, &actor(), person(0).user, person(2).email, MemberRole::Viewer).await.unwrap();
    let two = app.tenancy.invite(acme.id, &actor(), person(0).user, person(3).email, MemberRole::Viewer).await.unwrap();
    app.tenancy.accept(&one.token, &person(2)).await.unwrap();
    assert!(matches!(app.tenancy.accept(&two.token, &person(3)).await, Err(TenancyError::MemberLimit { usage: 3, limit: 3 })));
    let more = app.tenancy.invite(acme.id, &actor(), person(0).user, person(4).email, MemberRole::Viewer).await;
    assert!(matches!(more, Err(TenancyError::MemberLimit { usage: 3, limit: 3 })));
    app.tenancy.change_plan(acme.id, &actor(), "pro".parse().unwrap(), None, None).await.unwrap();
    app.tenancy.accept(&two.token, &person(3)).await.unwrap();
    app.tenancy.change_plan(acme.id, &actor(), "free".parse().unwrap(), None, None).await.unwrap();
    assert_eq!(app.tenancy.member_count(acme.id).await.unwrap(), 4, "who is there stays");
}

#[tokio::test]
async fn roles_change_and_members_go() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let bob = app.joined(acme.id, 1, MemberRole::Viewer).await;
    let made = app.tenancy.change_role(acme.id, &actor(), bob.user, MemberRole::Developer, Some(bob.version)).await.unwrap();
    assert_eq!(app.last_notice(), Change::Members { tenant: acme.id, revision: made.version });
    let late = app.tenancy.change_role(acme.id, &actor(), bob.user, MemberRole::Admin, Some(bob.version)).await;
    assert!(matches!(late, Err(TenancyError::Conflict { current }) if current == made.version));
    let same = app.tenancy.change_role(acme.id, &actor(), bob.user, MemberRole::Developer, None).await.unwrap();
    assert_eq!(same, made);
    let late = app.tenancy.remove_member(acme.id, &actor(), bob.user, Some(bob.version)).await;
    assert!(matches!(late, Err(TenancyError::Conflict { .. })));
    app.faults.inject(At::operation("members.remove"), Fault::After);
    app.tenancy.remove_member(acme.id, &actor(), bob.user, None).await.unwrap();
    assert!(matches!(app.tenancy.member(acme.id, bob.user).await, Err(TenancyError::MemberNotFound)));
    let gone = app.tenancy.remove_member(acme.id, &actor(), bob.user, None).await;
    assert!(matches!(gone, Err(TenancyError::MemberNotFound)));
    let mut actions = app.actions(acme.id).await;
    assert_eq!(actions.split_off(3), ["member.role", "member.remove"]);
}

#[tokio::test]
async fn the_owner_stays_until_the_tenant_is_handed_over() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (person(0).user, app.joined(acme.id, 1, MemberRole::Developer).await.user);
    assert!(matches!(app.tenancy.remove_member(acme.id, &actor(), ann, None).await, Err(TenancyError::OwnerStays)));
    let demoted = app.tenancy.change_role(acme.id, &actor(), ann, MemberRole::Viewer, None).await;
    assert!(matches!(demoted, Err(TenancyError::OwnerStays)));
    assert!(matches!(app.tenancy.transfer(acme.id, &actor(), ann, bob).await, Err(TenancyError::NotAnAdmin)));
    app.tenancy.change_role(acme.id, &actor(), bob, MemberRole::Admin, None).await.unwrap();
    assert!(matches!(app.tenancy.transfer(acme.id, &actor(), bob, bob).await, Err(TenancyError::NotTheOwner)));
    let stranger = person(7).user;
    assert!(matches!(app.tenancy.transfer(acme.id, &actor(), ann, stranger).await, Err(TenancyError::MemberNotFound)));
    let handed = app.tenancy.transfer(acme.id, &actor(), ann, bob).await.unwrap();
    assert_eq!(handed.owner, bob);
    app.tenancy.remove_member(acme.id, &actor(), ann, None).await.unwrap();
    let left = app.tenancy.members(acme.id, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(left.iter().map(|member| (member.user, member.role)).collect::<Vec<_>>(), [(bob, MemberRole::Admin)]);
}

/// What they have sent is worth nothing from then on, and does not come back with them.
#[tokio::test]
async fn who_is_no_admin_any_more_has_invited_nobody() {
    for demoted in [true, false] {
        let app = App::start().await;
        let acme = app.tenant("acme").await;
        app.tenancy.change_plan(acme.id, &actor(), "pro".parse().unwrap(), None, None).await.unwrap();
        app.joined(acme.id, 1, MemberRole::Admin).await;
        let invite = async |inviter: u8, n: u8| {
            let issued = app.tenancy.invite(acme.id, &actor(), person(inviter).user, person(n).email, MemberRole::Admin).await;
            issued.unwrap()
        };
        let (of_theirs, more, of_owner) = (invite(1, 2).await, invite(1, 3).await, invite(0, 4).await);
        app.tenancy.accept(&of_theirs.token, &person(2)).await.unwrap();
        if demoted {
            app.tenancy.change_role(acme.id, &actor(), person(1).user, MemberRole::Viewer, None).await.unwrap();
        } else {
            app.tenancy.remove_member(acme.id, &actor(), person(1).user, None).await.unwrap();
        }
        let waiting = app.tenancy.invitations(acme.id, &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(waiting, std::slice::from_ref(&of_owner.invitation));
        assert_eq!(app.actions(acme.id).await.pop().unwrap(), "invitation.revoke");
        if demoted {
            app.tenancy.change_role(acme.id, &actor(), person(1).user, MemberRole::Admin, None).await.unwrap();
        }
        assert!(matches!(app.tenancy.invitation(&more.token).await, Err(TenancyError::InvalidInvitation)));
        assert!(matches!(app.tenancy.accept(&more.token, &person(3)).await, Err(TenancyError::InvalidInvitation)));
        app.tenancy.accept(&of_owner.token, &person(4)).await.unwrap();
    }
}

/// The node dies between the two writes, or the store is away for the second.
#[tokio::test]
async fn what_was_not_taken_back_is_worth_nothing_either() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    app.joined(acme.id, 1, MemberRole::Admin).await;
    let issued = app.tenancy.invite(acme.id, &actor(), person(1).user, person(2).email, MemberRole::Admin).await.unwrap();
    app.faults.inject(At::operation("invitations.revoke").next(2), Fault::Before);
    app.tenancy.remove_member(acme.id, &actor(), person(1).user, None).await.unwrap();
    assert_eq!(app.tenancy.invitations(acme.id, &PageRequest::first(10)).await.unwrap().items.len(), 1);
    assert!(matches!(app.tenancy.invitation(&issued.token).await, Err(TenancyError::InvalidInvitation)));
    assert!(matches!(app.tenancy.accept(&issued.token, &person(2)).await, Err(TenancyError::InvalidInvitation)));
    assert_eq!(app.tenancy.revoke_void(acme.id, &actor()).await.unwrap(), 1);
    assert_eq!(app.tenancy.revoke_void(acme.id, &actor()).await.unwrap(), 0);
}

/// As an earlier version has left it, which did not keep who invites.
#[tokio::test]
async fn an_invitation_that_is_nobodys_waits_to_be_sent_again() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let issued = app.tenancy.invite(acme.id, &actor(), Uuid::nil(), person(1).email, MemberRole::Viewer).await.unwrap();
    assert!(matches!(app.tenancy.accept(&issued.token, &person(1)).await, Err(TenancyError::InvalidInvitation)));
    assert_eq!(app.tenancy.revoke_void(acme.id, &actor()).await.unwrap(), 0);
    let again = app.tenancy.resend(acme.id, &actor(), person(0).user, issued.invitation.id).await.unwrap();
    app.tenancy.accept(&again.token, &person(1)).await.unwrap();
}
