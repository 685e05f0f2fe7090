//! What request bodies look like, for the description of the API.
//!
//! None of these types is ever made: bodies are read by the libraries' `input` modules, which tell every problem at once. What the two
//! say of a body is held together by the tests.

#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod account;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod context;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod event;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod experiment;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod flag;
mod list;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod parameter;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod place;
#[expect(dead_code, reason = "describes bodies; see the module's documentation")]
mod purge;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use account::{
    LoginBody, NewApiKeyBody, NewUserBody, PasswordChangeBody, RegisterBody, ResetCompleteBody, ResetRequestBody, ResetTokenBody,
    RoleBody, UserPatchBody,
};
pub(crate) use context::ContextBody;
pub(crate) use event::{ConversionBody, EventsBody};
pub(crate) use experiment::{CompleteBody, ExperimentPatchBody, NewExperimentBody, StartBody, TrafficBody};
pub(crate) use flag::{FlagPatchBody, FlagRollbackBody, FlagRolloutBody, FlagToggleBody, NewFlagBody};
pub(crate) use list::{Count, HistoryMeta, PAGES, UserListMeta, Values};
pub(crate) use parameter::{NewParameterBody, ParameterPatchBody, RollbackBody};
pub(crate) use place::{NewEnvironmentBody, NewPlatformBody, PlacePatchBody};
pub(crate) use purge::PurgeBody;
#[cfg(feature = "cloud")]
pub(crate) use value::{AccountAddress, NewPassword, PersonName};
pub(crate) use value::{Country, ExperimentKey, ExperimentStatus, FlagKey, FlagVersion, Language, ParameterKey, PlaceName, Role};
