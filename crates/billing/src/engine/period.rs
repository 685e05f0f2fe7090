//! In which period the usage of a tenant counts.
//!
//! A bill has the usage of one period of the item by which usage is billed. Whoever refuses what is beyond, or shows what is used, goes by the
//! same period, and hears of it with what the tenant is to have. Where usage is not billed, periods are months from the day on which the plan
//! was bought or renewed, since what a plan includes is for a month, also where it is paid for by the year.
//!
//! All of it is in whole hours: an hour belongs to the period in which it begins.

use std::time::Duration;

use togglebox_core::Timestamp;

use super::Billing;
use super::export::{BilledSpan, hour_after, hour_of};
use crate::objects::{Item, Subscription};
use crate::ports::UsagePeriod;
use crate::records::{FormerPeriod, SubscriptionRecord};

impl Billing {
    /// The period of usage that `at` lies in, to the moment: from when until when. One that nobody has told of yet is a month long.
    pub(super) fn period_at(&self, record: &SubscriptionRecord, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let state = &record.state;
        if let Some(item) = self.usage_item(state) {
            let (start, end) = (item.period_start?, item.period_end?);
            return Some(if at < end { (start, end) } else { end.month_at(at) });
        }
        let (item, _) = self.plan_item(state)?;
        let (start, end) = (item.period_start?, item.period_end?);
        let (from, until) = start.month_at(at);
        // A trial, and a period that was cut short, ends when it says.
        Some(if from < end { (from, until.min(end)) } else { end.month_at(at) })
    }

    /// The period that counts at `now`, in whole hours. What was used of a plan that is over is not counted against what comes after it: the
    /// first period then begins with the end, and ends with the month of the calendar.
    pub(super) fn usage_period(&self, record: &SubscriptionRecord, now: Timestamp) -> Option<UsagePeriod> {
        let state = &record.state;
        if state.status.is_final() {
            let ended = state.ended_at?;
            let (from, until) = (hour_after(ended), ended.next_month());
            return (from < until && now < until).then(|| UsagePeriod { from, until, plans: Vec::new() });
        }
        let of = |start, end, plans: &[Box<str>]| {
            let BilledSpan { from, until } = BilledSpan::of(start, end);
            (from < until).then(|| UsagePeriod { from, until, plans: plans.to_vec() })
        };
        let hour = hour_of(now);
        if let Some(former) = &record.former
            && hour < former.end
            && self.counting_item(state).is_some_and(|item| item.period_start == Some(former.end))
        {
            return of(former.start, former.end, &former.plans);
        }
        let (start, end) = self.period_at(record, hour)?;
        of(start, end, &self.plans_from(record, start))
    }

    /// The item by whose period usage counts: the one by which it is billed, or without one the plan's.
    fn counting_item<'a>(&self, state: &'a Subscription) -> Option<&'a Item> {
        self.usage_item(state).or_else(|| Some(self.plan_item(state)?.0))
    }

    /// The plans that there were in the period that began at `start`, as far as was noted.
    fn plans_from(&self, record: &SubscriptionRecord, start: Timestamp) -> Vec<Box<str>> {
        // What was noted of plans is of the period in which the subscription was looked at last.
        let is_noted = self.period_at(record, record.as_of.hi()).is_some_and(|(noted, _)| noted == start);
        let current = self.plan_item(&record.state).map(|(_, price)| price.plan.clone());
        if is_noted { record.plans.clone() } else { current.into_iter().collect() }
    }

    /// The period of usage that was over when the subscription was renewed between `before` and `state`; `None` when it was not, or when usage is
    /// billed of one of them and not of the other.
    pub(super) fn period_before(&self, before: &SubscriptionRecord, state: &Subscription) -> Option<FormerPeriod> {
        let is_billed = self.usage_item(state).is_some();
        if self.usage_item(&before.state).is_some() != is_billed {
            // What was not billed then is not to be on a bill now.
            return None;
        }
        let (old, new) = (self.counting_item(&before.state)?, self.counting_item(state)?);
        let (start, end) = (old.period_start?, old.period_end?);
        if new.period_start? < end {
            return None;
        }
        if is_billed {
            return Some(FormerPeriod { start, end, plans: before.plans.clone() });
        }
        // The last month of what may have been a year.
        let (start, _) = self.period_at(before, end.minus(Duration::from_millis(1)))?;
        Some(FormerPeriod { start, end, plans: self.plans_from(before, start) })
    }
}
