//! What is counted of requests, and where it is looked up.
//!
//! An answer is counted before it is sent, by the process that made it: see `togglebox_metering`. What the service itself got wrong is
//! nobody's usage, nor is what was refused before it was done: answers of 401, 403, 429 and 5xx are not counted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody as _};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, SmolStrBuilder, format_smolstr};
use togglebox_auth::Principal;
use togglebox_core::{OsEntropy, StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{UsageLedger, UsageStore};
use togglebox_metering::{
    DirectRecorder, Flusher, InvalidMeter, LeasedQuota, Meter, MeterId, Meters, Misses, PartlyRecorded, PeriodUsage, Progress,
    Recorder, Unit, is_usage,
};
use tokio::time::timeout;

use crate::api::Api;
use crate::route::{Access, Route, RouteClass};
use crate::serving::ServedEnvironment;
use crate::visit::Visit;

/// Requests that were answered.
pub(super) const REQUESTS: &str = "api.requests";
/// Those of them that were answered with 304: the client has what it asked for.
pub(super) const NOT_MODIFIED: &str = "api.not_modified";
/// Bytes of bodies that were sent.
pub(super) const BYTES: &str = "api.bytes";

/// All meters.
pub(super) const METERS: [&str; 3] = [REQUESTS, NOT_MODIFIED, BYTES];

/// What they are told apart by: the environment as `platform/environment`, the id of the API key, what was done.
pub(super) const DIMENSIONS: [&str; 3] = ["environment", "key", "operation"];

/// Where a request is in no environment, and where it comes from somebody who signed in.
const NONE: &str = "-";
const PERSON: &str = "person";
/// A key of the original system's second kind.
const SIGNED_KEY: &str = "signed";

/// The longest value of a dimension, in bytes.
const MOST_BYTES: usize = 64;

/// The usage of workspaces: counts requests, and knows what was counted.
pub struct Metering {
    counter: Counter,
    store: Arc<dyn UsageStore>,
    ledger: Arc<dyn UsageLedger>,
    /// What is known of the requests of each workspace's period.
    period: PeriodUsage,
    /// What this node may serve of workspaces whose quota is a hard one.
    units: LeasedQuota,
    requests: MeterId,
    not_modified: MeterId,
    bytes: MeterId,
    misses: Misses,
}

/// Where counts are until the store has them.
#[derive(Debug)]
enum Counter {
    /// In files that outlast the process.
    Files {
        recorder: Arc<Recorder>,
        flusher: Arc<Flusher>,
        /// Whether an answer waits until it is on the disk.
        synced: bool,
    },
    /// Nowhere: an answer waits for the store.
    Direct(Arc<DirectRecorder>),
}

/// How long an answer waits for the store where counts are kept nowhere else.
const PATIENCE: Duration = Duration::from_millis(500);

impl fmt::Debug for Metering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metering").field("counter", &self.counter).field("misses", &self.misses).finish_non_exhaustive()
    }
}

impl Metering {
    /// What the recorder has to know.
    ///
    /// # Errors
    /// None: the names are fixed.
    pub fn meters() -> Result<Meters, InvalidMeter> {
        let meters = METERS.map(|name| Meter::new(name, DIMENSIONS));
        Meters::new(meters.into_iter().collect::<Result<Vec<_>, _>>()?)
    }

    /// Counts with `recorder`, which has the [meters](Self::meters), and looks up in a store, the same in two ports, where `flusher` brings
    /// what was counted.
    ///
    /// # Errors
    /// None: the names are fixed.
    pub fn new(
        (recorder, flusher): (Arc<Recorder>, Arc<Flusher>),
        (store, ledger): (Arc<dyn UsageStore>, Arc<dyn UsageLedger>),
    ) -> Result<Self, InvalidMeter> {
        Self::with(Counter::Files { recorder, flusher, synced: false }, store, ledger)
    }

    /// Lets answers wait until what they count is on the disk, so that it outlives a power loss as well. Where there are no files, nothing
    /// changes.
    #[must_use]
    pub fn on_disk(mut self) -> Self {
        if let Counter::Files { synced, .. } = &mut self.counter {
            *synced = true;
        }
        self
    }

    /// Counts with `recorder`, where no disk outlasts the process: each answer waits until the store has counted it, half a second at the
    /// most. If that is not enough, the answer goes out, and is counted with the next one.
    ///
    /// # Errors
    /// None: the names are fixed.
    pub fn direct(
        recorder: DirectRecorder,
        (store, ledger): (Arc<dyn UsageStore>, Arc<dyn UsageLedger>),
    ) -> Result<Self, InvalidMeter> {
        Self::with(Counter::Direct(Arc::new(recorder)), store, ledger)
    }

    fn with(counter: Counter, store: Arc<dyn UsageStore>, ledger: Arc<dyn UsageLedger>) -> Result<Self, InvalidMeter> {
        let [requests, not_modified, bytes] = [REQUESTS.parse()?, NOT_MODIFIED.parse()?, BYTES.parse()?];
        let period = PeriodUsage::new(Arc::clone(&store), requests);
        let units = LeasedQuota::new(Arc::clone(&store), requests, Arc::new(OsEntropy));
        Ok(Self { counter, store, ledger, period, units, requests, not_modified, bytes, misses: Misses::default() })
    }

    /// How many answers could not be counted since the start: the disk was full, or failed.
    pub fn missed(&self) -> u64 {
        self.misses.count()
    }

    /// Where usage is looked up.
    pub(super) fn store(&self) -> &dyn UsageStore {
        &*self.store
    }

    /// The same store, of all workspaces together.
    pub(super) fn ledger(&self) -> &dyn UsageLedger {
        &*self.ledger
    }

    /// How far this node is with what it has counted; `None` where each answer waits for the store.
    pub fn progress(&self) -> Option<Progress> {
        match &self.counter {
            Counter::Files { flusher, .. } => Some(flusher.progress()),
            Counter::Direct(_) => None,
        }
    }

    /// Brings what this node has counted to the store, so that whoever looks sees their own requests. What other nodes hold follows within
    /// their interval.
    pub(super) async fn settle(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Showing usage without what was counted last");
        }
    }

    /// Brings what was counted to the store. To be called every second or so.
    ///
    /// # Errors
    /// As any port. What was not sent is sent by the next call.
    pub async fn flush(&self) -> StoreResult<()> {
        match &self.counter {
            Counter::Files { flusher, .. } => flusher.flush().await.map(drop),
            Counter::Direct(recorder) => recorder.write().await,
        }
    }

    /// Whether answers have to wait until they are counted: see [`counted`](Self::counted).
    pub(super) const fn waits(&self) -> bool {
        matches!(self.counter, Counter::Direct(_) | Counter::Files { synced: true, .. })
    }

    /// Waits until what was answered is counted for good. Where nothing runs between requests, it also learns what workspaces have used, if
    /// that is due.
    pub(super) async fn counted(&self, now: Timestamp) {
        /// Those who wait for it are few, and so are the workspaces of a process that seldom runs.
        const LEARNT: usize = 2;
        let counted = async {
            match &self.counter {
                Counter::Direct(recorder) => {
                    recorder.write().await.map_err(|error| Box::new(error) as Box<dyn std::error::Error>)?;
                    if let Err(error) = self.period.read_due(now, LEARNT).await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "It could not be read how many requests a workspace has made");
                    }
                    Ok(())
                }
                Counter::Files { recorder, synced: true, .. } => {
                    recorder.sync().await.map_err(Box::<dyn std::error::Error>::from)
                }
                Counter::Files { .. } => Ok(()),
            }
        };
        match timeout(PATIENCE, counted).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &*error,
                    "An answer goes out that is not counted for good before the next one is, if there is one"
                );
            }
            Err(_) => tracing::warn!("An answer goes out that could not be counted for good in time; the next one's is"),
        }
    }

    /// What is known of the requests of each workspace's period.
    pub(super) const fn period(&self) -> &PeriodUsage {
        &self.period
    }

    /// What this node may serve of workspaces whose quota is a hard one.
    pub(super) const fn units(&self) -> &LeasedQuota {
        &self.units
    }

    /// Lets other nodes serve what this one may serve and nobody asks it for. To be called after each flush.
    pub async fn share(&self, now: Timestamp) {
        self.units.keep(now).await;
    }

    /// Lets other nodes serve all that this one has not served. To be called when it serves nothing more.
    pub async fn leave(&self, now: Timestamp) {
        self.units.finish(now).await;
    }

    /// Learns from the store how many requests workspaces have made in their periods, of those whose limit may be near. To be called after
    /// each flush.
    ///
    /// # Errors
    /// As any port. The others have their turn the next time.
    pub async fn learn(&self, now: Timestamp) -> StoreResult<()> {
        /// Each takes the store a few milliseconds, and a few are read at a time.
        const MOST: usize = 200;
        self.period.read_due(now, MOST).await.map(drop)
    }

    /// Counts an answer, under these values of the dimensions. How many requests it is comes first.
    fn record(&self, now: Timestamp, tenant: TenantId, values: &[&str], quantities: &[(MeterId, u64)]) {
        let recorded = match &self.counter {
            Counter::Files { recorder, .. } => recorder.record_each(now, tenant, values, quantities),
            Counter::Direct(recorder) => recorder.add_each(tenant, values, quantities),
        };
        let recorded = match recorded {
            Ok(()) => quantities.len(),
            Err(PartlyRecorded { recorded, error }) => {
                self.misses.note(&error);
                recorded
            }
        };
        let requests = quantities.iter().take(recorded).find(|(meter, _)| *meter == self.requests);
        if let Some((_, quantity)) = requests {
            self.period.add(tenant, *quantity);
        }
    }
}

/// What a request is counted under, and its unit of a hard quota. It belongs to the request, and nobody else sees it.
#[derive(Debug)]
pub(crate) struct Tab {
    admitted: Option<Admitted>,
    /// Given back unless the answer counts.
    unit: Option<Unit>,
}

impl Tab {
    /// Of a request that has just come.
    pub(crate) const NEW: Self = Self { admitted: None, unit: None };

    /// Whether the request has a unit of a hard quota.
    pub(super) const fn has_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// The request has this unit.
    pub(super) fn put(&mut self, unit: Unit) {
        self.unit = Some(unit);
    }
}

/// Who was let in and where: what an answer is counted under.
#[derive(Debug)]
struct Admitted {
    route: usize,
    key: Key,
    place: Place,
}

/// Where a request was.
#[derive(Debug)]
enum Place {
    /// In no environment, or in one that does not exist.
    Nowhere,
    /// In this environment, if it was answered without an error.
    There(SmolStr),
    /// In this environment of a platform, if it exists: it may be answered without an error where it does not.
    Maybe(Box<(String, String)>),
}

/// What is known of the environment that a path names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'e> {
    /// It is this one, or it does not exist.
    Known(Option<&'e ServedEnvironment>),
    /// Whoever answers finds out.
    Unknown,
}

/// That a request was counted: for whoever has to wait until it is for good.
#[derive(Debug)]
struct Counted;

/// Whether a request was counted, where answers [wait](Metering::waits).
pub(super) fn is_counted(request: &HttpRequest) -> bool {
    request.extensions().contains::<Counted>()
}

#[derive(Debug)]
enum Key {
    Own(uuid::Uuid),
    Signed,
    Person,
}

/// Notes who was let in, and where.
pub(crate) fn note(
    (api, tenant): (&Api, TenantId),
    tab: &mut Tab,
    route: usize,
    principal: Option<&Principal>,
    (params, named): (&[Cow<'_, str>], Named<'_>),
) {
    // The central host is no workspace.
    if tenant == super::CENTRAL || api.metering().is_none() {
        return;
    }
    let Some(principal) = principal else { return };
    let key = match principal {
        Principal::ApiKey(holder) => Key::Own(holder.key().id),
        Principal::SignedKey(_) => Key::Signed,
        _ => Key::Person,
    };
    let place = match params {
        [platform, environment, ..] if api.tolls[route].in_environment => match named {
            Named::Known(None) => Place::Nowhere,
            Named::Known(Some(known)) => Place::There(known.counted_as(place).clone()),
            // What is reported of an environment that does not exist is dropped without an error.
            Named::Unknown if api.routes[route].class == RouteClass::Statistics => {
                Place::Maybe(Box::new((platform.clone().into_owned(), environment.clone().into_owned())))
            }
            Named::Unknown => Place::There(place(platform, environment)),
        },
        _ => Place::Nowhere,
    };
    tab.admitted = Some(Admitted { route, key, place });
}

/// Counts an answer to somebody who was let in.
pub(crate) fn count(api: &Api, visit: &mut Visit, request: &HttpRequest, response: &HttpResponse, now: Timestamp) {
    // Given back unless the answer counts.
    let unit = visit.tab.unit.take();
    let (tenant, Some(Admitted { route, key, place })) = (visit.tenant, &visit.tab.admitted) else { return };
    let Some(metering) = api.metering() else { return };
    let (status, Some(operation)) = (response.status(), api.tolls[*route].operation) else { return };
    if !is_usage(status.as_u16()) {
        return;
    }
    // Only of what there is: anybody could ask for anything.
    let environment = match place {
        Place::There(environment) if status.as_u16() < 400 => Some(Cow::Borrowed(environment)),
        Place::Maybe(names) => {
            let (platform, environment) = &**names;
            let exists = api.memory().look((tenant, None), platform, environment, |environment| environment.is_some());
            matches!(exists, Poll::Ready(true)).then(|| Cow::Owned(self::place(platform, environment)))
        }
        Place::There(_) | Place::Nowhere => None,
    };
    let environment = environment.as_ref().map_or(NONE, |environment| environment.as_str());
    let mut digits = uuid::Uuid::encode_buffer();
    let key = match key {
        Key::Own(id) => &*id.as_simple().encode_lower(&mut digits),
        Key::Signed => SIGNED_KEY,
        Key::Person => PERSON,
    };
    // An answer without a change has no body, and that of an answer to HEAD stays here.
    let more = match response.body().size() {
        _ if status == StatusCode::NOT_MODIFIED => Some((metering.not_modified, 1)),
        BodySize::Sized(bytes @ 1..) if request.method() != Method::HEAD => Some((metering.bytes, bytes)),
        _ => None,
    };
    let requests = (metering.requests, 1);
    let values = [environment, key, operation];
    match more {
        Some(more) => metering.record(now, tenant, &values, &[requests, more]),
        None => metering.record(now, tenant, &values, &[requests]),
    }
    if let Some(unit) = unit {
        unit.spend();
    }
    if metering.waits() {
        request.extensions_mut().insert(Counted);
    }
}

/// What requests of a route are counted as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toll {
    /// What the route does, in the word that usage is told by; `None` of what is not counted.
    operation: Option<&'static str>,
    /// Whether it is about an environment, which its first two parameters name.
    in_environment: bool,
}

impl Toll {
    pub(crate) fn of(route: &Route) -> Self {
        Self { operation: operation(route), in_environment: route.path.contains("/environments/{environment}") }
    }
}

fn operation(route: &Route) -> Option<&'static str> {
    match route.class {
        RouteClass::Service => None,
        RouteClass::Evaluation if route.path.ends_with("/assign") => Some("assignment"),
        RouteClass::Evaluation => Some("evaluation"),
        RouteClass::Statistics => Some("statistics"),
        RouteClass::Read if route.access == Access::Conditional => Some("config"),
        _ => Some("management"),
    }
}

/// An environment as a value: what does not fit is cut, and told apart by a hash.
fn place(platform: &str, environment: &str) -> SmolStr {
    let mut whole = SmolStrBuilder::new();
    whole.push_str(platform);
    whole.push('/');
    whole.push_str(environment);
    let whole = whole.finish();
    if fits(&whole) {
        return whole;
    }
    let hash = Sha256::digest(whole.as_bytes());
    let hash = hash[..8].iter().fold(0, |hash: u64, byte| hash << 8 | u64::from(*byte));
    let kept: Cow<'_, str> =
        whole.chars().map(|c| if c.is_ascii_alphanumeric() || "-_/.".contains(c) { c } else { '_' }).take(40).collect();
    format_smolstr!("{kept}~{hash:016x}")
}

/// Whether a text is a value as it is.
fn fits(text: &str) -> bool {
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.'));
    text.len() <= MOST_BYTES
        && (is_plain(text) || !(text.starts_with('~') || text.contains(|c: char| c.is_control() || c == ',' || c == '=')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_route_has_an_operation_or_is_not_counted() {
        let of = |id: &str| routes::table().iter().find(|route| route.id == id).map(operation).unwrap();
        assert_eq!(of("getHealth"), None);
        let all: std::collections::BTreeSet<_> = routes::table().iter().filter_map(operation).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["assignment", "config", "evaluation", "management", "statistics"]);
    }

    #[test]
    fn an_environment_is_a_value_whatever_it_is_called() {
        assert_eq!(place("web", "production"), "web/production");
        let long = place(&"w".repeat(60), &"p".repeat(60));
        assert!(long.len() <= MOST_BYTES, "{long}");
        assert_ne!(long, place(&"w".repeat(60), &"p".repeat(61)));
        for (platform, environment) in [("a,b", "c=d"), ("~x", "y"), ("é\n", "ü")] {
            let value = place(platform, environment);
            let labels = togglebox_metering::Labels::new([("environment", value.as_str())]);
            assert!(labels.is_ok(), "{value}");
        }
    }
}
