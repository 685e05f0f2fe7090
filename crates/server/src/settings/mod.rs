//! Configuration: from a file and the environment to checked values, with every problem told at once.

#[cfg(feature = "cloud")]
mod billing;
#[cfg(feature = "cloud")]
mod cloud;
mod environment;
mod limits;
mod names;
mod read;
mod secret_url;
mod storage;
mod values;

#[cfg(feature = "cloud")]
pub use billing::{BillingSettings, NamedPrice, PricedThing};
#[cfg(feature = "cloud")]
pub use cloud::{CloudSettings, cloud as cloud_reference};
pub use environment::Environment;
pub use limits::{LimitException, LimitHolder, LimitRule, LimitRules, LimitSettings, LimitStoreSettings};
pub use names::{Setting, all as reference, ignored};
pub use read::Problems;
pub use secret_url::SecretUrl;
pub use storage::{BusSettings, DatabaseSettings, DynamoDbSettings, PostgresSettings, SqliteSettings};
pub use values::{LogFormat, MailSettings, Settings, TokenSettings};
