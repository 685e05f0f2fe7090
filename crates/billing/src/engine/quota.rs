//! Tells people how much of what their plan includes is used: at 80 and at 100 hundredths of it, once in a period each, and anew of what another
//! plan includes.

use super::{Billing, Result};
use crate::notice::Notice;
use crate::records::{Held, TaskRecord};

impl Billing {
    /// Looks at all tenants. Whoever gets from less than 80 to 100 between two looks is told of 100 alone.
    pub(super) async fn quotas(&self, task: &mut Held<TaskRecord>) -> Result<String> {
        let (mut tenants, mut told, mut after) = (0_usize, 0_usize, None);
        loop {
            let page = self.ports.usage.levels(self.now(), after).await?;
            tenants += page.items.len();
            for level in &page.items {
                let Some(percent) = level.reached() else { continue };
                let key = format!("quota:{}:{}:{}:{percent}", level.tenant, level.period, level.included);
                let notice = Notice::Quota { percent, usage: level.used, included: level.included };
                let writes = self.notices(level.tenant, &[(key, notice)]).await?;
                // Stale: another node has written the same.
                if !writes.is_empty() && self.commit(&writes).await? {
                    told += 1;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
            self.renew(task).await?;
        }
        Ok(format!("{tenants} tenants, {told} told"))
    }
}
