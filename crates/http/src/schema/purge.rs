//! What to purge.

use utoipa::ToSchema;

use super::value::FilledText;

/// Which part of what caches hold.
#[derive(ToSchema)]
pub(crate) struct PurgeBody {
    platform: FilledText,
    #[schema(nullable = false)]
    environment: Option<FilledText>,
    #[schema(nullable = false)]
    version: Option<String>,
}
