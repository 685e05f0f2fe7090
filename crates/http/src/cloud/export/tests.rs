use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::MessageBody as _;
use togglebox_core::StoreErrorKind;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::*;
use crate::download::CutOff;

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(1));

/// Writes pages of this many bytes, and then ends, or fails.
#[derive(Clone, Debug, Default)]
struct Pages {
    left: usize,
    bytes: usize,
    fails: bool,
    /// How long a page takes.
    takes: Duration,
    stayed: Arc<AtomicU32>,
    open: Arc<()>,
}

impl Pages {
    fn of(pages: usize, bytes: usize) -> Self {
        Self { left: pages, bytes, ..Self::default() }
    }

    /// Whether an export still holds what it holds of the store.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.open) > 2
    }
}

#[async_trait]
impl ExportSource for Pages {
    async fn begin(&self, _tenant: TenantId) -> StoreResult<Box<dyn Export>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Export for Pages {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        sleep(self.takes).await;
        if self.left > 0 {
            self.left -= 1;
            return Ok(Some(vec![b'x'; self.bytes].into()));
        }
        if self.fails { Err(StoreError::new(StoreErrorKind::Unavailable, "test")) } else { Ok(None) }
    }

    async fn stay(&mut self) -> StoreResult<()> {
        self.stayed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn exports(pages: &Pages) -> Arc<Exports> {
    Arc::new(Exports::new(Arc::new(pages.clone())))
}

/// The next piece, as the protocol layer asks for it.
async fn piece(pieces: &mut Pieces) -> Option<Result<Bytes, CutOff>> {
    poll_fn(|context| Pin::new(&mut *pieces).poll_next(context)).await
}

/// Reads all that comes: how much, and whether that was the end.
async fn read(pieces: &mut Pieces) -> (usize, bool) {
    let mut bytes = 0;
    loop {
        match piece(pieces).await {
            Some(Ok(piece)) => {
                assert!(piece.len() <= PIECE);
                bytes += piece.len();
            }
            Some(Err(CutOff)) => return (bytes, false),
            None => return (bytes, true),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_page_comes_in_pieces_and_its_end_is_told() {
    let pages = Pages::of(3, 5 * PIECE + 1);
    let exports = exports(&pages);
    let mut pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
    assert_eq!(read(&mut pieces).await, (15 * PIECE + 3, true));
    assert!(!pages.is_held());
    assert!(exports.turn(TENANT).is_ok(), "whoever has heard of the end may begin the next");
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_middle_is_no_end() {
    let pages = Pages { fails: true, ..Pages::of(2, 10) };
    let exports = exports(&pages);
    let mut pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
    assert_eq!(read(&mut pieces).await, (20, false));
    assert!(exports.turn(TENANT).is_ok());
    let at_once = self::exports(&Pages { fails: true, ..Pages::default() });
    let refused = at_once.begin(at_once.turn(TENANT).unwrap()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "before the first bytes there still is an answer");
    assert!(at_once.turn(TENANT).is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_of_a_workspace_and_few_at_all_are_under_way() {
    let exports = exports(&Pages::of(1, 1));
    let tenant = |n: usize| TenantId::from_uuid(Uuid::from_u128(n as u128));
    let mut turns: Vec<Turn> = (0..AT_ONCE).map(|n| exports.turn(tenant(n)).unwrap()).collect();
    assert_eq!(exports.turn(tenant(0)).unwrap_err().code(), Code::ExportRunning);
    let busy = exports.turn(tenant(AT_ONCE)).unwrap_err();
    assert_eq!((busy.code(), busy.retry_after_s()), (Code::Busy, Some(RETRY_AFTER_S)));
    turns.remove(0);
    assert_eq!(exports.turn(tenant(1)).unwrap_err().code(), Code::ExportRunning);
    assert!(exports.turn(tenant(0)).is_ok());
}

/// No more is read than a slow reader has room for, and the store knows that somebody is there.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_waited_for_and_one_that_stops_is_given_up() {
    let pages = Pages::of(1_000_000, PIECE);
    let exports = exports(&pages);
    let mut pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
    let slow = STAY * (STAYS - 1);
    for _ in 0..5 {
        sleep(slow).await;
        assert!(matches!(piece(&mut pieces).await, Some(Ok(_))) && pages.is_held());
    }
    let stayed = pages.stayed.load(Ordering::Relaxed);
    assert!((4 * (STAYS - 1)..=5 * STAYS).contains(&stayed), "{stayed}");
    sleep(STAY * (STAYS + 1)).await;
    assert!(!pages.is_held() && exports.turn(TENANT).is_ok(), "a reader that stopped holds nothing");
    // Should it read on, it finds out.
    assert_eq!(read(&mut pieces).await, (AHEAD * PIECE, false));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_cut_off() {
    let pages = Pages { takes: Duration::from_mins(1), ..Pages::of(1_000_000, 1) };
    let exports = exports(&pages);
    let mut pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
    let began = Instant::now();
    let (bytes, is_whole) = read(&mut pieces).await;
    assert!(!is_whole && (50..=61).contains(&bytes), "{bytes}");
    assert!(began.elapsed() <= LONGEST + STAY);
    assert!(!pages.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_ends_it_also_while_the_store_is_asked() {
    for takes in [Duration::ZERO, Duration::from_mins(10)] {
        let pages = Pages { takes, ..Pages::of(1_000_000, PIECE) };
        let exports = exports(&pages);
        let pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert!(pages.is_held());
        drop(pieces);
        sleep(Duration::from_millis(1)).await;
        assert!(!pages.is_held() && exports.turn(TENANT).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_after_the_end() {
    let exports = exports(&Pages::of(1, 1));
    let mut pieces = exports.begin(exports.turn(TENANT).unwrap()).await.unwrap();
    assert_eq!(read(&mut pieces).await, (1, true));
    assert_eq!(piece(&mut pieces).await, None);
}
