//! The endpoints under `/v1/`.

mod catalog;
mod checkout;
mod customers;
mod events;
mod expand;
mod invoices;
mod list;
mod meters;
mod refunds;
mod request;
mod schedules;
mod subscriptions;
mod test_clocks;
mod webhooks;

pub use request::{Answer, Ask};
pub(crate) use request::{begin, execute, finish, finish_unheard, forget};

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::version::Shape;
use crate::world::World;

/// What handlers know about a request besides its form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) shape: Shape,
}

/// Calls the handler of a path.
fn dispatch(world: &mut World, method: &str, path: &str, form: Form, context: Context) -> ApiResult<Value> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').skip(1).collect();
    match (method, segments.as_slice()) {
        ("GET", ["account"]) => account(world, form),
        (_, ["customers", rest @ ..]) => customers::route(world, method, rest, form, path),
        (_, ["products", rest @ ..]) => catalog::products(world, method, rest, form, path),
        (_, ["prices", rest @ ..]) => catalog::prices(world, method, rest, form, path),
        (_, ["checkout", "sessions", rest @ ..]) => checkout::route(world, method, rest, form, path),
        ("POST", ["billing_portal", "sessions"]) => checkout::portal(world, form),
        (_, ["subscriptions", rest @ ..]) => subscriptions::route(world, method, rest, form, path, context),
        (_, ["subscription_schedules", rest @ ..]) => schedules::route(world, method, rest, form, path),
        (_, ["invoices", rest @ ..]) => invoices::route(world, method, rest, form, path, context),
        (_, ["invoice_payments", rest @ ..]) => invoices::payments(world, method, rest, form, path),
        (_, ["payment_intents" | "charges", ..]) => refunds::payments(world, method, &segments, form, path),
        (_, ["refunds", rest @ ..]) => refunds::route(world, method, rest, form, path),
        (_, ["events", rest @ ..]) => events::route(world, method, rest, form, path),
        (_, ["billing", rest @ ..]) => meters::route(world, method, rest, form, path),
        (_, ["webhook_endpoints", rest @ ..]) => webhooks::route(world, method, rest, form, path),
        (_, ["test_helpers", "test_clocks", rest @ ..]) => test_clocks::route(world, method, rest, form, path),
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn account(world: &World, form: Form) -> ApiResult<Value> {
    form.finish()?;
    Ok(json!({
        "id": "acct_1Sim",
        "object": "account",
        "business_type": null,
        "charges_enabled": true,
        "country": "US",
        "created": crate::clock::DEFAULT_NOW - 86_400,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": true,
        "type": "standard",
        "settings": {
            "branding": {"icon": null, "logo": null, "primary_color": null, "secondary_color": null},
            "card_payments": {
                "statement_descriptor_prefix": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": {"display_name": if world.livemode { "Simulated, live" } else { "Simulated" }, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": null, "statement_descriptor_kana": null, "statement_descriptor_kanji": null},
        },
    }))
}

/// A value or nothing, where an empty string takes it away.
fn optional(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
