//! What people read of billing.

use std::time::Duration;

use togglebox_billing::{Ended, Interval, Notice};

use crate::mail::Page;

/// What is known of the workspace that a notice is about, and of the service.
#[derive(Clone, Debug)]
pub(super) struct About<'a> {
    /// What people call it.
    pub(super) workspace: &'a str,
    /// Where it is reached.
    pub(super) url: &'a str,
    /// Where its admins see bills.
    pub(super) billing_url: &'a str,
    /// Where they choose a plan.
    pub(super) plans_url: &'a str,
    /// How long it goes on as before when a payment is overdue.
    pub(super) grace: Duration,
    /// What comes after a subscription.
    pub(super) ended: Ended,
    /// The title of the plan that costs nothing.
    pub(super) first_plan: &'a str,
    /// The title of the plan that the notice names, if it names one.
    pub(super) plan: &'a str,
    /// What becomes of requests beyond those that its plan includes.
    pub(super) beyond: Surplus,
}

/// What becomes of requests beyond those that a plan includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surplus {
    /// They are refused.
    Refused,
    /// They are served.
    Served,
    /// They are served, and cost something.
    Billed,
}

/// The name of a plan in a notice.
pub(super) fn plan_of(notice: &Notice) -> Option<&str> {
    match notice {
        Notice::Welcome { plan } | Notice::PlanChanged { plan, .. } => Some(plan),
        _ => None,
    }
}

/// The word for a kind of notice, for logs.
pub(super) const fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Welcome { .. } => "welcome",
        Notice::PaymentFailed { .. } => "payment-failed",
        Notice::PaymentActionRequired { .. } => "payment-action-required",
        Notice::SignUpFailed => "sign-up-failed",
        Notice::TrialEnding { .. } => "trial-ending",
        Notice::PlanChanged { .. } => "plan-changed",
        Notice::Canceled => "canceled",
        Notice::Quota { .. } => "quota",
        _ => "unknown",
    }
}

/// A subject, and what stands in the mail; `None` for a notice that this version does not know.
pub(super) fn mail(notice: &Notice, about: &About<'_>) -> Option<(String, Page)> {
    let About { workspace, url, billing_url, plans_url, grace, ended, first_plan, plan, beyond } = about;
    let bills = "Bills and means of payment";
    let said = match notice {
        Notice::Welcome { .. } => (
            format!("{workspace} is ready"),
            Page::default()
                .say(format!("The workspace {workspace} is paid for and ready, on the plan {plan}."))
                .lead("Open it", url)
                .lead(bills, billing_url),
        ),
        Notice::PaymentFailed { amount, url: pay, next_attempt } => {
            let again = next_attempt.map_or_else(
                || "It is not tried again by itself.".to_owned(),
                |at| format!("It is tried again on {}.", at.day()),
            );
            let page = Page::default()
                .say(format!("{amount} for the workspace {workspace} could not be charged. {again}"))
                .lead("Pay it now", pay.as_deref().unwrap_or(billing_url))
                .say(format!(
                    "If it stays unpaid, nothing can be changed in the workspace any more {} after the first payment that failed. \
                     Nothing is removed.",
                    span(*grace)
                ));
            let page = if pay.is_some() { page.lead("Another means of payment", billing_url) } else { page };
            (format!("A payment for {workspace} failed"), page)
        }
        Notice::PaymentActionRequired { amount, url: pay } => (
            format!("A payment for {workspace} has to be confirmed"),
            Page::default()
                .say(format!("The bank wants {amount} for the workspace {workspace} to be confirmed before it is paid."))
                .lead("Confirm it", pay.as_deref().unwrap_or(billing_url)),
        ),
        Notice::SignUpFailed => (
            format!("{workspace} could not be set up"),
            Page::default()
                .say(format!(
                    "The first payment for the workspace {workspace} did not come, so that it was not set up. Its name is free again."
                ))
                .lead("Try again", plans_url),
        ),
        Notice::TrialEnding { at } => {
            let when = at.map_or_else(|| "soon".to_owned(), |at| format!("on {}", at.day()));
            (
                format!("The trial of {workspace} ends {when}"),
                Page::default()
                    .say(format!("The trial of the workspace {workspace} ends {when}. From then on its plan is charged."))
                    .lead("See what it costs, change it or end it", billing_url),
            )
        }
        Notice::PlanChanged { interval, .. } => {
            let often = match interval {
                Interval::Monthly => "each month",
                Interval::Yearly => "each year",
            };
            (
                format!("{workspace} is on the plan {plan}"),
                Page::default()
                    .say(format!("The workspace {workspace} is on the plan {plan} now, billed {often}."))
                    .lead(bills, billing_url),
            )
        }
        Notice::Canceled => {
            let next = match ended {
                Ended::Free => format!("It goes on with the plan {first_plan}: what goes beyond that stays, and can be deleted."),
                Ended::Closed => "It is closed until there is a subscription again. Nothing is removed.".to_owned(),
            };
            (
                format!("The subscription of {workspace} has ended"),
                Page::default()
                    .say(format!("The subscription of the workspace {workspace} has ended. {next}"))
                    .lead("Subscribe again", plans_url),
            )
        }
        Notice::Quota { percent, usage, included } => {
            let (usage, included) = (grouped(*usage), grouped(*included));
            let surplus = match beyond {
                Surplus::Refused => "are refused until the period is over",
                Surplus::Served => "are served all the same",
                Surplus::Billed => "are served, and billed with the next bill",
            };
            let page = Page::default().say(format!(
                "The workspace {workspace} has used {usage} of the {included} requests that are included in the current period. \
                 Requests beyond that {surplus}."
            ));
            (
                format!("{workspace} has used {percent} % of its requests"),
                page.lead("Other plans", plans_url),
            )
        }
        _ => return None,
    };
    Some(said)
}

/// As `7 days`.
fn span(duration: Duration) -> String {
    let (seconds, units) = (duration.as_secs(), [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]);
    let (count, unit) = units
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
        .map_or((seconds, "second"), |(unit, word)| (seconds / unit, word));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// As `50,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use togglebox_billing::Money;

    use togglebox_core::Timestamp;

    use super::*;

    const ABOUT: About<'_> = About {
        workspace: "Fish & <Chips>",
        url: "https://fish.example.com",
        billing_url: "https://app.example.com/billing",
        plans_url: "https://app.example.com/plans",
        grace: Duration::from_hours(7 * 24),
        ended: Ended::Free,
        first_plan: "Free",
        plan: "Pro \"plus\"",
        beyond: Surplus::Billed,
    };

    fn notices() -> Vec<Notice> {
        let amount = Money::new(1250, "eur").unwrap();
        let at: Timestamp = "2026-05-03T10:37:00Z".parse().unwrap();
        let url = || Some("https://pay.example.com/i/1?a=1&b=2".into());
        vec![
            Notice::Welcome { plan: "pro".into() },
            Notice::PaymentFailed { amount, url: url(), next_attempt: Some(at) },
            Notice::PaymentFailed { amount, url: None, next_attempt: None },
            Notice::PaymentActionRequired { amount, url: url() },
            Notice::PaymentActionRequired { amount, url: None },
            Notice::SignUpFailed,
            Notice::TrialEnding { at: Some(at) },
            Notice::TrialEnding { at: None },
            Notice::PlanChanged { plan: "pro".into(), interval: Interval::Monthly },
            Notice::PlanChanged { plan: "pro".into(), interval: Interval::Yearly },
            Notice::Canceled,
            Notice::Quota { percent: 80, usage: 40_000_001, included: 50_000_000 },
            Notice::Quota { percent: 100, usage: 50_000_000, included: 50_000_000 },
        ]
    }

    /// Every notice as it is sent, in one file that people can read. `UPDATE_DOCS=1` writes it anew.
    #[test]
    fn notices_read_as_they_are_meant_to() {
        let mut all = String::new();
        let full = Notice::Quota { percent: 100, usage: 1_000_000, included: 1_000_000 };
        let others = [
            (&Notice::Canceled, About { ended: Ended::Closed, ..ABOUT }),
            (&full, About { beyond: Surplus::Refused, ..ABOUT }),
            (&full, About { beyond: Surplus::Served, ..ABOUT }),
        ];
        for (notice, about) in notices().iter().map(|notice| (notice, ABOUT)).chain(others) {
            let (subject, page) = mail(notice, &about).unwrap();
            writeln!(all, "==== {}\nSubject: {subject}\n\n{}\n{}", kind(notice), page.text(), page.html(&subject)).unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cloud/billing/notices.txt");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &all).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == all, "notices.txt is out of date: run with UPDATE_DOCS=1\n{all}");
    }

    #[test]
    fn nothing_of_a_name_gets_into_the_html_as_it_is() {
        for notice in notices() {
            let (subject, page) = mail(&notice, &ABOUT).unwrap();
            let html = page.html(&subject);
            assert!(!html.contains("<Chips>") && !html.contains("\"plus\"") && html.contains("&lt;Chips&gt;"), "{html}");
        }
    }

    #[test]
    fn numbers_and_spans_are_shown_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let shown = [86_400, 7 * 86_400, 3600, 90_000, 90, 0].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(shown, ["1 day", "7 days", "1 hour", "25 hours", "90 seconds", "0 seconds"]);
    }
}
