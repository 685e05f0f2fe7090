//! The DynamoDB adapter against the suites of the ports, and what only DynamoDB promises.

mod accounts;
#[cfg(feature = "billing")]
mod billing;
mod corruption;
mod costs;
mod deploy;
mod fixtures;
mod keys;
mod limits;
mod races;
mod runtimes;
pub(crate) mod server;
mod size;
mod statistics;
mod sweep;
mod table;
#[cfg(feature = "tenancy")]
mod tenancy;
mod toggles;
mod tokens;
#[cfg(feature = "metering")]
mod usage;

/// Runs each of these tests on every server.
macro_rules! on_every_server {
    ($($test:ident)*) => {
        mod on_dynoxide {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if crate::dynamodb::server::DYNOXIDE.is_there() {
                        super::$test(crate::dynamodb::server::DYNOXIDE).await;
                    }
                }
            )*
        }

        mod on_ministack {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if crate::dynamodb::server::MINISTACK.is_there() {
                        super::$test(crate::dynamodb::server::MINISTACK).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_every_server;
