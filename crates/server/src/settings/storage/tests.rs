use super::super::Environment;
use super::super::read::Problems;
use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<(DatabaseSettings, BusSettings), Problems> {
    let environment: Environment = pairs.iter().copied().collect();
    let mut texts = Texts::gather(&environment);
    let (database, _) = database(&mut texts);
    let bus = bus(&mut texts, &database);
    texts.problems.finish((database, bus))
}

fn shown(pairs: &[(&str, &str)]) -> (String, String) {
    let (database, bus) = read(pairs).unwrap();
    (database.to_string(), bus.to_string())
}

fn problems(pairs: &[(&str, &str)]) -> String {
    read(pairs).unwrap_err().to_string()
}

const SERVER: (&str, &str) = ("DATABASE_URL", "postgres://ann:hunter2@db:5432/box");
const REDIS: (&str, &str) = ("REDIS_URL", "rediss://:hunter3@cache:6380/1");

#[test]
fn the_url_chooses_the_engine() {
    let cases = [
        (&[][..], "./togglebox.db"),
        (&[("DATABASE_URL", "sqlite:box.db")], "box.db"),
        (&[("DATABASE_URL", "sqlite:///tmp/box.db")], "/tmp/box.db"),
        (&[("DATABASE_URL", "sqlite::memory:")], "in memory"),
        (&[("SQLITE_FILE", "other.db")], "other.db"),
        (&[SERVER], "postgres://db:5432"),
        (&[("DATABASE_URL", "postgresql://db/box?sslmode=require")], "postgresql://db"),
        (&[("DB_TYPE", "postgresql"), ("POSTGRES_URL", "postgres://db/box")], "postgres://db"),
        (&[("DB_TYPE", "postgresql"), SERVER, ("POSTGRES_URL", "postgres://older/box")], "postgres://db:5432"),
        (&[("DB_TYPE", "dynamodb")], "DynamoDB table togglebox"),
    ];
    for (pairs, expected) in cases {
        assert_eq!(shown(pairs).0, expected, "{pairs:?}");
    }
    let (database, _) = read(&[("DATABASE_URL", "sqlite:box.db")]).unwrap();
    assert_eq!((database.file(), database.is_embedded()), (Some(Path::new("box.db")), true));
    assert!(!read(&[SERVER]).unwrap().0.is_embedded());
}

#[test]
fn contradictions_and_gaps_are_problems() {
    for (pairs, expected) in [
        (&[("DB_TYPE", "sqlite"), SERVER][..], "DB_TYPE is sqlite, but DATABASE_URL is not"),
        (&[("DB_TYPE", "postgresql"), ("DATABASE_URL", "sqlite:box.db")], "DB_TYPE is postgresql, but DATABASE_URL is not"),
        (&[("DB_TYPE", "postgres")], "DB_TYPE is postgresql, but DATABASE_URL is not set"),
        (&[("DB_TYPE", "dynamodb"), SERVER], "leave DATABASE_URL out"),
        (&[("DB_TYPE", "mysql")], "DB_TYPE must be one of sqlite, postgresql, postgres, dynamodb"),
        (&[("DATABASE_URL", "mysql://db")], "DATABASE_URL must be sqlite:PATH"),
        (&[("DATABASE_URL", "sqlite:")], "DATABASE_URL must be"),
        (&[("DATABASE_URL", "sqlite:/no/such/folder/box.db")], "DATABASE_URL: there is no folder /no/such/folder"),
        (&[("SQLITE_FILE", "/no/such/folder/box.db")], "SQLITE_FILE: there is no folder"),
        (&[("CHANGE_BUS", "redis")], "CHANGE_BUS is redis, but REDIS_URL is not set"),
        (&[("CHANGE_BUS", "postgres")], "CHANGE_BUS is postgres, but DATABASE_URL is not"),
        (&[("CHANGE_BUS", "kafka")], "CHANGE_BUS must be one of"),
        (&[("REDIS_URL", "http://cache")], "REDIS_URL must be redis://"),
        (&[("TABLE_PREFIX", "a b")], "TABLE_PREFIX must be letters"),
        (&[("DYNAMODB_TABLE", "ab")], "3 to 255 characters"),
        (&[("AWS_REGION", "Frankfurt!")], "AWS_REGION must be"),
        (&[("DYNAMODB_ENDPOINT", "localhost")], "DYNAMODB_ENDPOINT must be"),
        (&[("DATABASE_CONNECTION_LIMIT", "0")], "DATABASE_CONNECTION_LIMIT must be"),
        (&[("DATABASE_STATEMENT_TIMEOUT", "5")], "DATABASE_STATEMENT_TIMEOUT must be"),
    ] {
        let text = problems(pairs);
        assert!(text.contains(expected), "{expected}: {text}");
        assert!(text.contains("has 1 problem:"), "one slip is one problem: {text}");
        assert!(!text.contains("hunter"), "{text}");
    }
    let all = problems(&[("DB_TYPE", "x"), ("DATABASE_URL", "y"), ("REDIS_URL", "z"), ("CHANGE_BUS", "redis")]);
    assert!(all.contains("has 3 problems"), "{all}");
}

#[test]
fn the_one_table_is_called_as_the_original_prefixes_its_own() {
    let dynamodb = |pairs: &[(&str, &str)]| match read(&[pairs, &[("DB_TYPE", "dynamodb")]].concat()).unwrap().0 {
        DatabaseSettings::DynamoDb(dynamodb) => dynamodb,
        other => panic!("{other}"),
    };
    assert_eq!(
        dynamodb(&[]),
        DynamoDbSettings { table: "togglebox".to_owned(), prefix: String::new(), region: None, endpoint: None }
    );
    let expected = DynamoDbSettings {
        table: "prod-boxes".to_owned(),
        prefix: "prod-".to_owned(),
        region: Some("eu-central-1".to_owned()),
        endpoint: Some("http://localhost:8000".to_owned()),
    };
    let all = [
        ("TABLE_PREFIX", "prod-"),
        ("DYNAMODB_TABLE", "boxes"),
        ("AWS_REGION", "eu-central-1"),
        ("DYNAMODB_ENDPOINT", "http://localhost:8000/"),
    ];
    assert_eq!(dynamodb(&all), expected);
}

#[test]
fn a_server_is_used_within_bounds() {
    let limits = [("DATABASE_CONNECTION_LIMIT", "25"), ("DATABASE_POOL_TIMEOUT", "3"), ("DATABASE_STATEMENT_TIMEOUT", "2m")];
    for (pairs, expected) in [(&[SERVER][..], (10, 5, 5)), (&[&[SERVER][..], &limits].concat(), (25, 3, 120))] {
        let DatabaseSettings::Postgres(postgres) = read(pairs).unwrap().0 else { panic!("not a server") };
        let seconds = (postgres.acquire_timeout.as_secs(), postgres.statement_timeout.as_secs());
        assert_eq!((postgres.connections, seconds.0, seconds.1), expected);
    }
}

#[test]
fn the_bus_is_what_there_is() {
    for (pairs, expected) in [
        (&[][..], "local"),
        (&[SERVER], "postgres"),
        (&[SERVER, REDIS], "rediss://cache:6380"),
        (&[REDIS], "rediss://cache:6380"),
        (&[SERVER, REDIS, ("CHANGE_BUS", "local")], "local"),
        (&[SERVER, REDIS, ("CHANGE_BUS", "postgres")], "postgres"),
        (&[SERVER, ("CHANGE_BUS", "auto")], "postgres"),
        (&[("DB_TYPE", "dynamodb")], "local"),
        (&[("DB_TYPE", "dynamodb"), REDIS, ("CHANGE_BUS", "redis")], "rediss://cache:6380"),
    ] {
        assert_eq!(shown(pairs).1, expected, "{pairs:?}");
    }
}

#[test]
fn passwords_are_in_no_debug_text() {
    let (database, bus) = read(&[SERVER, REDIS]).unwrap();
    let text = format!("{database:?} {bus:?} {database} {bus}");
    assert!(text.contains("db:5432") && !text.contains("hunter"), "{text}");
}
