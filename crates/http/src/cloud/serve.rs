//! From the host of a request to the workspace that it is for.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{ServiceRequest, fn_service};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::ServiceConfig;
use futures_util::future::{Either, LocalBoxFuture, join};
use smallvec::SmallVec;
use togglebox_auth::Marked;
use togglebox_core::{Stopwatch, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::locate::TENANT_HEADER;
use togglebox_multitenancy::{
    Claims, HostKey, HostRef, HostRules, LocateError, Located, Locating, Named, Preloaded, Preloading, ResolveError,
    ResolveOptions, Resolved, Resolver, Versioned as _,
};
use tokio::time::{sleep, timeout};

use super::metering::is_counted;
use super::services::CloudServices;
use super::waking::{AWAKE, Waking};
use super::workspace::{ServedWorkspace, WorkspaceSource};
use super::{CENTRAL, routes};
use crate::api::{Api, ApiPorts, ApiServices};
use crate::config::ApiConfig;
use crate::dispatch::{self, Served};
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::gate;
use crate::visit::Visit;

/// How long ago a node may have heard what has changed that turns somebody away who owes something.
const RECENT: Duration = Duration::from_millis(50);

/// How long such a request waits for the store. Then what is remembered counts.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is answered whatever the host is.
const PROBES: [&str; 2] = ["/health", "/ready"];

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a service of many workspaces is made of, besides what each API needs.
#[derive(Debug)]
pub struct CloudPorts {
    /// Workspaces.
    pub source: WorkspaceSource,
    /// Measures how old what is remembered of them is.
    pub stopwatch: Arc<dyn Stopwatch>,
    /// Which hosts there are.
    pub rules: HostRules,
    /// Where else a request may say whom it is for.
    pub locating: Locating,
    /// How long workspaces are remembered.
    pub options: ResolveOptions,
    /// Whether nothing runs between requests, as where a platform stops a process until the next one comes. Then what has changed is asked
    /// for with requests, and `stopwatch` has to go on meanwhile.
    pub sleeps: bool,
}

/// The central API and those of the workspaces, ready to be mounted in any actix app: see [`Cloud::routes`].
#[derive(Debug)]
pub struct Cloud {
    rules: HostRules,
    locating: Locating,
    resolver: Resolver<ServedWorkspace>,
    source: Arc<WorkspaceSource>,
    central: Arc<Api>,
    workspaces: Arc<Api>,
    services: CloudServices,
    /// `None` where what has changed is asked for between requests.
    waking: Option<Waking>,
}

/// What came of looking for a workspace.
type Found = Result<Resolved<ServedWorkspace>, ResolveError>;

/// Whom a request is for, if that is known at once.
enum Whom {
    Central(usize),
    Known(usize, Found),
    Asked(usize, HostKey, Option<Marked>),
    Nobody,
}

impl Cloud {
    /// Puts it together. Everybody has to say who they are, whatever `config` says; what is remembered of workspaces listens to
    /// `ports.changes`.
    pub fn new(
        config: ApiConfig,
        ports: &ApiPorts,
        services: &ApiServices,
        cloud: CloudPorts,
        cloud_services: &CloudServices,
    ) -> Arc<Self> {
        let config = ApiConfig { authentication: true, ..config };
        let source = Arc::new(cloud.source);
        let stopwatch = cloud.stopwatch;
        let resolver = Resolver::new(Arc::<WorkspaceSource>::clone(&source), Arc::clone(&stopwatch), cloud.options);
        ports.changes.subscribe(Arc::new(resolver.clone()));
        let api = |routes| {
            let extras = Some(cloud_services.clone());
            Api::with(config.clone(), ports.clone(), services.clone(), routes, extras)
        };
        Arc::new(Self {
            rules: cloud.rules,
            locating: cloud.locating,
            resolver,
            source,
            central: api(routes::central()),
            workspaces: api(routes::workspace()),
            services: cloud_services.clone(),
            waking: cloud.sleeps.then(|| Waking::new(stopwatch)),
        })
    }

    /// Mounts all of it: `App::new().configure(Cloud::routes(&cloud))`. As [`Api::routes`], it takes over the app's default service.
    pub fn routes(self: &Arc<Self>) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let cloud = Arc::clone(self);
        move |config| {
            config.default_service(fn_service(move |request| cloud.serve(request)));
        }
    }

    /// What the hosts of workspaces answer with.
    pub fn workspaces(&self) -> &Arc<Api> {
        &self.workspaces
    }

    /// Asks the store which workspaces have changed; how many have. Guests follow members whose change was not finished. To be called each
    /// second or two: a bus may lose notices.
    ///
    /// # Errors
    /// As any port.
    pub async fn poll(&self) -> StoreResult<usize> {
        let heard = self.resolver.poll(&*self.source).await;
        for tenant in self.source.take_changed() {
            if let Err(error) = self.follow(tenant).await {
                tracing::warn!(%tenant, code = error.code().as_str(), "Guests do not follow their members yet; the next time goes on");
                self.source.note_changed(tenant);
            }
        }
        heard
    }

    /// Brings the names of workspaces into memory, so that none of them has to be looked up while strangers are; see
    /// [`Resolver::preload`]. To be called once, at the start. While the store is not available, this waits for it.
    ///
    /// # Errors
    /// The store could not be asked which workspaces have changed, in all the time that this may take: nothing was brought in.
    pub async fn preload(&self, how: Preloading) -> StoreResult<Preloaded> {
        let mut heard = self.poll().await;
        let until_available = async {
            while let Err(error) = &heard
                && *error.kind() == StoreErrorKind::Unavailable
            {
                sleep(how.pause).await;
                heard = self.poll().await;
            }
        };
        // When the time is over, what was heard last counts.
        let _ = timeout(how.time, until_available).await;
        heard?;
        Ok(self.resolver.preload(&*self.source, how).await)
    }

    /// Lets guests follow their members, and callers be looked up anew who may have lost something by it, on whatever node that was done.
    async fn follow(&self, tenant: TenantId) -> Result<()> {
        self.services.follow(tenant).await?;
        let revision = self.services.accounts.revision(tenant).await.map_err(failure::accounts)?;
        self.workspaces.authenticator.observe(tenant, revision);
        Ok(())
    }

    /// As [`Api::end_connections`].
    pub fn end_connections(&self) {
        self.central.end_connections();
        self.workspaces.end_connections();
    }

    /// Hears what has changed while nothing ran here: of workspaces, and in what is remembered of them.
    async fn catch_up(&self) -> StoreResult<()> {
        let (workspaces, contents) =
            join(self.resolver.catch_up(&*self.source, AWAKE), self.workspaces.memory().poll_all()).await;
        workspaces.map(drop).and(contents)
    }

    fn serve(self: &Arc<Self>, request: ServiceRequest) -> impl Future<Output = Served> + use<> {
        let waits = self.services.metering.as_ref().is_some_and(|metering| metering.waits());
        if self.waking.is_none() && !waits {
            return Either::Left(self.answer(request));
        }
        let cloud = Arc::clone(self);
        let awake = async move {
            if let Some(waking) = &cloud.waking {
                waking.wake(|| cloud.catch_up()).await;
            }
            let answered = cloud.answer(request).await;
            if let (Some(metering), Ok(response)) = (&cloud.services.metering, &answered)
                && metering.waits()
                && is_counted(response.request())
            {
                metering.counted(cloud.central.clock.now()).await;
            }
            answered
        };
        Either::Right(Box::pin(awake) as LocalBoxFuture<'static, Served>)
    }

    fn answer(self: &Arc<Self>, request: ServiceRequest) -> Either<dispatch::Serving, LocalBoxFuture<'static, Served>> {
        match self.whom(&request) {
            Whom::Central(skip) => Either::Left(dispatch::serve(&self.central, Visit { skip, ..Visit::of(CENTRAL) }, request)),
            Whom::Known(skip, found) if self.is_doubtful(skip, &found, &request) => {
                let cloud = Arc::clone(self);
                Either::Right(Box::pin(async move {
                    let found = cloud.ask_again(&request).await.unwrap_or(found);
                    cloud.arrive(skip, found, request).await
                }))
            }
            Whom::Known(skip, found) => Either::Left(self.arrive(skip, found, request)),
            Whom::Nobody => Either::Left(self.refuse(request, nobody())),
            Whom::Asked(skip, key, token) => {
                let cloud = Arc::clone(self);
                Either::Right(Box::pin(async move {
                    let found = cloud.find(key.as_ref(), token.as_ref()).await;
                    cloud.arrive(skip, found, request).await
                }))
            }
        }
    }

    /// The workspace that a name leads to. A token counts in its own; in another one it lets nobody in, which is the gate's to say.
    async fn find(&self, key: HostRef<'_>, token: Option<&Marked>) -> Found {
        if let Some(token) = token {
            match self.resolver.resolve_claimed(key, claims(token)).await {
                Err(ResolveError::OtherTenant) => {}
                found => return found,
            }
        }
        self.resolver.resolve(key).await
    }

    /// The same, if it can be said without asking the store.
    fn find_now(&self, key: HostRef<'_>, token: Option<&Marked>) -> Option<Found> {
        if let Some(token) = token {
            match self.resolver.resolve_claimed_now(key, claims(token)) {
                Some(Err(ResolveError::OtherTenant)) => {}
                found => return found,
            }
        }
        self.resolver.resolve_now(key)
    }

    /// Whether a request would be turned away because something is owed, by what is remembered: it may have been paid a moment ago, as somebody
    /// was told by another node.
    fn is_doubtful(&self, skip: usize, found: &Found, request: &ServiceRequest) -> bool {
        let Ok(Resolved { entry, .. }) = found else { return false };
        let is_owed = !entry.is_gone && entry.closed.as_ref().is_some_and(|closed| closed.owed.is_some());
        is_owed && dispatch::is_closed(&self.workspaces, &visit(skip, Arc::clone(entry)), request)
    }

    /// The workspace of a request, after this node has heard what changed until a moment ago. It asks the store so seldom that nobody can make
    /// it ask often, whoever they are and whatever they owe; several at once wait for one.
    async fn ask_again(&self, request: &ServiceRequest) -> Option<Found> {
        match timeout(PATIENCE, self.resolver.catch_up(&*self.source, RECENT)).await {
            Ok(Ok(_)) => {}
            // Whoever owes something decides how often this happens; that the store is away is told with each poll.
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "Whether a workspace has paid could not be asked for");
            }
            Err(_) => tracing::debug!("The store does not say in time whether a workspace has paid"),
        }
        match self.whom(request) {
            Whom::Known(_, found) => Some(found),
            Whom::Asked(_, key, token) => Some(self.find(key.as_ref(), token.as_ref()).await),
            Whom::Central(_) | Whom::Nobody => None,
        }
    }

    fn arrive(&self, skip: usize, found: Found, request: ServiceRequest) -> dispatch::Serving {
        match found {
            Ok(Resolved { entry, .. }) if !entry.is_gone => dispatch::serve(&self.workspaces, visit(skip, entry), request),
            Ok(_) => self.refuse(request, nobody()),
            Err(error) => self.refuse(request, unresolved(&error)),
        }
    }

    /// Answers with an error and with all that other answers have: id, headers for web pages, a line in the log.
    fn refuse(&self, request: ServiceRequest, error: ApiError) -> dispatch::Serving {
        Either::Left(ready(Ok(dispatch::refuse(&self.central, request, error))))
    }

    fn whom(&self, request: &ServiceRequest) -> Whom {
        let (uri, headers) = (request.request().uri(), request.headers());
        let forwarded = if self.locating.reads_forwarded_host() { values(headers, &FORWARDED_HOST) } else { SmallVec::new() };
        let tenant =
            if self.locating.reads_header() { values(headers, &HeaderName::from_static(TENANT_HEADER)) } else { SmallVec::new() };
        // The target of a request may name the host, and then it counts (RFC 9112 §3.2.2).
        let host = uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = host.or_else(|| headers.get(HOST).map(HeaderValue::as_bytes));
        let named = Named { host, forwarded_host: &forwarded, tenant: &tenant, path: uri.path() };
        let located: Result<Located<'_>, LocateError> = self.locating.locate(&self.rules, &named);
        let Ok(located) = located else {
            // What watches a node asks it by its address.
            let is_probe = PROBES.iter().any(|probe| probe.eq_ignore_ascii_case(uri.path()));
            return if is_probe { Whom::Central(0) } else { Whom::Nobody };
        };
        let skip = if located.path == "/" && !uri.path().ends_with('/') {
            uri.path().len()
        } else {
            uri.path().len() - located.path.len()
        };
        let Some(key) = located.key() else { return Whom::Central(skip) };
        let token = gate::bearer(headers).and_then(|token| self.workspaces.authenticator.marked(token));
        match self.find_now(key, token.as_ref()) {
            Some(found) => Whom::Known(skip, found),
            None => Whom::Asked(skip, key.to_key(), token),
        }
    }
}

fn visit(skip: usize, entry: Arc<ServedWorkspace>) -> Visit {
    let (tenant, closed) = (entry.tenant(), entry.closed.clone());
    // The share that the resolver gave goes on: another one would have to be asked of other cores.
    Visit { skip, closed, known: Some(entry), ..Visit::of(tenant) }
}

/// What a token says of its workspace.
fn claims(Marked { tenant, mark }: &Marked) -> Claims<'_> {
    Claims { tenant: *tenant, version: mark.version, name: Some(HostRef::Subdomain(&mark.name)), as_of: mark.as_of }
}

/// All values of a header, in order.
fn values<'r>(headers: &'r HeaderMap, name: &HeaderName) -> SmallVec<[&'r [u8]; 2]> {
    headers.get_all(name).map(HeaderValue::as_bytes).collect()
}

/// A host that is nobody's, one that cannot be anybody's and one whose workspace is deleted: all the same to whoever asks.
fn nobody() -> ApiError {
    ApiError::new(Code::WorkspaceNotFound, "There is no workspace at this address")
}

fn unresolved(error: &ResolveError) -> ApiError {
    match error {
        ResolveError::NotFound | ResolveError::OtherTenant => nobody(),
        ResolveError::Overloaded { retry_after } => ApiError::unavailable().retry_after(retry_after.as_secs().max(1)),
        other => {
            tracing::warn!(error = other as &(dyn std::error::Error + 'static), "A workspace could not be looked up");
            ApiError::unavailable()
        }
    }
}
