//! Random tenants, as records.

use serde_json::{Value, json};
use togglebox_auth::{Email, KeyHash, PasswordHash, Role};
use togglebox_core::{Actor, Entropy as _, EntropyExt as _, Revision, SeededEntropy, Timestamp};
use togglebox_storage::transfer::Record;
use togglebox_storage::transfer::record::{
    ApiKey, Audit, Environment, Experiment, ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics,
    ExperimentSubject, Flag, FlagCountry, FlagDay, FlagStatistics, FlagUsers, FlagVersion, Parameter, ParameterClients,
    ParameterStatistics, ParameterVersion, Platform, Tenant, User,
};
use togglebox_toggles::statistics::Sketch;
use togglebox_toggles::store::Subject;
use togglebox_toggles::{ExperimentStatus, Side};
use uuid::Uuid;

/// Texts that have gone wrong somewhere before.
const TEXTS: [&str; 8] = [
    "",
    "plain",
    "é 🦊 漢字",
    "\"quoted\" \\ back",
    "line\nbreak\ttab\r\0\u{1}",
    "\u{7f}\u{80}\u{2028}",
    "{\"json\":1}",
    "'; DROP TABLE x --",
];

/// Numbers likewise.
const FLOATS: [f64; 8] = [0.0, 0.1, 1.0 / 3.0, 100.0, -12.5, 1e145, 5e-324, 9_007_199_254_740_993.0];

/// How much there is of each thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) platforms: u64,
    pub(crate) environments: u64,
    /// In each environment.
    pub(crate) things: u64,
    pub(crate) versions: u64,
    pub(crate) users: u64,
    /// Of each experiment.
    pub(crate) subjects: u64,
    pub(crate) audit: u64,
}

struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, end: u64) -> u64 {
        u64::from_be_bytes(self.0.bytes()) % end.max(1)
    }

    fn yes(&self) -> bool {
        self.below(2) == 0
    }

    fn maybe<T>(&self, make: impl FnOnce() -> T) -> Option<T> {
        self.yes().then(make)
    }

    fn text(&self) -> String {
        TEXTS[usize::try_from(self.below(8)).unwrap()].to_owned()
    }

    fn float(&self) -> f64 {
        FLOATS[usize::try_from(self.below(8)).unwrap()]
    }

    fn count(&self) -> u64 {
        if self.below(9) == 0 { i64::MAX.unsigned_abs() } else { self.below(1000) }
    }

    fn revision(&self) -> Revision {
        Revision::new(self.count())
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_ms(i64::try_from(self.below(4_000_000_000_000)).unwrap())
    }

    fn actor(&self) -> Actor {
        match self.below(3) {
            0 => Actor::system(),
            1 => Actor::user(self.0.uuid().to_string(), self.text()),
            _ => Actor::api_key(self.0.uuid().to_string(), self.text()),
        }
    }

    fn sketch(&self) -> Vec<u8> {
        let mut sketch = Sketch::new();
        // Now and then so many that the sketch changes its form.
        for _ in 0..if self.below(20) == 0 { 1_200 } else { self.below(30) } {
            sketch.insert(&Subject(self.0.bytes()));
        }
        sketch.to_bytes()
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    fn any_json(&self) -> Value {
        match self.below(6) {
            0 => Value::Null,
            1 => json!({ "z": 1, "a": [self.text(), null, { "deep": self.float() }] }),
            2 => json!(self.text()),
            3 => json!(self.float()),
            4 => json!(u64::MAX),
            _ => json!([true, -1]),
        }
    }
}

/// A tenant. The same seed and size make the same.
pub(crate) fn tenant(seed: u64, size: Size) -> Vec<Record> {
    let chance = Chance(SeededEntropy::new(seed));
    let mut records: Vec<Record> =
        vec![Tenant { directory: Revision::new(1 + chance.below(9)), accounts: chance.revision() }.into()];
    let mut environments = Vec::new();
    for p in 0..size.platforms {
        let platform = Platform {
            name: format!("P-{p}").parse().unwrap(),
            id: chance.0.uuid(),
            description: chance.maybe(|| chance.text()),
            created_by: chance.maybe(|| chance.actor()),
            created_at: chance.at(),
            revision: chance.revision(),
        };
        for e in 0..size.environments {
            let environment = Environment {
                id: chance.0.uuid(),
                platform: platform.name.clone(),
                name: format!("e_{e}").parse().unwrap(),
                description: chance.maybe(|| chance.text()),
                created_by: chance.maybe(|| chance.actor()),
                created_at: chance.at(),
                revision: chance.revision(),
                contents_revision: chance.revision(),
                changed_at: chance.at(),
            };
            environments.push(environment.id);
            records.push(environment.into());
        }
        records.push(platform.into());
    }
    for environment in environments {
        for n in 0..size.things {
            parameter(&chance, &mut records, environment, n, size);
            flag(&chance, &mut records, environment, n, size);
            experiment(&chance, &mut records, environment, n, size);
        }
    }
    accounts(&chance, &mut records, size);
    for n in 0..size.audit {
        let record = Audit {
            id: chance.0.uuid(),
            // Many at the same moment: their order must survive.
            at: Timestamp::from_ms(i64::try_from(n / 7).unwrap()),
            actor: chance.actor(),
            action: "flag.create".to_owned(),
            platform: chance.maybe(|| chance.text()),
            environment: chance.maybe(|| chance.text()),
            target: chance.text(),
            before: chance.maybe(|| chance.any_json()),
            after: chance.maybe(|| chance.any_json()),
            revision: chance.revision(),
        };
        records.push(record.into());
    }
    // Stable: the audit log keeps its order.
    records.sort_by_key(Record::kind);
    records
}

fn parameter(chance: &Chance, records: &mut Vec<Record>, environment: Uuid, n: u64, size: Size) {
    let key: togglebox_toggles::ParameterKey = format!("Param-{n}").parse().unwrap();
    let latest = 1 + chance.below(size.versions);
    let head = Parameter { environment, key: key.clone(), active: 1 + chance.below(latest), latest, revision: chance.revision() };
    records.push(head.into());
    for version in 1..=latest {
        let mut definition = json!({ "valueType": "json", "defaultValue": chance.text() });
        if chance.yes() {
            definition["description"] = chance.text().into();
        }
        let record = ParameterVersion {
            environment,
            key: key.clone(),
            version,
            definition: serde_json::from_value(definition).unwrap(),
            created_by: chance.text(),
            created_at: chance.at(),
        };
        records.push(record.into());
    }
    if chance.yes() {
        let figures = ParameterStatistics { environment, key: key.clone(), fetches: chance.count(), last_at: chance.at() };
        records.push(figures.into());
        for hour in 0..2 {
            records.push(ParameterClients { environment, key: key.clone(), hour, sketch: chance.sketch() }.into());
        }
    }
}

fn flag(chance: &Chance, records: &mut Vec<Record>, environment: Uuid, n: u64, size: Size) {
    let key: togglebox_toggles::FlagKey = format!("f-{n}").parse().unwrap();
    let latest = chance.below(size.versions);
    records.push(Flag { environment, key: key.clone(), latest, created_at: chance.at() }.into());
    for version in 0..=latest {
        let rule = json!({ "country": "DE", "serveValue": "B", "languages": [{ "language": "de", "serveValue": "A" }] });
        let definition = json!({ "name": chance.text(), "enabled": chance.yes(), "flagType": "number", "valueA": chance.float(),
            "valueB": 3, "targeting": { "countries": [rule], "forceIncludeUsers": [chance.text()], "forceExcludeUsers": [] },
            "defaultValue": "A", "rolloutEnabled": true, "rolloutPercentageA": chance.float(), "rolloutPercentageB": 7 });
        let record = FlagVersion {
            environment,
            key: key.clone(),
            version,
            active: version == latest,
            definition: serde_json::from_value(definition).unwrap(),
            created_by: chance.text(),
            updated_at: chance.at(),
            revision: chance.revision(),
        };
        records.push(record.into());
    }
    if chance.yes() {
        let (served_a, served_b) = (chance.count(), chance.count());
        records.push(FlagStatistics { environment, key: key.clone(), served_a, served_b, last_at: chance.at() }.into());
        for day in ["2026-01-31", "2026-02-01"] {
            records.push(FlagDay { environment, key: key.clone(), day: day.to_owned(), served_a, served_b }.into());
        }
        for country in ["DE", "FR"] {
            records.push(FlagCountry { environment, key: key.clone(), country: country.to_owned(), served_a, served_b }.into());
        }
        for side in [Side::A, Side::B] {
            records.push(FlagUsers { environment, key: key.clone(), side, hour: -1, sketch: chance.sketch() }.into());
        }
    }
}

fn experiment(chance: &Chance, records: &mut Vec<Record>, environment: Uuid, n: u64, size: Size) {
    let key: togglebox_toggles::ExperimentKey = format!("x_{n}").parse().unwrap();
    let metric = json!({ "id": "m", "name": "m", "eventName": "e", "metricType": "sum", "successDirection": "decrease" });
    let definition = json!({ "name": chance.text(), "hypothesis": chance.text(),
        "variations": [{ "key": "a", "name": "A", "value": chance.any_json(), "isControl": true }, { "key": "b", "name": "B", "isControl": false }],
        "controlVariation": "a", "trafficAllocation": [{ "variationKey": "a", "percentage": chance.float() }],
        "targeting": {}, "primaryMetric": metric, "confidenceLevel": 0.95, "minimumSampleSize": chance.count() });
    let record = Experiment {
        environment,
        key: key.clone(),
        status: if chance.yes() { ExperimentStatus::Draft } else { ExperimentStatus::Completed },
        definition: serde_json::from_value(definition).unwrap(),
        started_at: chance.maybe(|| chance.at()),
        started_by: chance.maybe(|| chance.text()),
        completed_at: chance.maybe(|| chance.at()),
        completed_by: chance.maybe(|| chance.text()),
        winner: chance.maybe(|| "b".parse().unwrap()),
        created_by: chance.text(),
        created_at: chance.at(),
        updated_at: chance.at(),
        revision: chance.revision(),
    };
    records.push(record.into());
    records.push(ExperimentStatistics { environment, key: key.clone(), last_at: chance.at() }.into());
    for variation in ["a", "b"] {
        let variation: togglebox_toggles::VariationKey = variation.parse().unwrap();
        let (day, metric) = ("2024-02-29".to_owned(), chance.text());
        let [exposures, new_users, conversions] = [chance.count(), chance.count(), chance.count()];
        let (traffic, converted) = (
            ExperimentDay {
                environment,
                key: key.clone(),
                variation: variation.clone(),
                day: day.clone(),
                exposures,
                new_users,
                conversions,
            },
            ExperimentMetricDay {
                environment,
                key: key.clone(),
                variation: variation.clone(),
                metric: metric.clone(),
                day: day.clone(),
                conversions,
                total: chance.float(),
            },
        );
        records.extend([traffic.into(), converted.into()]);
        for _ in 0..size.subjects {
            let subject = chance.bytes();
            let (seen, did) = (
                ExperimentSubject {
                    environment,
                    key: key.clone(),
                    variation: variation.clone(),
                    subject,
                    first_day: day.clone(),
                },
                ExperimentConversion {
                    environment,
                    key: key.clone(),
                    variation: variation.clone(),
                    metric: metric.clone(),
                    subject,
                    conversions: chance.count(),
                    valued: chance.count(),
                    total: chance.float(),
                },
            );
            records.extend([seen.into(), did.into()]);
        }
    }
}

fn accounts(chance: &Chance, records: &mut Vec<Record>, size: Size) {
    for n in 0..size.users {
        let id = chance.0.uuid();
        let user = User {
            id,
            name: chance.maybe(|| chance.text()),
            email: Email::new(&format!("Ann{n}@Example.com")).unwrap(),
            password: PasswordHash::new(format!("$2b$10${n}")),
            role: if chance.yes() { Role::Admin } else { Role::Viewer },
            created_at: chance.at(),
            updated_at: chance.at(),
            tokens_valid_from: chance.at(),
            revision: chance.revision(),
        };
        let key = ApiKey {
            id: chance.0.uuid(),
            user: id,
            name: chance.text(),
            hash: KeyHash(chance.bytes()),
            prefix: "tbx_live".to_owned(),
            last4: chance.text(),
            permissions: vec!["config:read".to_owned(), chance.text()],
            expires_at: chance.maybe(|| chance.at()),
            last_used_at: chance.maybe(|| chance.at()),
            created_at: chance.at(),
        };
        records.extend([user.into(), key.into()]);
    }
}
