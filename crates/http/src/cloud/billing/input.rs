//! Bodies about money, checked. Each `read` reports every problem at once.

use serde_json::Value;
use togglebox_billing::{Interval, PortalFlow};
use togglebox_core::Timestamp;
use togglebox_core::input::{Issues, Reader, datetime, read_object};
use togglebox_multitenancy::PlanName;

use super::super::input::parsed;

const INTERVALS: [(&str, Interval); 2] = [("monthly", Interval::Monthly), ("yearly", Interval::Yearly)];

const FLOWS: [(&str, PortalFlow); 2] = [("overview", PortalFlow::Overview), ("payment_method", PortalFlow::PaymentMethod)];

/// How something is to be billed: each month where it is not said.
pub(in crate::cloud) fn interval(body: &Reader<'_>) -> Option<Interval> {
    let interval = body.field("interval").optional(|interval| interval.one_of(&INTERVALS));
    interval.map(|interval| interval.unwrap_or(Interval::Monthly))
}

/// A plan to be paid for.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Order {
    pub(in crate::cloud) plan: PlanName,
    pub(in crate::cloud) interval: Interval,
}

impl Order {
    pub(in crate::cloud) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, Self::at)
    }

    fn at(body: &Reader<'_>) -> Option<Self> {
        let (plan, interval) = (parsed(&body.field("plan"), PlanName::new), interval(body));
        Some(Self { plan: plan?, interval: interval? })
    }
}

/// Another plan, as it was shown.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Change {
    pub(in crate::cloud) order: Order,
    /// Of the preview.
    pub(in crate::cloud) proration_date: Option<Timestamp>,
}

impl Change {
    pub(in crate::cloud) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let order = Order::at(body);
            let date = body.field("prorationDate").optional(|date| {
                parsed(date, |text| datetime(text).ok_or("must be a moment in RFC 3339, such as 2026-11-01T00:00:00Z"))
            });
            Some(Self { order: order?, proration_date: date? })
        })
    }
}

/// What the customer portal is to open with.
pub(in crate::cloud) fn flow(body: Option<&Value>) -> Result<PortalFlow, Issues> {
    let Some(body) = body else { return Ok(PortalFlow::Overview) };
    read_object(Some(body), |body| {
        let flow = body.field("flow").optional(|flow| flow.one_of(&FLOWS));
        flow.map(|flow| flow.unwrap_or(PortalFlow::Overview))
    })
}

/// What was decided about a conflict.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Resolution {
    pub(in crate::cloud) text: String,
    /// Whether what nobody should have is ended and paid back.
    pub(in crate::cloud) undo: bool,
}

impl Resolution {
    pub(in crate::cloud) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let field = body.field("resolution");
            let text =
                field.text().min(1, "Resolution is required").max(500, "Resolution must not exceed 500 characters").owned();
            let undo = body.field("undo").optional(Reader::boolean);
            Some(Self { text: text?, undo: undo?.unwrap_or(false) })
        })
    }
}

/// Whether a text may be the id of a page to pay on: whatever else it is, the payment service need not be asked.
pub(in crate::cloud) fn is_session(text: &str) -> bool {
    text.starts_with("cs_") && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_read_strictly() {
        let read = |body: Value| Change::read(Some(&body));
        let change = read(json!({ "plan": "pro", "interval": "yearly", "prorationDate": "2026-11-01T00:00:00Z" })).unwrap();
        assert_eq!((change.order.plan.as_str(), change.order.interval), ("pro", Interval::Yearly));
        assert_eq!(change.proration_date.unwrap().to_string(), "2026-11-01T00:00:00.000Z");
        let monthly = read(json!({ "plan": "pro" })).unwrap();
        assert_eq!((monthly.order.interval, monthly.proration_date), (Interval::Monthly, None));
        for wrong in [
            json!({}),
            json!({ "plan": "Pro!" }),
            json!({ "plan": "pro", "interval": "weekly" }),
            json!({ "plan": "pro", "prorationDate": "yesterday" }),
            json!([]),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_portal_opens_with_its_first_page_unless_it_is_said() {
        assert_eq!(flow(None).unwrap(), PortalFlow::Overview);
        assert_eq!(flow(Some(&json!({}))).unwrap(), PortalFlow::Overview);
        assert_eq!(flow(Some(&json!({ "flow": "payment_method" }))).unwrap(), PortalFlow::PaymentMethod);
        assert!(flow(Some(&json!({ "flow": "cancel" }))).is_err());
    }

    #[test]
    fn sessions_are_told_from_other_texts() {
        assert!(is_session("cs_test_a1B2") && is_session("cs_live_x"));
        for other in ["", "cs", "in_1", "cs_1/../x", "cs_1?x=", "cs_é"] {
            assert!(!is_session(other), "{other}");
        }
        assert!(!is_session(&format!("cs_{}", "a".repeat(300))));
    }
}
