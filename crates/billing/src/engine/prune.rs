//! Forgetting what is long done.

use std::time::Duration;

use super::{Billing, Result};
use crate::records::lists;
use crate::store::{MOST_AT_ONCE, Shelf};

const DAY: Duration = Duration::from_hours(24);

/// What is kept for how many days. Events longer than the payment service keeps them, so that none is worked on twice; effects for more than a
/// year, so that nothing that is about a yearly period happens twice.
const KEPT: [(Shelf, &str, u32); 9] = [
    (Shelf::Event, lists::DONE, 45),
    (Shelf::Event, lists::IGNORED, 45),
    (Shelf::Event, lists::QUARANTINED, 45),
    (Shelf::Event, lists::DEAD, 45),
    (Shelf::Effect, lists::DONE, 400),
    (Shelf::Effect, lists::DEAD, 400),
    (Shelf::SignUp, lists::CLOSED, 90),
    (Shelf::Conflict, lists::CLOSED, 400),
    (Shelf::Usage, lists::OPEN, 400),
];

impl Billing {
    pub(super) async fn prune(&self) -> Result<String> {
        let (now, mut removed) = (self.now(), 0);
        for (shelf, list, days) in KEPT {
            loop {
                let count = self.ports.store.prune(shelf, list, now.minus(DAY * days), MOST_AT_ONCE).await?;
                removed += count;
                if count < MOST_AT_ONCE {
                    break;
                }
            }
        }
        Ok(format!("{removed} documents removed"))
    }
}
