//! Pages of long lists and of short ones, for every engine's tests of what a page costs.
//!
//! A page may cost what is on it, however long its list is and wherever it stands. So the tables are filled with lists of ten thousand
//! and of a hundred; and, since that is what an index that fits only half would have to wade through, with thousands of newer audit
//! records that fit all but one part of a filter.

use togglebox_auth::Role;
use togglebox_core::{AuditFilter, TenantId};
use uuid::Uuid;

use super::statement::Statement;
use super::{audit, flags, parameters, users};

/// How many rows are asked for: a page and one more.
const ROWS: u64 = 21;
/// How many are left on the last page.
const LEFT: u64 = 11;
/// Key, name and number of rows of each list.
const LISTS: [(u8, u64); 2] = [(1, 10_000), (2, 100)];
/// The role of as many users as each list is long.
const ROLES: [Role; 2] = [Role::Admin, Role::Viewer];
/// How many newer records fit each part of the filter for the long list.
const NEWER: u64 = 2_000;

const TENANT: TenantId = TenantId::DEFAULT;
const PLACE: Uuid = Uuid::from_u128(1);

/// How an engine writes down what the statements here need.
pub(crate) struct Dialect {
    pub(crate) uuid: fn(&Uuid) -> String,
    pub(crate) random_uuid: &'static str,
}

/// One page: the statement that asks for it, and what it shows.
pub(crate) struct PageOf {
    /// The same for pages that differ in the length of their list or in where they stand.
    pub(crate) kind: String,
    pub(crate) statement: Statement,
    pub(crate) rows: u64,
}

/// The statements that fill an empty database.
pub(crate) fn fill(dialect: &Dialect) -> Vec<String> {
    let (tenant, place, random) = ((dialect.uuid)(TENANT.as_uuid()), (dialect.uuid)(&PLACE), dialect.random_uuid);
    let numbers =
        |count: u64| format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})");
    let mut statements = vec![
        format!("INSERT INTO tenant_revisions (tenant) VALUES ({tenant})"),
        format!("INSERT INTO platforms (tenant, name, id, created_at, revision) VALUES ({tenant}, 'p1', {place}, 0, 1)"),
        format!(
            "INSERT INTO environments (tenant, id, platform, name, created_at, revision, contents_revision, changed_at)
            VALUES ({tenant}, {place}, 'p1', 'e1', 0, 1, 1, 0)"
        ),
    ];
    for (list, count) in LISTS {
        let numbers = numbers(count);
        statements.extend([
            format!(
                "INSERT INTO flags (tenant, environment, key, latest_patch, created_at) VALUES ({tenant}, {place}, 't{list}', {count}, 0)"
            ),
            format!(
                "INSERT INTO parameters (tenant, environment, key, active_version, latest_version, revision)
                VALUES ({tenant}, {place}, 't{list}', 1, {count}, 1)"
            ),
            format!(
                "{numbers} INSERT INTO flag_versions
                (tenant, environment, key, patch, active, schema, document, created_by, updated_at, revision)
                SELECT {tenant}, {place}, 't{list}', n, 0, 1, '{{}}', 'me', 0, n FROM numbers"
            ),
            format!(
                "{numbers} INSERT INTO parameter_versions
                (tenant, environment, key, version, schema, document, created_by, created_at)
                SELECT {tenant}, {place}, 't{list}', n, 1, '{{}}', 'me', 0 FROM numbers"
            ),
            format!(
                "{numbers} INSERT INTO users
                (tenant, id, email, email_key, password, role, created_at, updated_at, tokens_valid_from, revision)
                SELECT {tenant}, {random}, 'u{list}.' || n, 'u{list}.' || n, 's', '{}', n, 0, 0, 1 FROM numbers",
                ROLES[usize::from(list) - 1].as_str()
            ),
            records(&numbers, &tenant, random, 0, [list; 3]),
        ]);
    }
    // The fewer parts fit, the newer.
    for (step, fits) in (1..).zip([0b110, 0b101, 0b011, 0b100, 0b010, 0b001_u8]) {
        let part = |bit: u8| if fits & bit == 0 { 3 } else { 1 };
        let parts = [part(1), part(2), part(4)];
        statements.push(records(&numbers(NEWER), &tenant, random, 10_000 + step * NEWER, parts));
    }
    statements
}

/// Records of a moment each, `after` and later.
fn records(numbers: &str, tenant: &str, random: &str, after: u64, [platform, environment, target]: [u8; 3]) -> String {
    format!(
        "{numbers} INSERT INTO audit_log (tenant, id, at, actor, action, platform, environment, target, revision)
        SELECT {tenant}, {random}, {after} + n, '{{}}', 'any', 'p{platform}', 'e{environment}', 't{target}', n FROM numbers"
    )
}

/// The first, a middle and the last page of every list that goes on by cursor; the first page of those that go on by number, where
/// later ones are a walk.
pub(crate) fn pages() -> Vec<PageOf> {
    let mut pages = Vec::new();
    for (list, count) in LISTS {
        for (below, rows) in [(None, ROWS), (Some(count / 2), ROWS), (Some(LEFT + 1), LEFT)] {
            pages.push(history("flags.versions", flags::VERSIONS, list, below, rows));
            pages.push(history("parameters.versions", parameters::VERSIONS, list, below, rows));
            pages.extend((1..8).map(|parts| audit_page(parts, list, below, rows)));
        }
        let role = ROLES[usize::from(list) - 1];
        let statement = Statement::new(users::list_statements(Some(role)).0);
        let statement = statement.bind(TENANT).bind(role.as_str()).bind(ROWS).bind(0_u64);
        pages.push(PageOf { kind: "users.list by role".to_owned(), statement, rows: ROWS });
    }
    // All records are in the list of everything, where no record stands alone in its moment.
    for below in [None, Some(5_000), Some(LEFT + 1)] {
        pages.push(audit_page(0, 1, below, ROWS));
    }
    let statement = Statement::new(users::list_statements(None).0);
    let statement = statement.bind(TENANT).bind(None::<&str>).bind(ROWS).bind(0_u64);
    pages.push(PageOf { kind: "users.list".to_owned(), statement, rows: ROWS });
    pages
}

fn history(kind: &str, sql: &'static str, list: u8, below: Option<u64>, rows: u64) -> PageOf {
    let below = below.unwrap_or(i64::MAX.unsigned_abs());
    let statement = Statement::new(sql).bind(TENANT).bind("p1").bind("e1").bind(format!("t{list}")).bind(below).bind(ROWS);
    PageOf { kind: kind.to_owned(), statement, rows }
}

/// `parts` says by which parts the log is filtered: platform, environment, target.
fn audit_page(parts: u8, list: u8, below: Option<u64>, rows: u64) -> PageOf {
    let mut kind = "audit.list".to_owned();
    let mut part = |bit: u8, name: &str| {
        let wanted = parts & bit != 0;
        if wanted {
            kind.push_str(if kind.contains("by") { ", " } else { " by " });
            kind.push_str(name);
        }
        wanted.then(|| format!("{}{list}", &name[..1]))
    };
    let mut filter = AuditFilter::default();
    (filter.platform, filter.environment, filter.target) = (part(1, "platform"), part(2, "environment"), part(4, "target"));
    let statement = Statement::new(audit::list_statement(&filter, below.is_some())).bind(TENANT);
    let statement = statement.bind(filter.platform).bind(filter.environment).bind(filter.target);
    // Number 0: before every record of that moment.
    let statement = statement.bind(below.unwrap_or_default()).bind(0_u64).bind(ROWS);
    PageOf { kind, statement, rows }
}
