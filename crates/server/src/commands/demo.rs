//! Loads a data set to look around in.

use anyhow::{Context as _, anyhow, bail};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use togglebox_auth::input::{NewApiKey, Registration};
use togglebox_auth::{Role, SignedInUser};
use togglebox_core::input::Issues;
use togglebox_core::{Actor, EntropyExt as _, OsEntropy, TenantId};
use togglebox_toggles::input::{NewEnvironment, NewExperiment, NewFlag, NewParameter, NewPlatform};
use togglebox_toggles::manage::Step;
use togglebox_toggles::{EnvironmentName, PlatformName, Scope};

use super::leave;
use crate::node::{ManagingServices, Node};
use crate::settings::Settings;

/// Three platforms with environments, configs, flags and running experiments. The `ecommerce` platform is what the example shop of
/// the SDKs expects.
const DATA: &str = include_str!("demo.json");

const ADMIN: &str = "admin@example.com";

/// Loads the data set, an admin and an API key. Says how to sign in: the password and the key are shown here and nowhere else.
///
/// # Errors
/// The store holds platforms already, or cannot be opened.
pub async fn demo(settings: &Settings) -> anyhow::Result<String> {
    let node = Node::open(settings).await?;
    let loaded = load(&node).await;
    leave(&node).await;
    loaded
}

async fn load(node: &Node) -> anyhow::Result<String> {
    let loader = Loader::new(node);
    loader.refuse_to_mix().await?;
    let document: Value = serde_json::from_str(DATA).context("the data set cannot be read")?;

    let password = format!("Demo-{}", OsEntropy.hex::<8>());
    let account = json!({ "name": "Demo Admin", "email": ADMIN, "password": password });
    let account = Registration::read(Some(&account)).map_err(|issues| broken(ADMIN, &issues))?;
    let user = node.accounts.create_admin(TenantId::DEFAULT, account).await.with_context(|| format!("cannot make {ADMIN}"))?;
    let actor = Actor::user(user.id.to_string(), ADMIN);

    let mut count = [0; 5];
    for platform in list(&document, "platforms") {
        loader.platform(platform, &actor, &mut count).await?;
    }

    let permissions: Vec<&str> = Role::Admin.permissions().iter().map(togglebox_auth::Permission::as_str).collect();
    let key = json!({ "name": "Demo key", "permissions": permissions });
    let key = NewApiKey::read(Some(&key)).map_err(|issues| broken("API key", &issues))?;
    let caller = SignedInUser { user, session: None };
    let created = node.accounts.create_key(TenantId::DEFAULT, &caller, key).await.context("cannot make the API key")?;

    let [platforms, environments, parameters, flags, experiments] = count;
    Ok(format!(
        "Loaded {platforms} platforms, {environments} environments, {parameters} config parameters, {flags} flags and {experiments} running experiments.\n\
         \n\
         Sign in as  {ADMIN}\n\
         Password    {password}\n\
         API key     {}\n\
         \n\
         Write them down: they are not shown again.\n",
        created.secret.expose_secret()
    ))
}

struct Loader<'n> {
    node: &'n Node,
    services: ManagingServices,
}

impl<'n> Loader<'n> {
    fn new(node: &'n Node) -> Self {
        Self { node, services: node.services() }
    }

    async fn refuse_to_mix(&self) -> anyhow::Result<()> {
        let directory = self.node.stores.directories.directory(TenantId::DEFAULT).await.context("the store cannot be read")?;
        if !directory.platforms.is_empty() {
            bail!("there are {} platforms already: the demo loads into an empty store only", directory.platforms.len());
        }
        Ok(())
    }

    async fn platform(&self, platform: &Value, actor: &Actor, count: &mut [usize; 5]) -> anyhow::Result<()> {
        let draft = NewPlatform::read(Some(platform)).map_err(|issues| broken("platform", &issues))?;
        let name: PlatformName = draft.name.clone();
        self.services.directories.create_platform(TenantId::DEFAULT, draft, actor).await?;
        count[0] += 1;
        for environment in list(platform, "environments") {
            let draft = NewEnvironment::read(Some(environment)).map_err(|issues| broken("environment", &issues))?;
            let environment_name: EnvironmentName = draft.name.clone();
            self.services.directories.create_environment(TenantId::DEFAULT, &name, draft, actor).await?;
            count[1] += 1;
            let scope = Scope::new(name.clone(), environment_name);
            self.contents(environment, &scope, actor, count).await?;
        }
        Ok(())
    }

    async fn contents(&self, environment: &Value, scope: &Scope, actor: &Actor, count: &mut [usize; 5]) -> anyhow::Result<()> {
        let tenant = TenantId::DEFAULT;
        for parameter in list(environment, "configs") {
            let draft = NewParameter::read(Some(parameter)).map_err(|issues| broken("config", &issues))?;
            self.services.parameters.create(tenant, scope, draft, actor).await?;
            count[2] += 1;
        }
        for flag in list(environment, "flags") {
            let draft = NewFlag::read(Some(flag)).map_err(|issues| broken("flag", &issues))?;
            self.services.flags.create(tenant, scope, draft, actor).await?;
            count[3] += 1;
        }
        for experiment in list(environment, "experiments") {
            let draft = NewExperiment::read(Some(experiment)).map_err(|issues| broken("experiment", &issues))?;
            let key = draft.key.clone();
            self.services.experiments.create(tenant, scope, draft, actor).await?;
            self.services.experiments.advance(tenant, scope, &key, &Step::Start, actor, None).await?;
            count[4] += 1;
        }
        Ok(())
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn broken(what: &str, issues: &Issues) -> anyhow::Error {
    let problems: Vec<String> = issues.iter().map(ToString::to_string).collect();
    anyhow!("the {what} of the data set is not valid: {}", problems.join("; "))
}
