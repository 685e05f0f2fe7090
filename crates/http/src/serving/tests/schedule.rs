//! Whatever the bus does, a node is old for no longer than it takes to ask.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use togglebox_core::{Change, ChangeListener as _};
use togglebox_toggles::Scope;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use uuid::Uuid;

use super::super::Memory;
use super::model::{Model, TENANT, scope};
use super::{fresh, read};

/// How often nodes ask.
const POLL: Duration = Duration::from_secs(2);

/// One thing that happens, after a pause, and what the bus makes of the notice of it: each number is a delay after which it is
/// delivered. None: it is lost; two: it comes twice; a long one: others overtake it.
#[derive(Clone, Debug)]
struct Step {
    pause_ms: u64,
    act: Act,
    place: usize,
    deliveries_ms: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Write,
    Create,
    Delete,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![4 => Just(Act::Write), 1 => Just(Act::Create), 1 => Just(Act::Delete)];
    let step = (0_u64..900, act, 0_usize..2, vec(0_u64..4000, 0..3));
    let step = step.prop_map(|(pause_ms, act, place, deliveries_ms)| Step { pause_ms, act, place, deliveries_ms });
    vec(step, 1..40)
}

/// What stood at a place, and since when.
type History = Arc<Mutex<Vec<(Instant, Option<(Uuid, u64)>)>>>;

/// The earliest state that a read at `moment` may show, as its place in the history.
fn due(history: &History, moment: Instant) -> usize {
    let history = history.lock().unwrap();
    history.iter().rposition(|(since, _)| *since <= moment).unwrap_or(0)
}

fn place_in(history: &History, shown: Option<(Uuid, u64)>) -> usize {
    history.lock().unwrap().iter().rposition(|(_, state)| *state == shown).unwrap()
}

fn deliver(tasks: &mut JoinSet<()>, node: &Arc<Memory>, notice: &Change, deliveries_ms: &[u64]) {
    for delay in deliveries_ms {
        let (node, notice, delay) = (Arc::clone(node), notice.clone(), Duration::from_millis(*delay));
        tasks.spawn(async move {
            sleep(delay).await;
            node.changed(&notice);
        });
    }
}

async fn poll_for_ever(node: Arc<Memory>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.poll().await.unwrap();
    }
}

/// Reads over and over, and sees to it that nothing is older than it may be, or older than what was shown before.
async fn watch(node: Arc<Memory>, place: Scope, history: History, delay: Duration) {
    let mut shown_before = 0;
    loop {
        sleep(Duration::from_millis(70)).await;
        let asked = Instant::now();
        let answer = read(&node, &place).await;
        let shown = place_in(&history, answer.map(|(id, revision, _)| (id, revision)));
        // The poll's question, and the read's own wait.
        let oldest = asked.checked_sub(POLL + delay).map_or(0, |moment| due(&history, moment));
        assert!(shown >= oldest, "{place:?}: state {shown} was shown, {oldest} was due");
        assert!(shown >= shown_before, "{place:?}: state {shown} was shown after {shown_before}");
        assert!(asked.elapsed() <= super::super::WAIT, "a read took {:?}", asked.elapsed());
        shown_before = shown;
    }
}

async fn run(steps: Vec<Step>, delay: Duration) {
    let model = Model::new(delay);
    let places = [scope("production"), scope("staging")];
    model.create(&places[0]);
    let began = Instant::now();
    let histories: [History; 2] = [0, 1].map(|n: usize| Arc::new(Mutex::new(vec![(began, model.stands(&places[n]))])));
    let (here, there) = (model.node(), model.node());
    for (place, node) in places.iter().zip([&here, &there]) {
        // Both know something before it begins.
        read(node, place).await;
        read(node, &places[0]).await;
    }
    let (mut background, mut bus) = (JoinSet::new(), JoinSet::new());
    for (place, history) in places.iter().zip(&histories) {
        background.spawn(watch(Arc::clone(&there), place.clone(), Arc::clone(history), delay));
    }
    background.spawn(poll_for_ever(Arc::clone(&there)));
    background.spawn(poll_for_ever(Arc::clone(&here)));

    for step in steps {
        sleep(Duration::from_millis(step.pause_ms)).await;
        let place = &places[step.place];
        let notice = match (step.act, model.stands(place)) {
            (Act::Write, Some(_)) => model.write(place),
            (Act::Delete, Some(_)) => model.delete(place),
            (Act::Create, None) => model.create(place),
            _ => continue,
        };
        histories[step.place].lock().unwrap().push((Instant::now(), model.stands(place)));
        deliver(&mut bus, &there, &notice, &step.deliveries_ms);
        // The writer's own node: it hears at once, and brings what was written into memory before it answers.
        here.changed(&notice);
        match notice {
            Change::Environment { revision, .. } => drop(here.settle(TENANT, place, revision).await),
            Change::Directory { revision, .. } => here.settle_directory(TENANT, revision).await,
            _ => unreachable!(),
        }
        assert_eq!(read(&here, place).await, fresh(model.stands(place)), "a writer sees what it wrote");
        if let Some(failed) = background.try_join_next() {
            failed.unwrap();
        }
    }
    // In the end all is quiet, and everybody shows how it stands.
    sleep_until(Instant::now() + 4 * POLL).await;
    bus.join_all().await;
    sleep(POLL + delay).await;
    for place in &places {
        assert_eq!(read(&there, place).await, fresh(model.stands(place)));
    }
    if let Some(failed) = background.try_join_next() {
        failed.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_node_is_old_for_no_longer_than_a_poll_and_a_load(steps in steps(), delay_ms in 0_u64..40) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps, Duration::from_millis(delay_ms)));
    }
}
