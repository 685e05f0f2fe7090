//! What may be handed to those whose tenant it is.

use togglebox_storage::transfer::{Kind, Record};

use super::data::{Size, tenant};

const SOME: Size = Size { platforms: 1, environments: 2, things: 2, versions: 2, users: 3, subjects: 2, audit: 3 };

#[test]
fn secrets_are_taken_out_and_nothing_else() {
    let records = tenant(31, SOME);
    let kinds: std::collections::BTreeSet<Kind> = records.iter().map(Record::kind).collect();
    assert_eq!(kinds.len(), Kind::ALL.len(), "there is one of each");
    for record in records {
        let shared = record.clone().without_secrets();
        match (record, shared) {
            (Record::ApiKey(_), shared) => assert_eq!(shared, None),
            (Record::User(user), Some(Record::User(shared))) => {
                assert_ne!(user.password, shared.password);
                assert_eq!(shared.password.expose(), "!");
                let password = user.password.clone();
                assert_eq!(user, togglebox_storage::transfer::record::User { password, ..shared });
            }
            (record, shared) => assert_eq!(Some(record), shared),
        }
    }
}
