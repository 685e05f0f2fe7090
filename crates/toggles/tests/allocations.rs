//! Evaluating allocates nothing. A binary of its own: the counter replaces the allocator.

#[path = "it/records.rs"]
mod records;

use allocation_counter::measure;
use togglebox_core::Timestamp;
use togglebox_toggles::{CompiledExperiment, CompiledFlag, Context, Snapshot};

use crate::records::{environment, targeted_experiment, targeted_flag};

const USERS: [&str; 5] = ["in-7", "out-7", "0f8fad5b-d9cb-469f-a165-70867728950e", "ünïcödé-😀", ""];
const PLACES: [(Option<&str>, Option<&str>); 5] =
    [(Some("us"), Some("EN")), (Some("DE"), Some("it")), (Some("zz"), Some("de")), (Some("fr"), None), (None, Some("en"))];

fn contexts() -> impl Iterator<Item = Context<'static>> {
    USERS.iter().flat_map(|user| PLACES.map(|(country, language)| Context::new(user).country(country).language(language)))
}

#[test]
fn evaluating_a_flag_allocates_nothing() {
    let compiled = CompiledFlag::compile(targeted_flag());
    for context in contexts() {
        let made = measure(|| {
            std::hint::black_box(compiled.evaluate(&context));
        });
        assert_eq!(made.count_total, 0, "{context:?}");
    }
}

#[test]
fn assigning_a_variation_allocates_nothing() {
    let compiled = CompiledExperiment::compile(targeted_experiment());
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    for context in contexts() {
        let made = measure(|| {
            // Whether assigned or not is beside the point.
            let _ = std::hint::black_box(compiled.assign(&context, now));
        });
        assert_eq!(made.count_total, 0, "{context:?}");
    }
}

#[test]
fn looking_something_up_allocates_nothing() {
    let snapshot = Snapshot::compile(environment());
    let made = measure(|| {
        assert!(snapshot.flag("dark-mode").is_some() && snapshot.flag("gone").is_none());
        assert!(snapshot.experiment("checkout").is_some() && snapshot.experiment("gone").is_none());
        assert!(snapshot.parameter("title").is_some() && snapshot.value("gone").is_none());
    });
    assert_eq!(made.count_total, 0);
}

#[test]
fn the_counter_counts() {
    let made = measure(|| {
        std::hint::black_box(String::from("x"));
    });
    assert_eq!(made.count_total, 1);
}
