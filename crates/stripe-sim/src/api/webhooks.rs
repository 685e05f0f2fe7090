//! `/v1/webhook_endpoints`.

use serde_json::{Value, json};

use super::list::Page;
use super::optional;
use crate::delivery::{Chaos, Endpoint, Secret};
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, Pairs, merge};
use crate::ids::Dice;
use crate::version::Version;
use crate::world::World;

impl World {
    /// Registers an endpoint; without a URL it is a manual one. Answers its id.
    pub(crate) fn add_endpoint(
        &mut self,
        url: Option<String>,
        secret: Option<String>,
        events: Vec<String>,
        version: Option<Version>,
    ) -> String {
        let id = self.ids.next("we");
        let secret = secret.unwrap_or_else(|| self.ids.next("whsec"));
        let endpoint = Endpoint {
            id: id.clone(),
            created: self.now(),
            manual: url.is_none(),
            url: url.unwrap_or_else(|| "https://manual.invalid/".to_owned()),
            secrets: vec![Secret { value: secret, until: None }],
            events,
            version,
            enabled: true,
            description: None,
            metadata: Pairs::new(),
            chaos: Chaos::default(),
            dice: Dice::new(0),
        };
        self.outbox.endpoints.insert(id.clone(), endpoint);
        id
    }

    pub(crate) fn endpoint(&mut self, id: &str) -> ApiResult<&mut Endpoint> {
        self.outbox.endpoints.get_mut(id).ok_or_else(|| ApiError::missing("webhook endpoint", id))
    }
}

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create(world, form),
        ("GET", []) => {
            let page = Page::read(&mut form)?;
            form.finish()?;
            let ids: Vec<String> = world.outbox.endpoints.keys().rev().cloned().collect();
            let livemode = world.livemode;
            page.cut("/v1/webhook_endpoints", &ids, |id| {
                world.outbox.endpoints.get(id).map_or(Value::Null, |endpoint| endpoint.render(livemode))
            })
        }
        ("GET", [id]) => {
            form.finish()?;
            let livemode = world.livemode;
            Ok(world.endpoint(id)?.render(livemode))
        }
        ("POST", [id]) => update(world, id, form),
        ("DELETE", [id]) => {
            form.finish()?;
            world.endpoint(id)?;
            world.outbox.endpoints.shift_remove(*id);
            Ok(json!({"id": id, "object": "webhook_endpoint", "deleted": true}))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let url = form.required("url")?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(form
            .error("url", "Invalid URL: An explicit scheme (such as https) must be provided.")
            .with_code("url_invalid"));
    }
    let events = form.texts("enabled_events")?;
    if events.is_empty() {
        return Err(ApiError::required("enabled_events"));
    }
    let version = match form.text("api_version")? {
        None => None,
        Some(text) => Some(Version::parse(&text).ok_or_else(|| form.error("api_version", "Invalid API version"))?),
    };
    let description = form.text("description")?.and_then(optional);
    let metadata = form.pairs("metadata")?;
    form.ignore(&["connect"]);
    form.finish()?;
    let id = world.add_endpoint(Some(url), None, events, version);
    let livemode = world.livemode;
    let endpoint = world.endpoint(&id)?;
    endpoint.description = description;
    endpoint.metadata = metadata;
    let mut rendered = endpoint.render(livemode);
    // Only ever told here.
    rendered["secret"] = json!(endpoint.secrets[0].value);
    Ok(rendered)
}

fn update(world: &mut World, id: &str, mut form: Form) -> ApiResult<Value> {
    let livemode = world.livemode;
    let (url, disabled) = (form.text("url")?, form.boolean("disabled")?);
    let events = form.texts("enabled_events")?;
    let description = form.text("description")?;
    let metadata = form.pairs("metadata")?;
    form.finish()?;
    let endpoint = world.endpoint(id)?;
    if let Some(url) = url {
        endpoint.url = url;
    }
    if !events.is_empty() {
        endpoint.events = events;
    }
    if let Some(description) = description {
        endpoint.description = optional(description);
    }
    endpoint.enabled = disabled.map_or(endpoint.enabled, |disabled| !disabled);
    merge(&mut endpoint.metadata, metadata);
    Ok(endpoint.render(livemode))
}
