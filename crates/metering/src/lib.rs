#![doc = include_str!("../README.md")]

mod cell;
mod labels;
mod meter;
mod time;

pub use cell::{Cell, CellKey, CellSet, Series, WriterId};
pub use labels::{InvalidLabels, Labels};
pub use meter::{InvalidMeter, Meter, MeterId, Meters};
pub use time::{BeforeEpoch, Day, Grain, Hour, InvalidSpan, Minute, Month, Span};
