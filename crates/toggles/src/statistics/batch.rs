//! Deltas in batches of bounded size.

use togglebox_core::{Entropy, EntropyExt as _, Timestamp};

use crate::store::{Delta, ScopedDelta, StatisticsBatch};

/// Puts deltas into as few batches as hold at most `limit` entries each ([`Delta::entries`]), cutting long lists of subjects where
/// needed.
///
/// The deltas are sorted first: nodes that write at the same time then touch the same rows in the same order.
pub(super) fn batches(mut deltas: Vec<ScopedDelta>, limit: usize, now: Timestamp, entropy: &dyn Entropy) -> Vec<StatisticsBatch> {
    deltas.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut batches: Vec<StatisticsBatch> = Vec::new();
    let mut room = 0;
    for ScopedDelta { scope, delta } in deltas {
        for delta in cut(delta, limit) {
            let size = delta.entries();
            if size > room || batches.is_empty() {
                batches.push(StatisticsBatch { id: entropy.uuid(), at: now, deltas: Vec::new() });
                room = limit;
            }
            room = room.saturating_sub(size);
            if let Some(batch) = batches.last_mut() {
                batch.deltas.push(ScopedDelta { scope: scope.clone(), delta });
            }
        }
    }
    batches
}

/// A delta in pieces that add up to it, each of at most `limit` entries (at least two).
fn cut(delta: Delta, limit: usize) -> Vec<Delta> {
    let most = limit.saturating_sub(1).max(1);
    if delta.entries() <= most + 1 {
        return vec![delta];
    }
    match delta {
        Delta::Parameter { key, fetches, last_at, clients } => {
            let pieces = clients.chunks(most).enumerate().map(|(index, clients)| Delta::Parameter {
                key: key.clone(),
                fetches: if index == 0 { fetches } else { 0 },
                last_at,
                clients: clients.to_vec(),
            });
            pieces.collect()
        }
        Delta::Flag { .. } => vec![delta],
        Delta::FlagUsers { key, side, users } => {
            users.chunks(most).map(|users| Delta::FlagUsers { key: key.clone(), side, users: users.to_vec() }).collect()
        }
        Delta::Exposure { key, variation, day, exposures, subjects, last_at } => {
            let pieces = subjects.chunks(most).enumerate().map(|(index, subjects)| Delta::Exposure {
                key: key.clone(),
                variation: variation.clone(),
                day: day.clone(),
                exposures: if index == 0 { exposures } else { 0 },
                subjects: subjects.to_vec(),
                last_at,
            });
            pieces.collect()
        }
        Delta::Conversion { key, variation, metric, day, subjects, last_at } => {
            let pieces = subjects.chunks(most).map(|subjects| Delta::Conversion {
                key: key.clone(),
                variation: variation.clone(),
                metric: metric.clone(),
                day: day.clone(),
                subjects: subjects.to_vec(),
                last_at,
            });
            pieces.collect()
        }
    }
}

type Order<'a> = (&'a crate::Scope, u8, &'a str, &'a str, &'a str, &'a str);

fn order(delta: &ScopedDelta) -> Order<'_> {
    let scope = &delta.scope;
    match &delta.delta {
        Delta::Parameter { key, .. } => (scope, 0, key.as_str(), "", "", ""),
        Delta::Flag { key, day, country, .. } => (scope, 1, key.as_str(), day, country.as_deref().unwrap_or(""), ""),
        Delta::FlagUsers { key, side, .. } => (scope, 2, key.as_str(), side.as_str(), "", ""),
        Delta::Exposure { key, variation, day, .. } => (scope, 3, key.as_str(), variation.as_str(), day, ""),
        Delta::Conversion { key, variation, metric, day, .. } => (scope, 4, key.as_str(), variation.as_str(), metric, day),
    }
}
