//! Counting what happens, and saying what it means.
//!
//! Three parts that meet only in their values:
//!
//! - **Counting**: [`Event`]s go into a [`Recorder`] in memory, and a [`Flusher`] takes them from there to a
//!   [`StatisticsStore`](crate::store::StatisticsStore). Distinct subjects are counted with a [`Sketch`].
//! - **Figures**: pure functions over counts and sums: proportions, means, sample sizes, the split of the traffic.
//! - **Analysis**: [`analyse`] puts both together for one experiment.
//!
//! The unit of every test is the user, because users are what is assigned at random. The tests suppose that the sample size was
//! fixed beforehand; a verdict is therefore withheld until it is reached. There is no sequential testing here.

mod analysis;
mod batch;
mod comparison;
mod confidence;
mod count;
mod event;
mod flusher;
mod gamma;
#[cfg(test)]
mod golden;
mod holm;
pub mod legacy;
mod mean;
mod normal;
mod power;
mod proportion;
mod recorder;
mod sketch;
mod srm;
mod student;
mod subject;
mod tally;

pub use analysis::{Analysis, MetricAnalysis, VariationData, VariationFigures, VersusControl, analyse, srm};
pub use comparison::{Comparison, Verdict};
pub use confidence::{Confidence, Interval};
pub use event::{Event, EventKind, Occurrence};
pub use flusher::{FlushReport, Flusher};
pub use holm::holm;
pub use mean::{Mean, Sums, ValueSums};
pub use power::{USUAL_POWER, achieved_power, required_sample_size};
pub use proportion::Proportion;
pub use recorder::{Recorder, RecorderLimits};
pub use sketch::Sketch;
pub use srm::{Severity, Srm, SrmWarning};
