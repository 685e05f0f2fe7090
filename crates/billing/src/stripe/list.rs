//! Lists, and what is only looked up: events, prices, webhook endpoints.

use serde_json::Value;

use super::StripeProvider;
use super::form::{Form, seconds};
use super::wire::{Answer, Ask, not_understood};
use crate::objects::{EventKind, Price};
use crate::provider::{EventQuery, Listed, ProviderResult, WebhookEndpoint};

/// The most objects of a page.
pub(super) const PAGE: usize = 100;
/// The most pages of a list that is read to its end.
const MAX_PAGES: usize = 100;
/// The most types of events that can be asked for by name.
const MAX_TYPES: usize = 20;

impl StripeProvider {
    pub(super) async fn read_price(&self, id: &str) -> ProviderResult<Price> {
        self.wire.ask(Ask::get("/v1/prices", Form::new()).of(id, "")?).await?.read(Price::read)
    }

    pub(super) async fn list_events(&self, query: &EventQuery) -> ProviderResult<Listed<Value>> {
        if query.kinds.is_empty() {
            return Ok(Listed { items: Vec::new(), next: None });
        }
        let mut form = Form::new().with("limit", PAGE).with("created[gte]", seconds(query.since));
        form = form.with_some("starting_after", query.before.as_deref());
        let by_name = query.kinds.len() <= MAX_TYPES;
        if by_name {
            form = query.kinds.iter().fold(form, |form, kind| form.with("types[]", kind.as_str()));
        }
        let answer = self.wire.ask(Ask::get("/v1/events", form)).await?;
        let mut page = page(answer)?;
        if !by_name {
            let wanted = |event: &Value| event.get("type").and_then(Value::as_str).and_then(EventKind::parse);
            page.items.retain(|event| wanted(event).is_some_and(|kind| query.kinds.contains(&kind)));
        }
        Ok(page)
    }

    pub(super) async fn list_endpoints(&self) -> ProviderResult<Vec<WebhookEndpoint>> {
        let all = self.all("/v1/webhook_endpoints", &Form::new()).await?;
        all.iter()
            .map(|value| endpoint(value).ok_or_else(|| not_understood("a webhook endpoint without an id or a url")))
            .collect()
    }

    /// A list, to its end.
    pub(super) async fn all(&self, path: &str, form: &Form) -> ProviderResult<Vec<Value>> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let form = form.clone().with("limit", PAGE).with_some("starting_after", after.as_deref());
            let Listed { items, next } = page(self.wire.ask(Ask::get(path, form)).await?)?;
            all.extend(items);
            if next.is_none() {
                return Ok(all);
            }
            after = next;
        }
        Err(not_understood("a list without an end"))
    }
}

/// A page of a list, and what the next one is asked for with.
pub(super) fn page(mut answer: Answer) -> ProviderResult<Listed<Value>> {
    let Some(Value::Array(items)) = answer.value.get_mut("data").map(Value::take) else {
        return Err(not_understood("a list without data"));
    };
    let has_more = answer.value.get("has_more").and_then(Value::as_bool).unwrap_or(false);
    let last = items.last().and_then(|last| last.get("id")).and_then(Value::as_str);
    let next = match (has_more, last) {
        (false, _) => None,
        (true, Some(last)) => Some(last.into()),
        (true, None) => return Err(not_understood("a list that goes on after nothing")),
    };
    Ok(Listed { items, next })
}

fn endpoint(value: &Value) -> Option<WebhookEndpoint> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let events = value.get("enabled_events").and_then(Value::as_array);
    Some(WebhookEndpoint {
        id: text("id")?.into(),
        url: text("url")?.into(),
        enabled: text("status") == Some("enabled"),
        events: events.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect(),
        api_version: text("api_version").map(Into::into),
    })
}
