//! `cargo bench -p togglebox-toggles --bench evaluation`

#[path = "../tests/it/records.rs"]
mod records;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use togglebox_core::Timestamp;
use togglebox_toggles::{Bucketing, CompiledExperiment, CompiledFlag, Context, FlagTargeting, Snapshot};

use crate::records::{environment, targeted_experiment, targeted_flag};

const USER: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn evaluation(criterion: &mut Criterion) {
    let flag = CompiledFlag::compile(targeted_flag());
    let experiment = CompiledExperiment::compile(targeted_experiment());
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a moment");
    let german = Context::new(USER).country(Some("de")).language(Some("DE"));
    let unknown = Context::new(USER);
    let bucketer = Bucketing::default().for_key("dark-mode");

    criterion.bench_function("flag/country and language, lists of 1000", |b| b.iter(|| flag.evaluate(black_box(&german))));
    criterion.bench_function("flag/rollout, lists of 1000", |b| b.iter(|| flag.evaluate(black_box(&unknown))));
    let mut plain = targeted_flag();
    plain.definition.targeting = FlagTargeting::default();
    let plain = CompiledFlag::compile(plain);
    criterion.bench_function("flag/rollout, no lists", |b| b.iter(|| plain.evaluate(black_box(&unknown))));
    criterion.bench_function("experiment/country and language, lists of 1000", |b| {
        b.iter(|| experiment.assign(black_box(&german), black_box(now)));
    });
    let snapshot = Snapshot::compile(environment());
    criterion.bench_function("snapshot/flag by key", |b| b.iter(|| snapshot.flag(black_box("dark-mode"))));
    criterion.bench_function("hash/36 bytes", |b| b.iter(|| bucketer.bucket(black_box(USER))));
    criterion.bench_function("hash/not ASCII", |b| b.iter(|| bucketer.bucket(black_box("ünïcödé-😀"))));
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
