//! `/v1/products` and `/v1/prices`.

use serde_json::Value;

use super::list::{Page, Range};
use super::optional;
use crate::calendar::{Interval, Unit};
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, Pairs, merge};
use crate::model::catalog::{Price, Product, Recurring, Scheme};
use crate::money::{Tier, UnitAmount};
use crate::version::Shape;
use crate::world::{Thing, World};

pub(super) fn products(world: &mut World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => {
            let name = form.required("name")?;
            let given = form.text("id")?;
            let description = form.text("description")?.and_then(optional);
            let active = form.boolean("active")?.unwrap_or(true);
            let metadata = form.pairs("metadata")?;
            form.ignore(&["type", "unit_label", "statement_descriptor", "images", "url", "shippable", "tax_code"]);
            form.finish()?;
            let id = given.unwrap_or_else(|| world.ids.next("prod"));
            let now = world.now();
            let product = Product { id: id.clone(), created: now, updated: now, name, description, active, metadata };
            world.products.insert(id.clone(), product);
            world.emit("product.created", Thing::Product(&id));
            Ok(world.render(Thing::Product(&id), Shape::Basil))
        }
        ("GET", []) => {
            let page = Page::read(&mut form)?;
            let active = form.boolean("active")?;
            form.finish()?;
            let matching = world.products.values().rev().filter(|product| active.is_none_or(|active| product.active == active));
            let ids: Vec<String> = matching.map(|product| product.id.clone()).collect();
            page.cut("/v1/products", &ids, |id| world.render(Thing::Product(id), Shape::Basil))
        }
        ("GET", [id]) => {
            form.finish()?;
            world.products.get(*id).ok_or_else(|| ApiError::missing("product", id))?;
            Ok(world.render(Thing::Product(id), Shape::Basil))
        }
        ("POST", [id]) => {
            let old = world.snapshot(Thing::Product(id));
            let now = world.now();
            let (name, active) = (form.text("name")?, form.boolean("active")?);
            let description = form.text("description")?;
            let metadata = form.pairs("metadata")?;
            form.finish()?;
            let product = world.products.get_mut(*id).ok_or_else(|| ApiError::missing("product", id))?;
            product.updated = now;
            product.name = name.unwrap_or_else(|| product.name.clone());
            product.active = active.unwrap_or(product.active);
            if let Some(description) = description {
                product.description = optional(description);
            }
            merge(&mut product.metadata, metadata);
            world.emit_update("product.updated", Thing::Product(id), &old);
            Ok(world.render(Thing::Product(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

pub(super) fn prices(world: &mut World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create_price(world, form),
        ("GET", []) => {
            let page = Page::read(&mut form)?;
            let created = Range::read(&mut form, "created")?;
            let (active, product) = (form.boolean("active")?, form.text("product")?);
            let lookup_keys = form.texts("lookup_keys")?;
            form.ignore(&["type", "currency", "recurring"]);
            form.finish()?;
            let matching = world.prices.values().rev().filter(|price| {
                created.has(price.created)
                    && active.is_none_or(|active| price.active == active)
                    && product.as_ref().is_none_or(|product| price.product == *product)
                    && (lookup_keys.is_empty() || price.lookup_key.as_ref().is_some_and(|key| lookup_keys.contains(key)))
            });
            let ids: Vec<String> = matching.map(|price| price.id.clone()).collect();
            page.cut("/v1/prices", &ids, |id| world.render(Thing::Price(id), Shape::Basil))
        }
        ("GET", [id]) => {
            form.finish()?;
            world.prices.get(*id).ok_or_else(|| ApiError::missing("price", id))?;
            Ok(world.render(Thing::Price(id), Shape::Basil))
        }
        ("POST", [id]) => {
            let old = world.snapshot(Thing::Price(id));
            let (active, nickname, lookup_key) = (form.boolean("active")?, form.text("nickname")?, form.text("lookup_key")?);
            let metadata = form.pairs("metadata")?;
            form.finish()?;
            let price = world.prices.get_mut(*id).ok_or_else(|| ApiError::missing("price", id))?;
            price.active = active.unwrap_or(price.active);
            price.nickname = nickname.map_or(price.nickname.take(), optional);
            price.lookup_key = lookup_key.map_or(price.lookup_key.take(), optional);
            merge(&mut price.metadata, metadata);
            world.emit_update("price.updated", Thing::Price(id), &old);
            Ok(world.render(Thing::Price(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create_price(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let currency = form.required("currency")?.to_lowercase();
    let recurring = recurring(world, &mut form)?;
    let scheme = scheme(&mut form)?;
    let active = form.boolean("active")?.unwrap_or(true);
    let nickname = form.text("nickname")?.and_then(optional);
    let lookup_key = form.text("lookup_key")?.and_then(optional);
    let metadata = form.pairs("metadata")?;
    let mut product_data = form.branch("product_data")?;
    let new_product = product_data.text("name")?;
    product_data.ignore(&["metadata"]);
    product_data.finish()?;
    let product = form.text("product")?;
    form.ignore(&["tax_behavior", "transfer_lookup_key"]);
    form.finish()?;
    if let Some(product) = &product
        && !world.products.contains_key(product)
    {
        return Err(ApiError::missing_in("product", "product", product));
    }
    let now = world.now();
    let product = match (product, new_product) {
        (Some(product), None) => product,
        (None, Some(name)) => {
            let id = world.ids.next("prod");
            let product = Product {
                id: id.clone(),
                created: now,
                updated: now,
                name,
                description: None,
                active: true,
                metadata: Pairs::new(),
            };
            world.products.insert(id.clone(), product);
            world.emit("product.created", Thing::Product(&id));
            id
        }
        _ => return Err(ApiError::required("product")),
    };
    let id = world.ids.next("price");
    let price =
        Price { id: id.clone(), created: now, product, currency, scheme, recurring, active, nickname, lookup_key, metadata };
    world.prices.insert(id.clone(), price);
    world.emit("price.created", Thing::Price(&id));
    Ok(world.render(Thing::Price(&id), Shape::Basil))
}

fn recurring(world: &World, form: &mut Form) -> ApiResult<Option<Recurring>> {
    let mut branch = form.branch("recurring")?;
    if branch.is_empty() {
        return Ok(None);
    }
    let unit =
        branch.word("interval", &Unit::WORDS)?.and_then(Unit::parse).ok_or_else(|| ApiError::required("recurring[interval]"))?;
    let count = branch.integer("interval_count")?.unwrap_or(1);
    let count = u32::try_from(count).ok().filter(|count| (1..=36).contains(count));
    let count = count.ok_or_else(|| ApiError::parameter("recurring[interval_count]", "Must be between 1 and 36"))?;
    let metered = branch.word("usage_type", &["licensed", "metered"])? == Some("metered");
    let meter = branch.text("meter")?;
    branch.finish()?;
    match &meter {
        Some(meter) if !world.meters.contains_key(meter) => Err(ApiError::missing_in("recurring[meter]", "meter", meter)),
        None if metered => Err(ApiError::required("recurring[meter]")),
        Some(_) if !metered => Err(ApiError::parameter("recurring[meter]", "Only metered prices have a meter.")),
        _ => Ok(Some(Recurring { interval: Interval { unit, count }, meter })),
    }
}

fn scheme(form: &mut Form) -> ApiResult<Scheme> {
    let tiered = form.word("billing_scheme", &["per_unit", "tiered"])? == Some("tiered");
    let mode = form.word("tiers_mode", &["graduated", "volume"])?;
    let mut tiers = Vec::new();
    for mut branch in form.branches("tiers")? {
        let up_to = branch.required("up_to")?;
        let up_to = if up_to == "inf" { None } else { Some(up_to.parse().map_err(|_| branch.error("up_to", "Invalid up_to"))?) };
        let unit_amount = unit_amount(&mut branch)?.unwrap_or(UnitAmount::whole(0));
        let flat_amount = branch.integer("flat_amount")?.unwrap_or(0);
        branch.finish()?;
        tiers.push(Tier { up_to, unit_amount, flat_amount });
    }
    let unit = unit_amount(form)?;
    match (tiered, unit, mode) {
        (false, Some(unit), None) if tiers.is_empty() => Ok(Scheme::PerUnit(unit)),
        (false, None, _) => Err(ApiError::required("unit_amount")),
        (true, None, Some(mode)) if tiers.last().is_some_and(|tier| tier.up_to.is_none()) => {
            Ok(if mode == "volume" { Scheme::Volume(tiers) } else { Scheme::Graduated(tiers) })
        }
        _ => {
            Err(ApiError::parameter("billing_scheme", "Tiered prices have tiers_mode and tiers up to inf; others a unit_amount."))
        }
    }
}

fn unit_amount(form: &mut Form) -> ApiResult<Option<UnitAmount>> {
    let whole = form.integer("unit_amount")?;
    let Some(decimal) = form.text("unit_amount_decimal")? else {
        return match whole {
            Some(amount) if amount < 0 => Err(form.error("unit_amount", "Invalid non-negative integer")),
            whole => Ok(whole.map(UnitAmount::whole)),
        };
    };
    let wrong = || form.error("unit_amount_decimal", "Invalid decimal: at most 12 places");
    UnitAmount::parse(&decimal).map(Some).ok_or_else(wrong)
}
