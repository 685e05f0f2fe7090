//! The API as a whole: what it is made of, and how an actix app mounts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::fn_service;
use actix_web::web::ServiceConfig;
use togglebox_auth::{Accounts, Authenticator};
use togglebox_core::{AuditLog, ChangeBus, Clock, Entropy, Timestamp};
use togglebox_ratelimit::RouteLimiter;
use togglebox_toggles::manage::{Directories, Experiments, Flags, Journal, Parameters};
use togglebox_toggles::statistics::{Flusher, Recorder};
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, ExperimentStore, FlagStore, ParameterStore, StatisticsStore};

use crate::budget::BodyBudget;
#[cfg(feature = "cloud")]
use crate::cloud::metering::Toll;
use crate::config::ApiConfig;
use crate::dispatch;
use crate::error::ApiError;
#[cfg(feature = "cloud")]
use crate::error::Code;
use crate::headers::StandingHeaders;
use crate::idempotency::RecentBatches;
use crate::limiting::ApiLimits;
use crate::openapi;
use crate::paging::PageTokens;
use crate::route::Route;
use crate::router::Router;
use crate::routes;
use crate::serving::{Memory, Rendered};
use crate::visit::Visit;

/// What only a service of many workspaces has.
#[cfg(feature = "cloud")]
pub(crate) type Extras = crate::cloud::CloudServices;

/// Nothing.
#[cfg(not(feature = "cloud"))]
pub(crate) type Extras = std::convert::Infallible;

/// The ports that the API works over.
#[derive(Clone, Debug)]
pub struct ApiPorts {
    /// Platforms and environments.
    pub directories: Arc<dyn DirectoryStore>,
    /// Contents of environments.
    pub environments: Arc<dyn EnvironmentStore>,
    /// Config parameters.
    pub parameters: Arc<dyn ParameterStore>,
    /// Flags.
    pub flags: Arc<dyn FlagStore>,
    /// Experiments.
    pub experiments: Arc<dyn ExperimentStore>,
    /// Statistics.
    pub statistics: Arc<dyn StatisticsStore>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Where changes are announced.
    pub changes: Arc<dyn ChangeBus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The services that the API works with besides its ports.
#[derive(Clone, Debug)]
pub struct ApiServices {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Users, sessions and keys.
    pub accounts: Arc<Accounts>,
    /// Counts events.
    pub recorder: Arc<Recorder>,
    /// Writes out what was counted.
    pub flusher: Arc<Flusher>,
    /// Signs page tokens.
    pub page_tokens: PageTokens,
    /// How often requests may come. `None`: as often as they like.
    pub limits: Option<ApiLimits>,
}

/// The API of `ToggleBox`, ready to be mounted in any actix app: see [`Api::routes`].
#[derive(Debug)]
pub struct Api {
    pub(crate) config: ApiConfig,
    pub(crate) standing: StandingHeaders,
    pub(crate) routes: Vec<Route>,
    pub(crate) router: Router,
    pub(crate) memory: Arc<Memory>,
    pub(crate) directories: Directories,
    pub(crate) parameters: Parameters,
    pub(crate) flags: Flags,
    pub(crate) experiments: Experiments,
    pub(crate) statistics: Arc<dyn StatisticsStore>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) flusher: Arc<Flusher>,
    pub(crate) page_tokens: PageTokens,
    pub(crate) limits: Option<ApiLimits>,
    /// What limits a route, in the order of `routes`.
    pub(crate) limited: Vec<Option<RouteLimiter>>,
    /// What requests of a route are counted as, in the order of `routes`.
    #[cfg(feature = "cloud")]
    pub(crate) tolls: Vec<Toll>,
    pub(crate) batches: RecentBatches,
    pub(crate) bodies: BodyBudget,
    pub(crate) openapi: Arc<Rendered>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_at: Timestamp,
    #[cfg_attr(not(feature = "cloud"), expect(dead_code, reason = "only routes of the cloud have any"))]
    pub(crate) extras: Option<Extras>,
    ending: AtomicBool,
}

impl Api {
    /// Puts the API together. Its memory listens to `ports.changes`.
    pub fn new(config: ApiConfig, ports: ApiPorts, services: ApiServices) -> Arc<Self> {
        Self::with_routes(config, ports, services, routes::table())
    }

    /// The API with this table of routes.
    pub(crate) fn with_routes(config: ApiConfig, ports: ApiPorts, services: ApiServices, routes: Vec<Route>) -> Arc<Self> {
        Self::with(config, ports, services, routes, None)
    }

    pub(crate) fn with(
        config: ApiConfig,
        ports: ApiPorts,
        services: ApiServices,
        routes: Vec<Route>,
        extras: Option<Extras>,
    ) -> Arc<Self> {
        let memory = Memory::new(Arc::clone(&ports.directories), ports.environments);
        let listener: Arc<Memory> = Arc::clone(&memory);
        ports.changes.subscribe(listener);
        let journal = Journal::new(Arc::clone(&ports.clock), ports.entropy, ports.changes);
        #[cfg(feature = "cloud")]
        let journal = match &extras {
            Some(extras) => journal.within(extras.quotas()),
            None => journal,
        };
        let mut router = Router::default();
        for (index, route) in routes.iter().enumerate() {
            router.add(route.method.clone(), route.path, index);
        }
        let document = openapi::document(&routes, env!("CARGO_PKG_VERSION"));
        let limited = |route: &Route| services.limits.as_ref()?.limiter.for_route(route.class.as_str());
        Arc::new(Self {
            limited: routes.iter().map(limited).collect(),
            #[cfg(feature = "cloud")]
            tolls: routes.iter().map(Toll::of).collect(),
            standing: StandingHeaders::new(&config),
            openapi: Rendered::new(document.to_string().into_bytes()),
            bodies: BodyBudget::new(config.body_memory),
            config,
            routes,
            router,
            memory,
            directories: Directories::new(ports.directories, journal.clone()),
            parameters: Parameters::new(ports.parameters, journal.clone()),
            flags: Flags::new(ports.flags, journal.clone()),
            experiments: Experiments::new(ports.experiments, journal),
            statistics: ports.statistics,
            audit: ports.audit,
            authenticator: services.authenticator,
            accounts: services.accounts,
            recorder: services.recorder,
            flusher: services.flusher,
            page_tokens: services.page_tokens,
            limits: services.limits,
            batches: RecentBatches::default(),
            started_at: ports.clock.now(),
            ending: AtomicBool::new(false),
            clock: ports.clock,
            extras,
        })
    }

    /// Mounts every route, and the answer to paths without one: `App::new().configure(Api::routes(&api))`.
    ///
    /// The API takes over the app's default service. It matches whole paths, so it is mounted at the root of its app.
    pub fn routes(self: &Arc<Self>) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let api = Arc::clone(self);
        move |config| {
            config.default_service(fn_service(move |request| dispatch::serve(&api, Visit::ONLY, request)));
        }
    }

    /// From now on every answer is the last one on its connection, and says so. To be called a moment before the server stops:
    /// a connection that is closed under a client which is about to send loses the request, one that is announced to close does not.
    pub fn end_connections(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// To an error about what a plan limits, or what has to be paid for: where more is to be had.
    #[cfg_attr(not(feature = "cloud"), expect(clippy::unused_self, reason = "only the cloud has plans"))]
    pub(crate) fn point_up(&self, error: ApiError) -> ApiError {
        #[cfg(feature = "cloud")]
        if let (Code::PlanLimitReached | Code::ApiLimitExceeded | Code::PaymentRequired, Some(extras)) =
            (error.code(), &self.extras)
        {
            return error.with_meta("upgradeUrl", extras.settings.upgrade_url.as_str());
        }
        error
    }

    /// What counts the usage of workspaces, where that is metered.
    #[cfg(feature = "cloud")]
    pub(crate) fn metering(&self) -> Option<&crate::cloud::Metering> {
        self.extras.as_ref()?.metering.as_deref()
    }

    /// What reads are served from. The server polls it: see [`Memory::poll`].
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Method, path and operation id of every route.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &'static str, &'static str)> {
        self.routes.iter().map(|route| (route.method.as_str(), route.path, route.id))
    }
}
