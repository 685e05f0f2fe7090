#![doc = include_str!("../README.md")]

mod cell;
mod charge;
mod direct;
mod event;
mod flusher;
mod forecast;
mod labels;
mod leases;
mod meter;
mod metrics;
mod period_usage;
mod pool;
#[cfg(feature = "queue")]
pub mod queue;
mod quota;
mod recorder;
mod sealing;
pub mod slab;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
mod totals;
#[cfg(feature = "tower")]
pub mod tower;

pub use cell::{Cell, CellKey, CellSet, Series, WriterId};
pub use charge::{Charge, Misses, is_usage};
pub use direct::DirectRecorder;
pub use event::{Ingested, InvalidEvent, Rejection, UsageEvent};
pub use flusher::{FlushReport, Flusher, FlusherOptions, Progress, RecoveryReport};
pub use forecast::forecast;
pub use labels::{InvalidLabels, Labels};
pub use leases::{LeasedQuota, Unit};
pub use meter::{InvalidMeter, Meter, MeterId, Meters};
pub use period_usage::PeriodUsage;
pub use pool::{Ask, InvalidHolders, Leased, Pool, Step};
pub use quota::{Anchor, Check, Period, Quota, Told};
pub use recorder::{Fill, PartlyRecorded, RecordError, Recorder, RecorderOptions, Usage};
pub use sealing::{Finality, Gap, Sealing, Watermark};
pub use time::{BeforeEpoch, Day, Grain, Hour, InvalidSpan, Minute, Month, Span};
pub use totals::Totals;
