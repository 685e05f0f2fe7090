#![doc = include_str!("../README.md")]

#[cfg(feature = "cloud")]
mod cloud;
pub mod commands;
pub mod console;
mod exposure;
mod limits;
mod mail;
mod node;
mod retention;
mod secrets;
mod serve;
pub mod settings;
mod stores;
pub mod telemetry;

pub use node::{ManagingServices, Node};
pub use serve::{Server, stop_signal};
#[cfg(feature = "cloud")]
pub use settings::CloudSettings;
pub use settings::{Environment, Problems, Settings};

/// To be called first by every binary, before anything speaks TLS: there must be one provider of cryptography, and it is this one.
pub fn install_crypto() {
    // A provider that is installed already is this one: nothing else in the process installs any.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}

/// What the binaries run on: one thread of its own for chores, and the server's workers beside it.
///
/// # Panics
/// When the operating system grants no threads or event queue: nothing could run.
pub fn runtime() -> actix_web::rt::SystemRunner {
    actix_web::rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("the operating system grants threads and an event queue")
    })
}
