//! Every setting there is. `docs/CONFIG.md` is made from this table.

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name of the environment variable; in a file, the same in lower case. With `<` in it, it stands for all that begin with what is
    /// before that.
    pub name: &'static str,
    /// What holds without it, for people.
    pub default: &'static str,
    /// What it does, and which values are allowed.
    pub about: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

impl Setting {
    /// What the names of a family begin with; `None` for a single setting.
    pub(super) fn family(&self) -> Option<&'static str> {
        self.name.split_once('<').map(|(prefix, _)| prefix)
    }
}

pub(super) const fn plain(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting { name, default, about, secret: false }
}

pub(super) const fn secret(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting { name, default, about, secret: true }
}

/// Where the file is. Read from the environment only.
pub(super) const CONFIG_FILE: &str = "TOGGLEBOX_CONFIG";

const ALL: &[Setting] = &[
    plain("HOST", "`127.0.0.1`", "Address to listen on. `0.0.0.0` or `::` for every interface."),
    plain("PORT", "`3000`", "Port to listen on, 0 to 65535; 0 takes a free one and prints it."),
    plain("WORKERS", "number of processors", "Threads that serve requests, 1 to 1024."),
    plain("SHUTDOWN_GRACE", "`30s`", "How long requests under way may take after SIGTERM or SIGINT, `1s` to `10m`."),
    plain(
        "DATABASE_URL",
        "`sqlite:./togglebox.db`",
        "Where everything is kept: `sqlite:PATH`, `sqlite::memory:` for a store that ends with the process, or `postgres://USER:PASSWORD@HOST/DATABASE` (also `postgresql://`). A password in it is never shown or logged.",
    ),
    plain(
        "DB_TYPE",
        "from `DATABASE_URL`",
        "`sqlite`, `postgresql` or `dynamodb`. Needed for `dynamodb` only, which takes no `DATABASE_URL`; the others must agree with it.",
    ),
    plain("SQLITE_FILE", "", "Kept for configurations of the original: the path, when `DATABASE_URL` is absent."),
    plain(
        "POSTGRES_URL",
        "",
        "Kept for configurations of the original: the URL for `DB_TYPE=postgresql`, when `DATABASE_URL` is absent.",
    ),
    plain("DATABASE_CONNECTION_LIMIT", "`10`", "Connections to PostgreSQL, 1 to 1000."),
    plain("DATABASE_POOL_TIMEOUT", "`5`", "How long a call waits for one of them, 1 to 60 seconds."),
    plain("DATABASE_STATEMENT_TIMEOUT", "`5s`", "How long PostgreSQL may work on one statement, `1s` to `10m`."),
    plain(
        "AWS_REGION",
        "as AWS's own configuration says",
        "Region of the DynamoDB table. Credentials come from where AWS's tools look for them.",
    ),
    plain("DYNAMODB_ENDPOINT", "Amazon's", "URL of another server that speaks DynamoDB's protocol."),
    plain("DYNAMODB_TABLE", "`togglebox`", "Name of the one DynamoDB table that everything is in, after `TABLE_PREFIX`."),
    plain(
        "TABLE_PREFIX",
        "",
        "Goes before `DYNAMODB_TABLE`: `prod-` makes the table `prod-togglebox`. Also what the names of the original's tables begin with, for `export --from-original`.",
    ),
    plain(
        "REDIS_URL",
        "",
        "`redis://:PASSWORD@HOST:PORT/NUMBER`, or `rediss://` for TLS: carries notices of changes between nodes. A password in it is never shown or logged.",
    ),
    plain(
        "CHANGE_BUS",
        "`auto`",
        "How nodes tell each other of changes: `redis`, `postgres`, `local` (they do not, and ask the store every two seconds), or `auto`: Redis if `REDIS_URL` is set, else PostgreSQL if that is the store, else `local`.",
    ),
    plain(
        "AUDIT_RETENTION_DAYS",
        "kept for ever",
        "After how many days an audit record is removed, 1 to 36500. A day at the least: a write that is sent again is recognised by its record.",
    ),
    plain(
        "SQLITE_DURABILITY",
        "`power-loss`",
        "What an acknowledged write survives: `power-loss`, or `process-end` (faster; the last writes may be lost when the machine goes down).",
    ),
    plain(
        "ENABLE_AUTHENTICATION",
        "`false`",
        "`true`: public reads and the ingestion of statistics need an API key or a sign-in. Management always does.",
    ),
    plain("ENABLE_REGISTRATION", "`true`", "`false`: `POST /api/v1/auth/register` is refused; admins make accounts."),
    secret(
        "JWT_SECRET",
        "made at the first start, kept beside the database (`togglebox.db.secret`) with mode 0600",
        "Signs tokens; at least 32 bytes, not a sample or placeholder.",
    ),
    secret("JWT_SECRET_PREVIOUS", "", "A secret that is being replaced: tokens signed with it stay valid until they expire."),
    plain("JWT_EXPIRES_IN", "`24h`", "Life of a token, `1m` to `365d`, with a unit (`s m h d w`)."),
    plain("JWT_ISSUER", "`config-service`", "The `iss` claim."),
    plain("JWT_AUDIENCE", "`config-service-api`", "The `aud` claim."),
    secret(
        "API_KEY_SECRET",
        "derived from `JWT_SECRET`",
        "Hashes API keys; at least 32 bytes. Replacing it voids every key. Also verifies keys of the original that are signed with it.",
    ),
    plain(
        "BODY_MEMORY",
        "`256`",
        "How many MiB bodies of more than 64 KiB may take together while they arrive and are read, 20 to 1048576. What does not fit waits a second, then gets a 503.",
    ),
    plain(
        "RATE_LIMITS",
        "`auth`",
        "Which limits there are without further settings: `auth` (signing in, registering, password resets), `original` (also 100 requests a minute for each network address, and 200 evaluations), or `off`. See [RATE_LIMITING.md](RATE_LIMITING.md).",
    ),
    plain(
        "RATE_LIMIT_STORE",
        "`memory`",
        "Where limits are kept: `memory` (each node for itself), `redis://HOST:PORT`, `rediss://…`, `redis-cluster://HOST:PORT,HOST:PORT`, `rediss-cluster://…`, or `dynamodb` (the table of `DYNAMODB_TABLE`). A password in it is never shown or logged.",
    ),
    plain(
        "RATE_LIMIT_LOGIN",
        "`5/1m`",
        "Sign-ins from a network address: `off`, or a rate such as `100/1m` (times in `ms s m h d`), and after it `burst=N` (as many as the rate, if absent) and `mode=enforce`, `warn` or `shadow`. The other limits are written alike.",
    ),
    plain("RATE_LIMIT_REGISTER", "`3/1m`", "Registrations from a network address."),
    plain("RATE_LIMIT_PASSWORD_RESET", "`3/1h`", "Requests for a password reset from a network address, and for a mailbox."),
    plain(
        "RATE_LIMIT_GENERAL",
        "none; `100/1m` with `RATE_LIMITS=original`",
        "Requests without a valid credential from a network address, evaluations apart.",
    ),
    plain(
        "RATE_LIMIT_EVALUATION",
        "none; `200/1m` with `RATE_LIMITS=original`",
        "Evaluations and assignments without a valid credential from a network address.",
    ),
    plain("RATE_LIMIT_KEY", "none", "Requests with an API key, for each key."),
    plain(
        "RATE_LIMIT_EXCEPTIONS",
        "",
        "Other limits for some, separated by commas: `key:ID=1000/1m burst=50` (of `RATE_LIMIT_KEY`), `address:IP=off` (of `RATE_LIMIT_GENERAL` and `RATE_LIMIT_EVALUATION`).",
    ),
    plain(
        "RATE_LIMIT_HEADERS",
        "`draft`",
        "How answers tell of limits: `draft` (`RateLimit-Policy` and `RateLimit` of the IETF), `legacy` (`X-RateLimit-…`), or `none`.",
    ),
    plain(
        "RATE_LIMIT_NODES",
        "`1`",
        "How many nodes share the store of limits, 1 to 10000: while it is gone, each limits to its part.",
    ),
    plain(
        "RATE_LIMIT_DEADLINE_MS",
        "`20`; `250` with `dynamodb`",
        "How many milliseconds the store of limits may take, 1 to 10000.",
    ),
    plain("RATE_LIMIT_IPV6_PREFIX", "`64`", "Which part of an IPv6 address is one client, in bits: `48`, `56` or `64`."),
    plain(
        "RATE_LIMIT_MAX_REQUESTS",
        "",
        "Kept for configurations of the original: with `RATE_LIMIT_WINDOW_MS`, another way to write `RATE_LIMIT_GENERAL`.",
    ),
    plain("RATE_LIMIT_WINDOW_MS", "`60000`", "Kept for configurations of the original: the time to `RATE_LIMIT_MAX_REQUESTS`."),
    plain(
        "TRUSTED_PROXIES",
        "`0`",
        "How many proxies of yours stand in front, 0 to 16: so many entries at the end of `X-Forwarded-For` are believed. 0: the client is whoever connects.",
    ),
    plain("CORS_ORIGIN", "`*`", "Which web pages may call: `*`, or origins separated by commas."),
    plain("CACHE_MAX_AGE", "`0`", "How long shared caches may reuse a read without asking, in seconds."),
    plain(
        "CACHE_TTL",
        "`0`",
        "How long browsers may reuse a read without asking, in seconds. 0: they ask, and mostly get a 304.",
    ),
    plain(
        "SECURITY_HEADERS",
        "`auto`",
        "`on`, `off`, or `auto`: off behind an edge that adds them (AWS Lambda, Netlify, Vercel, Cloudflare Pages).",
    ),
    plain("COMPRESSION", "`auto`", "`on`, `off`, or `auto`: off behind an edge that compresses."),
    plain(
        "LOG_LEVEL",
        "`info`",
        "`trace`, `debug`, `info`, `warn`, `error`, `fatal`, `off`, or a filter such as `info,togglebox_http=debug`.",
    ),
    plain("LOG_FORMAT", "`pretty` on a terminal, else `json`", "`pretty` or `json`."),
    plain("LOG_PRETTY", "", "Kept for configurations of the original: `true` or `false` for `LOG_FORMAT`."),
    plain("NODE_ENV", "`production`", "Kept for configurations of the original: `development` makes logs pretty."),
    plain("APP_URL", "`http://localhost:3000`", "Where the links in mails lead."),
    plain("SMTP_HOST", "no mail is sent", "Mail server for password resets."),
    plain("SMTP_PORT", "`587`", "Its port; 465 speaks TLS from the start, others switch to it."),
    plain("SMTP_TLS", "`required`", "`required`, or `none` for a mail server on the same machine."),
    plain("SMTP_USER", "", "Name to sign in to the mail server with."),
    secret("SMTP_PASS", "", "Password to sign in to the mail server with."),
    plain("FROM_EMAIL", "`noreply@togglebox.com`", "Sender of mails."),
    plain("FROM_NAME", "`ToggleBox`", "Name of the sender."),
];

/// Settings of the original that have no effect here: its tables are one here. Whoever sets them is told so.
pub(super) const IGNORED: [&str; 11] = [
    "DYNAMODB_USERS_TABLE",
    "DYNAMODB_API_KEYS_TABLE",
    "DYNAMODB_PASSWORD_RESETS_TABLE",
    "DYNAMODB_PLATFORMS_TABLE",
    "DYNAMODB_ENVIRONMENTS_TABLE",
    "DYNAMODB_CONFIGS_TABLE",
    "DYNAMODB_REMOTE_CONFIGS_TABLE",
    "DYNAMODB_FLAGS_TABLE",
    "DYNAMODB_EXPERIMENTS_TABLE",
    "DYNAMODB_STATS_TABLE",
    "DYNAMODB_USAGE_TABLE",
];

/// Variables that say that an edge stands in front, as its platform sets them.
pub(super) const EDGES: [(&str, &str); 4] =
    [("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"), ("NETLIFY", "Netlify"), ("VERCEL", "Vercel"), ("CF_PAGES", "Cloudflare Pages")];

/// Every setting, in the order of the reference.
pub const fn all() -> &'static [Setting] {
    ALL
}

/// Settings of the original that are accepted and have no effect.
pub const fn ignored() -> &'static [&'static str] {
    &IGNORED
}
