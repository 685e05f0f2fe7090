use serde_json::json;
use togglebox_core::Limit;
use togglebox_toggles::input::{NewExperiment, NewFlag, NewParameter};
use togglebox_toggles::manage::{Countable, Error, QuotaSource, Quotas};

use super::*;

/// One of each for whoever it is, or an answer that does not come.
#[derive(Debug)]
struct One(bool);

#[async_trait]
impl QuotaSource for One {
    async fn quotas(&self, tenant: TenantId) -> StoreResult<Quotas> {
        assert_eq!(tenant, TENANT);
        let one = Limit::of(1).unwrap();
        if self.0 {
            Ok(Quotas { platforms: one, environments: one, parameters: one, flags: one, experiments: one })
        } else {
            Err(StoreError::new(StoreErrorKind::Unavailable, "quotas"))
        }
    }
}

/// The house with one platform and one environment, under a quota.
fn limited(known: bool) -> House {
    let mut house = House::new();
    let journal = Journal::new(Arc::clone(&house.clock) as _, Arc::new(SeededEntropy::new(2)), Arc::clone(&house.bus) as _);
    let journal = journal.within(Arc::new(One(known)));
    house.directories = Directories::new(Arc::clone(&house.memory) as _, journal.clone());
    house.parameters = Parameters::new(Arc::clone(&house.memory) as _, journal.clone());
    house.flags = Flags::new(Arc::clone(&house.memory) as _, journal.clone());
    house.experiments = Experiments::new(Arc::clone(&house.memory) as _, journal);
    house
}

fn make(house: &House, of: Countable, n: u32) -> Result<(), Error> {
    let key = format!("n{n}");
    match of {
        Countable::Platforms => {
            let draft = NewPlatform { name: PlatformName::new(&key).unwrap(), description: None };
            done(house.directories.create_platform(TENANT, draft, &ann())).map(drop)
        }
        Countable::Environments => {
            let draft = NewEnvironment { name: EnvironmentName::new(&key).unwrap(), description: None };
            done(house.directories.create_environment(TENANT, &house.scope.platform, draft, &ann())).map(drop)
        }
        Countable::Parameters => {
            let body = json!({ "parameterKey": key, "valueType": "string", "defaultValue": "x" });
            let draft = NewParameter::read(Some(&body)).unwrap();
            done(house.parameters.create(TENANT, &house.scope, draft, &ann())).map(drop)
        }
        Countable::Flags => {
            let body = json!({ "flagKey": key, "name": "F" });
            let draft = NewFlag::read(Some(&body)).unwrap();
            done(house.flags.create(TENANT, &house.scope, draft, &ann())).map(drop)
        }
        Countable::Experiments => {
            let body = experiment::named(&key);
            let draft = NewExperiment::read(Some(&body)).unwrap();
            done(house.experiments.create(TENANT, &house.scope, draft, &ann())).map(drop)
        }
    }
}

#[test]
fn a_quota_is_told_with_its_kind() {
    let house = limited(true);
    for (of, usage) in [(Countable::Platforms, 1), (Countable::Environments, 1)] {
        let refused = make(&house, of, 0).unwrap_err();
        assert!(
            matches!(refused, Error::QuotaReached { kind, usage: told, limit: 1 } if (kind, told) == (of, usage)),
            "{refused}"
        );
    }
    for of in [Countable::Parameters, Countable::Flags, Countable::Experiments] {
        make(&house, of, 0).unwrap();
        let refused = make(&house, of, 1).unwrap_err();
        assert!(matches!(refused, Error::QuotaReached { kind, usage: 1, limit: 1 } if kind == of), "{refused}");
        assert_eq!(refused.to_string(), format!("the tenant has 1 of 1 {}", of.as_str()));
    }
    assert_eq!(house.actions(), ["parameter.create", "flag.create", "experiment.create"], "what is refused leaves no record");
}

#[test]
fn nothing_is_made_while_nobody_knows_the_quota() {
    let house = limited(false);
    for of in [Countable::Platforms, Countable::Environments, Countable::Parameters, Countable::Flags, Countable::Experiments] {
        let refused = make(&house, of, 0).unwrap_err();
        assert!(matches!(&refused, Error::Store(error) if *error.kind() == StoreErrorKind::Unavailable), "{refused}");
    }
    assert!(house.actions().is_empty());
    // What is there can be changed all the same.
    let patch = togglebox_toggles::input::PlatformPatch { description: Some("the web".to_owned()) };
    done(house.directories.update_platform(TENANT, &house.scope.platform, &patch, &bob(), None)).unwrap();
}
