use std::collections::VecDeque;
use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::json;
use togglebox_auth::{Email, KeyHash, PasswordHash, Role};
use togglebox_core::{Actor, Revision, Timestamp};
use togglebox_storage::transfer::record::{ApiKey, Audit, Environment, Platform, Tenant, User};
use togglebox_storage::transfer::{Reader, Restored};
use togglebox_toggles::{EnvironmentName, PlatformName};

use super::super::testing::{OWNER, Place};
use super::*;

/// Stands in what must not leave.
const SECRET: &str = "$argon2id$v=19$OnlyForTheInstallation";

fn at() -> Timestamp {
    Timestamp::from_ms(1_780_000_000_000)
}

fn tenant(directory: u64) -> Record {
    Tenant { directory: Revision::new(directory), accounts: Revision::new(3) }.into()
}

fn platform() -> Record {
    Platform {
        name: PlatformName::new("web").unwrap(),
        id: Uuid::from_u128(10),
        description: None,
        created_by: Some(Actor::system()),
        created_at: at(),
        revision: Revision::new(1),
    }
    .into()
}

fn environment(contents: u64) -> Record {
    Environment {
        id: Uuid::from_u128(11),
        platform: PlatformName::new("web").unwrap(),
        name: EnvironmentName::new("prod").unwrap(),
        description: None,
        created_by: None,
        created_at: at(),
        revision: Revision::new(2),
        contents_revision: Revision::new(contents),
        changed_at: at(),
    }
    .into()
}

fn user(id: Uuid, name: &str) -> Record {
    User {
        id,
        name: Some(name.to_owned()),
        email: Email::new(&format!("{name}@example.com")).unwrap(),
        password: PasswordHash::new(SECRET),
        role: Role::Admin,
        created_at: at(),
        updated_at: at(),
        tokens_valid_from: at(),
        revision: Revision::new(2),
    }
    .into()
}

fn key(user: Uuid) -> Record {
    ApiKey {
        id: Uuid::from_u128(12),
        user,
        name: "ci".to_owned(),
        hash: KeyHash([0xab; 32]),
        prefix: "tbx_live".to_owned(),
        last4: "wxyz".to_owned(),
        permissions: vec!["config:read".to_owned()],
        expires_at: None,
        last_used_at: None,
        created_at: at(),
    }
    .into()
}

fn audit(n: u128, bytes: usize) -> Record {
    Audit {
        id: Uuid::from_u128(n),
        at: at(),
        actor: Actor::system(),
        action: "flag.update".to_owned(),
        platform: None,
        environment: None,
        target: "dark".to_owned(),
        before: None,
        after: Some(json!({ "text": "x".repeat(bytes) })),
        revision: Revision::new(1),
    }
    .into()
}

/// The lines that come, page by page.
async fn pages(file: &mut WorkspaceFile) -> StoreResult<Vec<Bytes>> {
    let mut pages = Vec::new();
    while let Some(page) = file.next().await? {
        pages.push(page);
    }
    Ok(pages)
}

fn read(file: &[u8]) -> (Header, Vec<Record>) {
    let (header, mut reader) = Reader::begin(file).unwrap();
    let mut records = Vec::new();
    while let Some(line) = reader.next_record().unwrap() {
        records.push(line.record);
    }
    assert_eq!(reader.summary().unwrap().contents.total(), records.len() as u64);
    (header, records)
}

#[tokio::test]
async fn a_workspace_leaves_with_its_members_and_without_secrets_or_strangers() {
    let place = Place::new().await;
    let (acme, globex) = (place.workspace("acme").await, place.workspace("globex").await);
    let visitor = Uuid::from_u128(77);
    let records =
        [tenant(2), platform(), environment(0), user(OWNER, "ann"), user(visitor, "operator"), key(OWNER), audit(100, 10)];
    place.store.restore(acme.id, &records).await.unwrap();
    place.store.restore(globex.id, &[tenant(9), user(OWNER, "ann"), audit(101, 10)]).await.unwrap();
    let workspaces = workspaces(&place, Arc::<togglebox_storage::Sqlite>::clone(&place.store));
    let mut file = workspaces.file(acme.id).await.unwrap();
    let bytes = pages(&mut file).await.unwrap().concat();
    let contents = file.contents().unwrap().clone();
    let text = String::from_utf8(bytes.clone()).unwrap();
    for secret in [SECRET, "abab", "wxyz", "operator@example.com", "globex", &globex.id.to_string()] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let (header, read) = read(&bytes);
    assert_eq!((header.tenant, header.engine.as_str(), header.key_secret), (acme.id, "sqlite", None));
    assert!(header.product.starts_with("togglebox-cloud "), "{}", header.product);
    let kinds: Vec<Kind> = read.iter().map(Record::kind).collect();
    let expected = [Kind::Tenant, Kind::Platform, Kind::Environment, Kind::User];
    assert_eq!((&kinds[..4], &kinds[4..]), (&expected[..], &vec![Kind::Audit; kinds.len() - 4][..]));
    let Record::User(owner) = &read[3] else { panic!("{read:?}") };
    assert_eq!((owner.id, owner.password.expose()), (OWNER, "!"));
    assert_eq!(contents.total(), read.len() as u64);
    // What an empty store takes in, and tells again in the same words.
    let fresh = togglebox_storage::Sqlite::in_memory().await.unwrap();
    fresh.restore(TenantId::DEFAULT, &read).await.unwrap();
    let mut again = Contents::new();
    let mut dump = fresh.dump(TenantId::DEFAULT).await.unwrap();
    loop {
        let records = dump.next(PAGE).await.unwrap();
        if records.is_empty() {
            break;
        }
        for record in &records {
            again.add(record).unwrap();
        }
    }
    assert_eq!(again, contents);
}

fn workspaces(place: &Place, store: Arc<dyn Transfer>) -> Workspaces {
    Workspaces::new(
        store,
        Arc::<togglebox_storage::Sqlite>::clone(&place.store),
        Arc::<togglebox_core::ManualClock>::clone(&place.clock),
    )
}

/// A store without a view of one moment: what it holds at each dump.
#[derive(Debug, Default)]
struct Shifting {
    dumps: Mutex<VecDeque<Vec<Record>>>,
    /// How many records were asked for, each time.
    asked: Arc<Mutex<Vec<usize>>>,
}

struct Told(std::vec::IntoIter<Record>, Arc<Mutex<Vec<usize>>>);

#[async_trait]
impl Transfer for Shifting {
    fn engine(&self) -> &'static str {
        "shifting"
    }

    async fn dump(&self, _tenant: TenantId) -> StoreResult<Box<dyn Dump>> {
        let records = self.dumps.lock().unwrap().pop_front().unwrap();
        Ok(Box::new(Told(records.into_iter(), Arc::clone(&self.asked))))
    }

    async fn restore(&self, _tenant: TenantId, _records: &[Record]) -> StoreResult<Restored> {
        panic!("an export writes nothing")
    }

    async fn complete(&self, _tenant: TenantId) -> StoreResult<()> {
        panic!("an export writes nothing")
    }
}

#[async_trait]
impl Dump for Told {
    fn is_of_one_moment(&self) -> bool {
        false
    }

    async fn next(&mut self, limit: usize) -> StoreResult<Vec<Record>> {
        self.1.lock().unwrap().push(limit);
        Ok(self.0.by_ref().take(limit).collect())
    }
}

async fn exported(dumps: impl IntoIterator<Item = Vec<Record>>) -> (StoreResult<Vec<Bytes>>, Vec<usize>) {
    let place = Place::new().await;
    let acme = place.workspace("acme").await;
    let store = Arc::new(Shifting { dumps: Mutex::new(dumps.into_iter().collect()), asked: Arc::default() });
    let workspaces = workspaces(&place, Arc::<Shifting>::clone(&store));
    let mut file = workspaces.file(acme.id).await.unwrap();
    let pages = pages(&mut file).await;
    let asked = store.asked.lock().unwrap().clone();
    (pages, asked)
}

#[tokio::test]
async fn a_workspace_that_is_changed_while_it_is_read_has_no_end() {
    let stands = || vec![tenant(2), platform(), environment(4), audit(1, 10)];
    let figures = || vec![tenant(2), platform(), environment(4), audit(1, 10), audit(2, 10)];
    for now in [stands(), figures()] {
        let (pages, _) = exported([stands(), now]).await;
        assert_eq!(read(&pages.unwrap().concat()).1, stands(), "what does not count may go on");
    }
    for now in [
        vec![tenant(3), platform(), environment(4)],
        vec![tenant(2), platform(), environment(5)],
        vec![tenant(2), platform()],
        vec![],
    ] {
        let (pages, _) = exported([stands(), now]).await;
        let error = pages.unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::Unavailable, "another one may come to its end");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("was changed while it was read"), "{source}");
    }
}

#[tokio::test]
async fn a_file_that_went_wrong_stays_so() {
    let place = Place::new().await;
    let acme = place.workspace("acme").await;
    let dumps = Mutex::new([vec![tenant(2)], vec![tenant(3)]].into());
    let mut file = workspaces(&place, Arc::new(Shifting { dumps, asked: Arc::default() })).file(acme.id).await.unwrap();
    for _ in 0..2 {
        assert!(file.next().await.is_err());
        assert!(file.contents().is_none());
    }
    file.stay().await.unwrap();
}

#[tokio::test]
async fn no_more_is_held_than_a_page_however_large_records_are() {
    let small = (0..3_000).map(|n| audit(n, 100));
    let large = (3_000..3_130).map(|n| audit(n, 30 * 1024));
    let records: Vec<Record> = small.chain(large).collect();
    let (pages, asked) = exported([records, vec![]]).await;
    let pages = pages.unwrap();
    // The first large ones come with what was asked for when records were small.
    let (most, largest) = (pages.iter().map(Bytes::len).max().unwrap(), 30 * 1024 + 1000);
    assert!(most <= PAGE_BYTES + PAGE * largest, "{most}");
    let after: Vec<usize> = pages.iter().rev().take(3).map(Bytes::len).collect();
    assert!(after.iter().all(|bytes| *bytes <= 2 * PAGE_BYTES), "{after:?}");
    assert_eq!((asked[0], asked.iter().max()), (1, Some(&PAGE)));
    assert_eq!(read(&pages.concat()).1.len(), 3_130);
}

proptest! {
    #[test]
    fn pages_grow_to_a_bound_and_shrink_where_records_are_large(page in 1_usize..=PAGE, bytes in 0_usize..100_000_000) {
        let next = page_after(page, bytes);
        prop_assert!((1..=PAGE).contains(&next) && next <= 2 * page);
        prop_assert!(next == 1 || next * (bytes / page) <= PAGE_BYTES);
    }
}
