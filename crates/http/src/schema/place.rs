//! Bodies of platforms and environments.

use utoipa::ToSchema;

use super::value::{PlaceDescription, PlaceName};

/// A platform to be made.
#[derive(ToSchema)]
pub(crate) struct NewPlatformBody {
    name: PlaceName,
    #[schema(nullable = false)]
    description: Option<PlaceDescription>,
}

/// An environment to be made.
#[derive(ToSchema)]
pub(crate) struct NewEnvironmentBody {
    environment: PlaceName,
    #[schema(nullable = false)]
    description: Option<PlaceDescription>,
}

/// A change of a platform or environment. What is absent stays.
#[derive(ToSchema)]
pub(crate) struct PlacePatchBody {
    #[schema(nullable = false)]
    description: Option<PlaceDescription>,
}
