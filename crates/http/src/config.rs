//! How the API behaves, as values. Where they come from is the server's business.

/// Which web pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Origins {
    /// Any. Answers then say `*`, and browsers send no cookies along (none are used).
    #[default]
    Any,
    /// These, as `https://app.example.com`. The one that asks is reflected.
    Only(Vec<String>),
}

/// How the API behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Whether the public reads and the ingestion of statistics need a credential. Management always does.
    pub authentication: bool,
    /// Which web pages may call.
    pub origins: Origins,
    /// Whether answers carry the security headers that an edge in front would otherwise add.
    pub security_headers: bool,
    /// Whether answers are compressed for clients that ask for it.
    pub compression: bool,
    /// How long browsers may reuse a read without asking again, in seconds. 0: never; they ask, and mostly get a 304.
    pub browser_max_age_s: u32,
    /// How long shared caches may, in seconds.
    pub shared_max_age_s: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            authentication: false,
            origins: Origins::Any,
            security_headers: true,
            compression: true,
            browser_max_age_s: 0,
            shared_max_age_s: 0,
        }
    }
}
