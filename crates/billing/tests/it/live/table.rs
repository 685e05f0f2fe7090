//! What a run is about at Stripe: a meter and three prices, found by their names or made.

use anyhow::{Context as _, Result, ensure};
use hyper::Method;
use serde_json::Value;
use togglebox_billing::BillingProvider as _;
use togglebox_billing::stripe::StripeProvider;

use super::relay::Relay;
use super::steps::METER;

const SMALL: &str = "togglebox_live_small";
const BIG: &str = "togglebox_live_big";
const BY_USE: &str = "togglebox_live_use";

/// The ids of the prices.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) small: String,
    pub(super) big: String,
    pub(super) by_use: String,
}

impl Table {
    /// Asks twice, and makes what is missing.
    pub(super) async fn lay(relay: &Relay, provider: &StripeProvider) -> Result<Self> {
        let meter = match provider.meter().await? {
            Some(meter) => {
                let is_ours = meter.active && &*meter.formula == "sum" && meter.window.as_deref() == Some("hour");
                ensure!(is_ours, "the meter {} is not active, or does not sum up by the hour", meter.id);
                meter.id.into()
            }
            None => make_meter(relay).await?,
        };
        let names = [SMALL, BIG, BY_USE].map(|name| ("lookup_keys[]", name));
        let found = relay.ask(Method::GET, "/v1/prices", &[names.as_slice(), &[("active", "true")]].concat()).await?;
        let found = found["data"].as_array().context("a list of prices without data")?;
        let named = |name: &str| found.iter().find(|price| price["lookup_key"] == name);
        let small = match named(SMALL) {
            Some(price) => price.clone(),
            None => make(relay, SMALL, &[("product_data[name]", "ToggleBox live suite"), ("unit_amount", "2000")]).await?,
        };
        let product = small["product"].as_str().context("a price without a product")?.to_owned();
        let big = match named(BIG) {
            Some(price) => price.clone(),
            None => make(relay, BIG, &[("product", &product), ("unit_amount", "10000")]).await?,
        };
        let metered = [
            ("product", product.as_str()),
            ("unit_amount_decimal", "0.02"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", &meter),
        ];
        let by_use = match named(BY_USE).filter(|price| price["recurring"]["meter"] == meter.as_str()) {
            Some(price) => price.clone(),
            None => make(relay, BY_USE, &metered).await?,
        };
        Ok(Self { small: id(&small)?, big: id(&big)?, by_use: id(&by_use)? })
    }
}

async fn make_meter(relay: &Relay) -> Result<String> {
    let form = [
        ("display_name", "ToggleBox live suite"),
        ("event_name", METER),
        ("default_aggregation[formula]", "sum"),
        ("event_time_window", "hour"),
        ("customer_mapping[type]", "by_id"),
        ("customer_mapping[event_payload_key]", "stripe_customer_id"),
        ("value_settings[event_payload_key]", "value"),
    ];
    id(&relay.ask(Method::POST, "/v1/billing/meters", &form).await?)
}

/// A price by the month, under a name by which it is found again.
async fn make(relay: &Relay, name: &str, form: &[(&str, &str)]) -> Result<Value> {
    let all = [("currency", "usd"), ("recurring[interval]", "month"), ("lookup_key", name), ("transfer_lookup_key", "true")];
    relay.ask(Method::POST, "/v1/prices", &[all.as_slice(), form].concat()).await
}

/// The id of what was answered.
pub(super) fn id(value: &Value) -> Result<String> {
    value["id"].as_str().map(ToOwned::to_owned).with_context(|| format!("{} without an id", value["object"]))
}
