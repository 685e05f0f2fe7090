//! The register of tenants against answers that no server for tests gives, and callers that stop at any step.

mod changes;
mod crash;
mod reading;
mod writes;

use serde_json::json;
use togglebox_core::{Email, PageRequest, StoreErrorKind, StoreResult, Written};
use togglebox_multitenancy::store::{
    InvitationStore, MemberStore, NOT_RESERVED, OWNER_STAYS, SUBDOMAIN_TAKEN, TenantDirectory, TenantFilter, TenantStore,
};
use togglebox_multitenancy::{Billing, Limit, LimitOverrides, Member, MemberRole, Standing, Tenant, TenantName, TokenHash};

use super::*;

const OWNER: Uuid = Uuid::from_u128(21);
const GUEST: Uuid = Uuid::from_u128(22);
const INVITED: Uuid = Uuid::from_u128(23);
const TOKEN: TokenHash = TokenHash([7; 32]);

fn tenant(version: u64) -> Tenant {
    Tenant {
        id: TENANT,
        name: TenantName::new("Acme").unwrap(),
        subdomain: "acme".parse().unwrap(),
        renames: Vec::new(),
        domains: Vec::new(),
        owner: OWNER,
        standing: Standing::default(),
        plan: "free".parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing::default(),
        version: Revision::new(version),
        created_at: Timestamp::EPOCH,
        updated_at: audit().at,
    }
}

fn member(user: Uuid, version: u64) -> Member {
    let email = Email::new("ann@example.com").unwrap();
    Member { tenant: TENANT, user, email, role: MemberRole::Viewer, joined_at: audit().at, version: Revision::new(version) }
}

fn counter(revision: u64) -> Value {
    json!({ "PK": { "S": "REG" }, "SK": { "S": "META" }, "rev": { "N": revision.to_string() } })
}

fn pruned(revision: u64) -> (u16, Value) {
    ok(json!({ "Item": { "PK": { "S": "REG" }, "SK": { "S": "PRUNED" }, "rev": { "N": revision.to_string() } } }))
}

fn tenant_item(version: u64, [members, invitations]: [u64; 2]) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#TENANT") }, "SK": { "S": "META" }, "id": { "S": TENANT.to_string() },
        "name": { "S": "Acme" }, "subdomain": { "S": "acme" }, "domains": { "S": "[]" }, "owner": { "S": OWNER },
        "plan": { "S": "free" }, "overrides": { "S": "{}" }, "created_at": { "N": "0" }, "updated_at": { "N": "1000" },
        "rev": { "N": version.to_string() }, "members": { "N": members.to_string() },
        "invitations": { "N": invitations.to_string() }, "claims": { "N": "0" },
    })
}

fn name_item(holder: Uuid) -> Value {
    json!({ "PK": { "S": "REG#SUBDOMAIN#acme" }, "SK": { "S": "META" }, "tenant": { "S": holder } })
}

fn member_item(user: Uuid, version: u64) -> Value {
    json!({
        "PK": { "S": format!("T#{TENANT}#MEMBER#{user}") }, "SK": { "S": "META" }, "tenant": { "S": TENANT.to_string() },
        "user": { "S": user }, "email": { "S": "ann@example.com" }, "role": { "S": "viewer" }, "joined_at": { "N": "1000" },
        "rev": { "N": version.to_string() },
    })
}

fn token_item() -> Value {
    let hash = "07".repeat(32);
    json!({ "PK": { "S": format!("T#{TENANT}#INVITATIONTOKEN#{hash}") }, "SK": { "S": "META" }, "id": { "S": INVITED } })
}

/// The invitation, with a token of these bytes (in base 64).
fn invitation_item(token: &str) -> (u16, Value) {
    ok(json!({ "Item": {
        "PK": { "S": format!("T#{TENANT}#INVITATION#{INVITED}") }, "SK": { "S": "META" }, "id": { "S": INVITED },
        "email": { "S": "ann@example.com" }, "role": { "S": "viewer" }, "token": { "B": token }, "inviter": { "S": OWNER },
        "invited_by": { "S": "any" },
        "created_at": { "N": "0" }, "sent_at": { "N": "0" }, "ends_at": { "N": "1000000" },
    } }))
}

/// 32 bytes of 7.
const TOKEN_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// 32 bytes of 8.
const OTHER_TEXT: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

fn change_item(revision: u64) -> Value {
    json!({
        "PK": { "S": "REG#CHANGES" }, "SK": { "S": format!("{revision:020}") }, "rev": { "N": revision.to_string() },
        "at": { "N": "1000" }, "tenant": { "S": TENANT.to_string() }, "what": { "S": "members" },
    })
}

fn transactions(replay: &StaticReplayClient) -> Vec<Value> {
    asked(replay).into_iter().filter(|(operation, _)| operation == "TransactWriteItems").map(|(_, body)| body).collect()
}

/// The keys that a transaction writes to or checks, in its order.
fn touched(transaction: &Value) -> Vec<String> {
    let place = |action: &Value| {
        let action = action.as_object().unwrap().values().next().unwrap();
        let key = action.get("Key").or_else(|| action.get("Item")).unwrap();
        format!("{} {}", key["PK"]["S"].as_str().unwrap(), key["SK"]["S"].as_str().unwrap()).replace(&TENANT.to_string(), "t")
    };
    transaction["TransactItems"].as_array().unwrap().iter().map(place).collect()
}
