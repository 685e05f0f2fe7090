//! For whom a flag or an experiment is evaluated.

use utoipa::ToSchema;

use super::value::{Country, FilledText, Language};

/// A user.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ContextBody {
    user_id: FilledText,
    #[schema(nullable = false)]
    country: Option<Country>,
    #[schema(nullable = false)]
    language: Option<Language>,
}
