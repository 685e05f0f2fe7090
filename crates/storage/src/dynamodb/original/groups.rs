//! Rows that belong together, out of one partition or of several that a thing is spread over.

use std::collections::VecDeque;

use togglebox_core::StoreResult;

use super::pages::Pages;
use super::row::Row;

/// Partitions being read side by side, in the order of their sort keys. Holds a page of each.
#[derive(Debug)]
pub(super) struct Groups {
    sources: Vec<(Pages, VecDeque<Row>)>,
    /// The row that ended the last group.
    next: Option<Row>,
}

impl Groups {
    pub(super) fn of(sources: impl IntoIterator<Item = Pages>) -> Self {
        Self { sources: sources.into_iter().map(|pages| (pages, VecDeque::new())).collect(), next: None }
    }

    /// The next neighbours of which `subject` says the same; none when all were told. A row of which it says nothing stands alone.
    pub(super) async fn next(&mut self, subject: fn(&Row) -> Option<&str>) -> StoreResult<Vec<Row>> {
        let first = match self.next.take() {
            Some(row) => Some(row),
            None => self.row().await?,
        };
        let mut group: Vec<Row> = first.into_iter().collect();
        while let Some(first) = group.first() {
            let Some(row) = self.row().await? else { break };
            if subject(first).is_none() || subject(first) != subject(&row) {
                self.next = Some(row);
                break;
            }
            group.push(row);
        }
        Ok(group)
    }

    async fn row(&mut self) -> StoreResult<Option<Row>> {
        for (pages, rows) in &mut self.sources {
            while rows.is_empty() {
                let Some(page) = pages.next().await? else { break };
                rows.extend(page);
            }
        }
        // Texts are ordered by their bytes, by the service too.
        let first = self.sources.iter_mut().filter(|(_, rows)| !rows.is_empty()).min_by(|(_, one), (_, other)| {
            let sk = |rows: &VecDeque<Row>| rows.front().map(|row| row.sk.clone());
            sk(one).cmp(&sk(other))
        });
        Ok(first.and_then(|(_, rows)| rows.pop_front()))
    }
}
