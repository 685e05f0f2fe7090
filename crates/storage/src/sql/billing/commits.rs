//! Documents that are written together.

use std::collections::HashMap;

use togglebox_billing::store::{Address, Committed, Document, Write, check_writes};
use togglebox_core::StoreResult;

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::look::Look;
use super::super::statement::Statement;
use super::{address_of, bind, locks, one_of, room_for};

const OPERATION: &str = "billing.commit";

const ADD: &str = "-- billing.add
INSERT INTO billing_documents (shelf, id, version, tenant, list, at, due, body) VALUES ($1, $2, $3 + 1, $4, $5, $6, $7, $8)
ON CONFLICT (shelf, id) DO NOTHING";

pub(super) const CHANGE: &str = "-- billing.change
UPDATE billing_documents SET version = $3 + 1, tenant = $4, list = $5, at = $6, due = $7, body = $8
WHERE shelf = $1 AND id = $2 AND version = $3";

pub(super) const REMOVE: &str = "-- billing.remove
DELETE FROM billing_documents WHERE shelf = $1 AND id = $2 AND version = $3";

pub(super) fn versions_statement(count: usize) -> String {
    format!("-- billing.versions\nSELECT shelf, id, version FROM billing_documents WHERE {}", one_of(1, room_for(count)))
}

impl<E: Engine> Database<E> {
    pub(super) async fn commit_documents(&self, writes: &[Write]) -> StoreResult<Committed> {
        check_writes(writes, OPERATION)?;
        if writes.is_empty() {
            return Ok(Committed::Done);
        }
        let addresses: Vec<&Address> = writes.iter().map(|write| write.expected().0).collect();
        let locks = locks(addresses.iter().copied());
        self.attempt(|| async {
            let mut filing = self.filing(OPERATION, &locks).await?;
            let find = bind(Statement::new(versions_statement(addresses.len())), &addresses);
            let mut versions = HashMap::new();
            for row in &filing.rows(find).await? {
                let cells = Cells::new(row, OPERATION, "billing_documents", "id");
                versions.insert(address_of(&cells)?, cells.get::<u64>("version")?);
            }
            let stands = |write: &Write| {
                let (address, expected) = write.expected();
                versions.get(address).copied().unwrap_or(0) == expected
            };
            if !writes.iter().all(stands) {
                return Ok(Committed::Stale);
            }
            for write in writes {
                // Not so where a row was removed with all else of its tenant.
                if !file(&mut filing, write).await? {
                    return Ok(Committed::Stale);
                }
            }
            filing.commit().await?;
            Ok(Committed::Done)
        })
        .await
    }
}

/// Does one of the writes; whether the document was as it is to be.
async fn file<E: Engine>(filing: &mut Look<E>, write: &Write) -> StoreResult<bool> {
    let statement = match write {
        Write::Put(document) => put(document),
        Write::Remove(address, version) if *version > 0 => {
            Statement::new(REMOVE).bind(address.shelf.as_str()).bind(&*address.id).bind(*version)
        }
        Write::Remove(..) | Write::Expect(..) => return Ok(true),
    };
    Ok(filing.execute(statement).await? == 1)
}

fn put(document: &Document) -> Statement {
    let Document { address, tenant, version, list, at, due, body } = document;
    let statement = Statement::new(if *version == 0 { ADD } else { CHANGE });
    let statement = statement.bind(address.shelf.as_str()).bind(&*address.id).bind(*version).bind(*tenant);
    statement.bind(&**list).bind(*at).bind(*due).bind(&**body)
}
