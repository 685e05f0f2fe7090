use std::collections::BTreeMap;

use togglebox_billing::Interval;
use togglebox_core::{Actor, Email};
use togglebox_multitenancy::Person;
use togglebox_storage::Sqlite;
use uuid::Uuid;

use super::super::super::testing::Place;
use super::*;

/// Keeps what it is handed.
#[derive(Default)]
struct Shelf {
    letters: Mutex<Vec<Letter>>,
    /// What happens to mails to an address, so often.
    answers: Mutex<BTreeMap<&'static str, (Option<Handed>, usize)>>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

#[async_trait]
impl Post for Shelf {
    async fn deliver(&self, letter: Letter) -> Result<Handed, MailError> {
        if let Some((answer, left)) = self.answers.lock().unwrap().get_mut(letter.to.as_str())
            && *left > 0
        {
            *left -= 1;
            return answer.ok_or_else(|| MailError::new("nobody answers"));
        }
        self.letters.lock().unwrap().push(letter);
        Ok(Handed::Over)
    }
}

impl Shelf {
    fn readers(&self) -> Vec<String> {
        self.letters.lock().unwrap().iter().map(|letter| letter.to.to_string()).collect()
    }
}

fn notices(place: &Place, post: Option<Arc<dyn Post>>) -> Notices {
    let wording = Wording {
        plans: Arc::default(),
        workspace_url: "https://{subdomain}.example.com".to_owned(),
        billing_url: "https://app.example.com/billing".to_owned(),
        plans_url: "https://app.example.com/plans".to_owned(),
        access: AccessRules::default(),
        bills_usage: true,
        base: "example.com".to_owned(),
    };
    Notices::new(post, (Arc::<Sqlite>::clone(&place.store), Arc::<Sqlite>::clone(&place.store)), wording)
}

/// A workspace of Ann's with Bo, who is an admin too, and Cy, who is none.
async fn three(place: &Place) -> Tenant {
    let tenant = place.workspace("acme").await;
    for (number, email, role) in [(2, "bo@example.com", MemberRole::Admin), (3, "cy@example.com", MemberRole::Developer)] {
        let email = Email::new(email).unwrap();
        let issued = place.tenancy.invite(tenant.id, &Actor::system(), tenant.owner, email.clone(), role).await.unwrap();
        place.tenancy.accept(&issued.token, &Person { user: Uuid::from_u128(number), email }).await.unwrap();
    }
    tenant
}

fn changed() -> Notice {
    Notice::PlanChanged { plan: "pro".into(), interval: Interval::Yearly }
}

#[tokio::test]
async fn the_owner_and_the_admins_are_told_and_nobody_else() {
    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let tenant = three(&place).await;
    let notices = notices(&place, Some(Arc::<Shelf>::clone(&post)));
    notices.notify(tenant.id, "plan_changed:1", &changed()).await.unwrap();
    assert_eq!(post.readers(), ["ann@example.com", "bo@example.com"]);
    let letters = post.letters.lock().unwrap();
    assert_eq!(letters[0].subject, "Acme is on the plan Pro");
    assert_eq!(letters[0].list.as_deref(), Some("billing.example.com"));
    assert_ne!(letters[0].id, letters[1].id);
}

#[tokio::test]
async fn who_has_used_all_hears_what_becomes_of_the_rest() {
    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let notices = notices(&place, Some(Arc::<Shelf>::clone(&post)));
    let full = Notice::Quota { percent: 100, usage: 5, included: 5 };
    let free = place.workspace("acme").await;
    notices.notify(free.id, "quota:1", &full).await.unwrap();
    let pro = Some("pro".parse().unwrap());
    let entitled = togglebox_multitenancy::manage::Entitled { plan: pro, ..Default::default() };
    place.tenancy.entitle(free.id, &Actor::system(), &entitled).await.unwrap();
    notices.notify(free.id, "quota:2", &full).await.unwrap();
    let letters = post.letters.lock().unwrap();
    let told = [0, 1].map(|place: usize| letters[place].page.text());
    assert!(told[0].contains("are refused until the period is over"), "{}", told[0]);
    assert!(told[1].contains("are served, and billed"), "{}", told[1]);
}

#[tokio::test]
async fn the_same_notice_is_the_same_mail_whichever_node_sends_it() {
    let (place, one, other) = (Place::new().await, Arc::new(Shelf::default()), Arc::new(Shelf::default()));
    let tenant = three(&place).await;
    for post in [&one, &other] {
        let notices = notices(&place, Some(Arc::<Shelf>::clone(post)));
        notices.notify(tenant.id, "canceled:sub_1", &Notice::Canceled).await.unwrap();
        notices.notify(tenant.id, "canceled:sub_2", &Notice::Canceled).await.unwrap();
    }
    let ids = |post: &Shelf| post.letters.lock().unwrap().iter().map(|letter| letter.id.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&other));
    let different: HashSet<String> = ids(&one).into_iter().collect();
    assert_eq!(different.len(), 4);
    assert!(different.iter().all(|id| id.len() == 40 && !id.contains("sub") && !id.contains("ann")), "{different:?}");
}

#[tokio::test]
async fn who_could_not_be_told_is_told_later_and_the_others_not_twice() {
    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let tenant = three(&place).await;
    post.answers.lock().unwrap().insert("ann@example.com", (None, 2));
    let notices = notices(&place, Some(Arc::<Shelf>::clone(&post)));
    for _ in 0..2 {
        let failed = notices.notify(tenant.id, "k", &changed()).await;
        assert!(matches!(failed, Err(PortError::Unavailable(_))), "{failed:?}");
        assert_eq!(post.readers(), ["bo@example.com"]);
    }
    notices.notify(tenant.id, "k", &changed()).await.unwrap();
    notices.notify(tenant.id, "k", &changed()).await.unwrap();
    assert_eq!(post.readers(), ["bo@example.com", "ann@example.com"]);
}

#[tokio::test]
async fn an_address_that_does_not_exist_holds_nobody_up() {
    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let tenant = three(&place).await;
    post.answers.lock().unwrap().insert("ann@example.com", (Some(Handed::ToNobody), usize::MAX));
    notices(&place, Some(Arc::<Shelf>::clone(&post))).notify(tenant.id, "k", &changed()).await.unwrap();
    assert_eq!(post.readers(), ["bo@example.com"]);
}

#[tokio::test]
async fn without_mail_or_without_a_workspace_it_counts_as_done() {
    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let tenant = place.workspace("acme").await;
    notices(&place, None).notify(tenant.id, "k", &changed()).await.unwrap();
    let gone = TenantId::from_uuid(Uuid::from_u128(99));
    notices(&place, Some(Arc::<Shelf>::clone(&post))).notify(gone, "k", &changed()).await.unwrap();
    assert!(post.readers().is_empty());
}

#[tokio::test]
async fn who_signed_up_in_vain_hears_of_it_though_the_workspace_is_given_up() {
    use togglebox_billing::{Reservation, Tenants as _};

    use super::super::tenants::Workspaces;

    let (place, post) = (Place::new().await, Arc::new(Shelf::default()));
    let workspaces = Workspaces::new(Arc::clone(&place.tenancy), Arc::<togglebox_core::ManualClock>::clone(&place.clock));
    let tenant = TenantId::from_uuid(Uuid::from_u128(7));
    let reservation = Reservation {
        tenant,
        name: "Acme".into(),
        subdomain: "acme".into(),
        plan: "pro".into(),
        owner: Uuid::from_u128(1),
        email: "ann@example.com".into(),
    };
    workspaces.reserve(&reservation).await.unwrap();
    workspaces.discard(tenant).await.unwrap();
    notices(&place, Some(Arc::<Shelf>::clone(&post))).notify(tenant, "signup_failed:1", &Notice::SignUpFailed).await.unwrap();
    assert_eq!(post.readers(), ["ann@example.com"]);
}

#[test]
fn what_was_sent_is_not_remembered_for_ever() {
    let mut sent = Sent::default();
    for number in 0..=Sent::MOST {
        sent.add(number.to_string());
        sent.add(number.to_string());
    }
    assert_eq!((sent.ids.len(), sent.order.len()), (Sent::MOST, Sent::MOST));
    assert!(!sent.ids.contains("0") && sent.ids.contains("1"));
}
