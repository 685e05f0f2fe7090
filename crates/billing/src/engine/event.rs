//! Events, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use togglebox_core::{StoreResult, Timestamp};

use super::failure::Work;
use super::observe::{Seen, Sight, customer_claim};
use super::{AT_ONCE, Billing, Result, trouble};
use crate::metrics;
use crate::notice::Notice;
use crate::objects::{EventKind, Invoice, Item, Subscription};
use crate::records::{ClaimRecord, ConflictRecord, EventRecord, Held, Record, lists};
use crate::store::{Document, Write};

/// Those of one turn.
const BATCH: usize = 100;

impl Billing {
    /// Works on events that are due; says how many there were.
    pub(super) async fn work_events(&self) -> StoreResult<usize> {
        let now = self.now();
        let due = self.due::<EventRecord>(BATCH).await?;
        let mut oldest = now;
        // Events of one subscription go in turn, in their order as far as they have one, so that one answer of the payment service is enough
        // for all of them.
        let mut groups: BTreeMap<Box<str>, Vec<Held<EventRecord>>> = BTreeMap::new();
        for held in due {
            oldest = oldest.min(held.value.received);
            let about = subscription_of(&held.value).unwrap_or_else(|| held.id().into());
            groups.entry(about).or_default().push(held);
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        metrics::lag(now.since(oldest).as_secs() as f64);
        let works = groups.into_values().map(|mut group| async move {
            group.sort_by_key(|held| held.value.created);
            let mut seen = Seen::default();
            let mut claimed = Vec::new();
            for held in group {
                // All of them before anything is asked: what is answered later has them.
                claimed.extend(self.claim(held).await?);
            }
            let count = claimed.len();
            for held in claimed {
                self.work_event(held, &mut seen).await?;
            }
            Ok(count)
        });
        let outcomes: Vec<StoreResult<usize>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().sum()
    }

    async fn work_event(&self, mut held: Held<EventRecord>, seen: &mut Seen) -> StoreResult<()> {
        match self.handle(&held, seen).await {
            Ok(()) => {
                metrics::worked("event", "done");
                Ok(())
            }
            Err(error) => {
                held.value.attempts += 1;
                held.value.trouble = Some(trouble(&error));
                let event = held.id().to_owned();
                let verdict = self.failed(Work::Event(held.value.received), &error, held.value.attempts);
                let cause = &error as &(dyn std::error::Error + Send + Sync + 'static);
                let held = if verdict.is_enough {
                    tracing::error!(event.id = event, error = cause, "An event could not be worked on; it is put aside");
                    held.list(lists::DEAD).due(None)
                } else {
                    tracing::warn!(event.id = event, error = cause, "An event will be tried again");
                    held.due(Some(verdict.again))
                };
                // Stale: somebody else has it in hand by now.
                self.commit(&[held.put()?]).await.map(drop)
            }
        }
    }

    async fn handle(&self, held: &Held<EventRecord>, seen: &mut Seen) -> Result<()> {
        use EventKind as K;
        let done = done(held)?;
        let Some(kind) = EventKind::parse(&held.value.kind) else { return self.finish(done).await };
        let object = held.value.data.as_ref().and_then(|data| data.get("object"));
        match kind {
            K::CheckoutCompleted | K::CheckoutAsyncPaymentSucceeded | K::CheckoutAsyncPaymentFailed | K::CheckoutExpired => {
                if let Some(session) = &held.value.subject {
                    self.look_at_session(session).await?;
                } else {
                    tracing::warn!(event.id = held.id(), "An event of a checkout session names none");
                }
                self.finish(done).await
            }
            K::SubscriptionCreated
            | K::SubscriptionUpdated
            | K::SubscriptionDeleted
            | K::SubscriptionTrialWillEnd
            | K::SubscriptionPaused
            | K::SubscriptionResumed
            | K::SubscriptionPendingUpdateApplied
            | K::SubscriptionPendingUpdateExpired => {
                let Some(id) = held.value.subject.clone() else { return self.finish(done).await };
                let snapshot = object.and_then(|object| Subscription::read(object).ok());
                let notices = match &snapshot {
                    Some(snapshot) => self.subscription_notices((kind, held.value.created), snapshot, held.value.data.as_ref()),
                    None => Vec::new(),
                };
                let snapshot = snapshot.map(|snapshot| (snapshot, held.value.created));
                self.observe(&Sight { snapshot, notices, ..Sight::of(&id) }, Some(done), seen).await.map(drop)
            }
            K::InvoicePaid
            | K::InvoicePaymentSucceeded
            | K::InvoicePaymentFailed
            | K::InvoicePaymentActionRequired
            | K::InvoiceFinalized => {
                let invoice = object.and_then(|object| Invoice::read(object).ok());
                let notices = invoice.as_ref().map(|invoice| invoice_notices(kind, invoice)).unwrap_or_default();
                match invoice.and_then(|invoice| invoice.subscription) {
                    Some(subscription) if !notices.is_empty() => self.tell(&subscription, notices, done).await,
                    _ => self.finish(done).await,
                }
            }
            K::InvoiceFinalizationFailed => {
                let invoice = held.value.subject.as_deref();
                tracing::error!(invoice, "The payment service could not finish a bill: it has to be looked at there");
                let mut writes = vec![done];
                if let Some(invoice) = invoice {
                    let claim = match &held.value.customer {
                        Some(customer) => self.held::<ClaimRecord>(&customer_claim(customer)).await?,
                        None => None,
                    };
                    let record = ConflictRecord {
                        kind: "finalization-failed".into(),
                        tenant: claim.map(|claim| claim.value.tenant),
                        subscription: None,
                        customer: held.value.customer.clone(),
                        detail: format!("The payment service could not finish bill {invoice}: it has to be looked at there."),
                        resolution: None,
                    };
                    writes.extend(self.conflict(&format!("finalization:{invoice}"), record).await?);
                }
                // Stale: somebody else has it in hand by now, or it comes again.
                self.commit(&writes).await?;
                Ok(())
            }
            K::CustomerDeleted => {
                // Its subscriptions are over, and told apart. Whoever missed that asks.
                self.look_at_customer(held.value.subject.as_deref(), done).await
            }
            K::CustomerUpdated => self.finish(done).await,
        }
    }

    /// The event is done, and that is all.
    pub(super) async fn finish(&self, done: Write) -> Result<()> {
        // Stale: somebody else has it in hand by now, and is as far.
        self.commit(&[done]).await?;
        Ok(())
    }

    /// What a subscription's event is to be told about, by what the event itself shows: so it depends on no order.
    fn subscription_notices(
        &self,
        (kind, created): (EventKind, Timestamp),
        shown: &Subscription,
        data: Option<&Value>,
    ) -> Vec<(String, Notice)> {
        let id = &shown.id;
        let mut notices = Vec::new();
        if kind == EventKind::SubscriptionTrialWillEnd {
            let end = shown.trial_end.map_or(0, |end| end.as_ms() / 1000);
            notices.push((format!("trial_will_end:{id}:{end}"), Notice::TrialEnding { at: shown.trial_end }));
        }
        if kind == EventKind::SubscriptionDeleted {
            notices.push((format!("canceled:{id}"), Notice::Canceled));
        }
        if kind == EventKind::SubscriptionUpdated
            && let Some(before) = data.and_then(|data| data.get("previous_attributes"))
        {
            let plan = |items: &[Item]| {
                items.iter().find_map(|item| Some((item.clone(), self.settings.prices.plan_of(&item.price)?.clone())))
            };
            let (old, new) = (plan(&Item::previous(before)), plan(&shown.items));
            if let (Some((_, old)), Some((item, new))) = (old, new)
                && (&old.plan, old.interval) != (&new.plan, new.interval)
            {
                // What is changed back and forth in one period is told each time, and what two events tell of one change once: they show the
                // same bill, where the change made one, and the same second otherwise.
                let bill = before.get("latest_invoice").and(shown.latest_invoice.as_deref());
                let cause = bill.map_or_else(|| (created.as_ms() / 1000).to_string(), str::to_owned);
                let key = format!("plan_changed:{id}:{}:{}:{cause}", item.id, item.price);
                notices.push((key, Notice::PlanChanged { plan: new.plan, interval: new.interval }));
            }
        }
        notices
    }
}

/// The write that leaves an event done. Its object is not needed any more, and not kept.
fn done(held: &Held<EventRecord>) -> StoreResult<Write> {
    let mut done = held.clone().list(lists::DONE).due(None);
    done.value.data = None;
    done.value.trouble = None;
    done.put()
}

fn invoice_notices(kind: EventKind, invoice: &Invoice) -> Vec<(String, Notice)> {
    let Some(id) = &invoice.id else { return Vec::new() };
    match kind {
        EventKind::InvoicePaymentFailed => {
            let notice =
                Notice::PaymentFailed { amount: invoice.due, url: invoice.url.clone(), next_attempt: invoice.next_attempt };
            vec![(format!("payment_failed:{id}:{}", invoice.attempts), notice)]
        }
        EventKind::InvoicePaymentActionRequired => {
            let notice = Notice::PaymentActionRequired { amount: invoice.due, url: invoice.url.clone() };
            vec![(format!("payment_action_required:{id}"), notice)]
        }
        _ => Vec::new(),
    }
}

/// Which subscription an event is about, if that can be seen.
fn subscription_of(record: &EventRecord) -> Option<Box<str>> {
    let subject = record.subject.as_deref().filter(|subject| subject.starts_with("sub_"));
    let object = || record.data.as_ref()?.get("object");
    let named = || Invoice::read(object()?).ok()?.subscription;
    let of_session = || object()?.get("subscription")?.as_str().map(Into::into);
    subject.map(Into::into).or_else(named).or_else(of_session)
}

/// A document as a record; one that cannot be read is told and left, so that it does not stand in the way of the others.
pub(super) fn readable<T: Record>(document: Document) -> Option<Held<T>> {
    match Held::read(document) {
        Ok(held) => Some(held),
        Err(error) => {
            let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
            tracing::error!(error, "A document of billing cannot be read");
            None
        }
    }
}

impl Billing {
    /// What is due of a kind. What cannot be read (a newer node may have written it) is put off for an hour, untouched.
    pub(super) async fn due<T: Record>(&self, limit: usize) -> StoreResult<Vec<Held<T>>> {
        let now = self.now();
        let mut due = Vec::new();
        for document in self.ports.store.due(T::SHELF, now, limit).await? {
            if let Some(held) = readable::<T>(document.clone()) {
                due.push(held);
            } else {
                let later = Document { due: Some(now.plus(Duration::from_hours(1))), ..document };
                self.commit(&[Write::Put(later)]).await?;
            }
        }
        Ok(due)
    }
}

/// The versions at which subscriptions stand that were read after all these events had arrived.
pub(super) type Versions = HashMap<Box<str>, u64>;
