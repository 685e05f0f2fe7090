//! Files that are not what they should be.

use togglebox_storage::transfer::{Fault, Problem, Record};

use super::data::{Size, tenant};
use super::{file, read};

const TINY: Size = Size { platforms: 1, environments: 1, things: 1, versions: 2, users: 1, subjects: 1, audit: 3 };

fn sound() -> (Vec<Record>, Vec<u8>) {
    let records = tenant(11, TINY);
    let file = file(&records);
    (records, file)
}

fn problem(file: &[u8]) -> Problem {
    read(file).map(|(_, summary)| summary).expect_err("the file is not sound")
}

/// The lines of a file, to be changed.
fn lines(file: &[u8]) -> Vec<String> {
    std::str::from_utf8(file).unwrap().lines().map(str::to_owned).collect()
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

#[test]
fn a_sound_file_is_read_whole() {
    let (records, file) = sound();
    let (read, summary) = read(&file).unwrap();
    assert_eq!(read, records);
    assert_eq!((summary.contents.total(), summary.sha256.len()), (records.len() as u64, 64));
}

/// Wherever it is cut, and whichever byte is altered: it is told, and never taken for a whole file. Tried at places all
/// over the file, and around the ends of all lines.
#[test]
fn no_cut_and_no_altered_byte_goes_unnoticed() {
    let (_, file) = sound();
    let ends = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(n, _)| n);
    let near_ends = ends.flat_map(|end| [end.saturating_sub(1), end, end + 1]);
    // The end of the last line may be missing: nothing is lost with it.
    let whole = file.len() - 1;
    for end in (0..whole).step_by(101).chain(near_ends).filter(|end| *end < whole) {
        assert!(read(&file[..end]).is_err(), "cut after {end} of {} bytes", file.len());
    }
    assert!(read(&file[..whole]).is_ok());
    let trailer = whole - file[..whole].iter().rev().position(|byte| *byte == b'\n').unwrap();
    for (n, flip) in (0..trailer).step_by(53).zip([0x01, 0x20, 0x80].into_iter().cycle()) {
        let mut altered = file.clone();
        altered[n] ^= flip;
        assert!(read(&altered).is_err(), "byte {n} of {} altered by {flip:#x}", file.len());
    }
}

#[test]
fn a_cut_file_is_told_from_a_damaged_one() {
    let (records, file) = sound();
    let mut cut = lines(&file);
    cut.pop();
    let problem = problem(&joined(&cut));
    assert!(matches!(problem.fault, Fault::CutOff), "{problem:?}");
    assert_eq!(problem.line, records.len() as u64 + 2);
    assert!(problem.to_string().contains("cut off"), "{problem}");
}

#[test]
fn an_error_names_line_and_field() {
    let (_, file) = sound();
    for (from, to, path) in [
        ("\"active\":1", "\"active\":\"one\"", "parameter.active: invalid type"),
        ("\"latest\":", "\"last\":", "parameter: missing field `latest`"),
        ("\"Param-0\"", "\"0-Param\"", "parameter.key: parameterKey must be"),
        ("\"valueType\":\"json\"", "\"valueType\":\"yaml\"", "parameterVersion.definition.valueType: unknown variant `yaml`"),
        (
            "\"rolloutEnabled\":",
            "\"rolledOut\":1,\"rolloutEnabled\":",
            "flagVersion.definition.rolledOut: there is no such field",
        ),
        ("\"2024-02-29\"", "\"2023-02-29\"", "experimentDay.day: must be a day"),
        ("\"Ann0@Example.com\"", "\"ann\"", "user.email: email must be"),
        ("\"sketch\":\"", "\"sketch\":\"ff", "parameterClients.sketch: must be a distinct-count sketch"),
        ("\"exposures\":", "\"exposures\":9223372036854775808,\"new\":", "experimentDay.exposures: must be at most"),
        ("{\"user\":", "{\"visitor\":", "unknown variant `visitor`, expected one of"),
    ] {
        let mut changed = lines(&file);
        let Some(line) = changed.iter().position(|line| line.contains(from)) else {
            panic!("{from} is in the file:\n{}", String::from_utf8_lossy(&file))
        };
        changed[line] = changed[line].replacen(from, to, 1);
        let problem = problem(&joined(&changed));
        assert_eq!(problem.line, line as u64 + 1, "{problem}");
        assert!(problem.to_string().contains(path), "{path} is not in {problem}");
    }
}

#[test]
fn an_active_version_must_have_been_given() {
    let (_, file) = sound();
    let changed = String::from_utf8(file).unwrap().replacen("\"active\":", "\"active\":9", 1);
    let problem = problem(changed.as_bytes());
    assert!(problem.to_string().contains("parameter.active: must be from 1"), "{problem}");
}

#[test]
fn parents_come_first() {
    let (_, file) = sound();
    let mut changed = lines(&file);
    changed.swap(2, 3);
    let problem = problem(&joined(&changed));
    assert!(matches!(problem.fault, Fault::Order { .. }), "{problem:?}");
    assert_eq!(problem.line, 4);
    assert!(problem.to_string().contains("platform stands after one of kind environment"), "{problem}");
}

#[test]
fn a_newer_format_is_refused() {
    let (_, file) = sound();
    let newer = String::from_utf8(file).unwrap().replacen("\"format\":1", "\"format\":2,\"compressed\":\"somehow\"", 1);
    let problem = problem(newer.as_bytes());
    assert!(matches!(problem.fault, Fault::FromTheFuture(2)), "{problem:?}");
    assert!(problem.to_string().contains("use the newer version"), "{problem}");
}

#[test]
fn what_is_no_export_is_told() {
    let (_, file) = sound();
    let headless = joined(&lines(&file)[1..]);
    for other in [&b""[..], b"\n", b"SQLite format 3\0", b"{}\n", b"[1]\n", &headless] {
        let problem = problem(other);
        assert!(matches!(problem.fault, Fault::NoHeader), "{problem:?}");
        assert_eq!(problem.line, 1);
    }
}

#[test]
fn the_trailer_is_the_end() {
    let (_, file) = sound();
    let twice = [file.clone(), file.clone()].concat();
    assert!(matches!(problem(&twice).fault, Fault::AfterTrailer));
    let told = String::from_utf8(file).unwrap().replacen("\"records\":", "\"records\":1", 1);
    assert!(matches!(problem(told.as_bytes()).fault, Fault::Count { .. }));
}

#[test]
fn an_endless_line_is_not_read_to_its_end() {
    let (_, file) = sound();
    let mut endless = lines(&file)[0].clone().into_bytes();
    endless.push(b'\n');
    endless.resize(40 << 20, b' ');
    assert!(matches!(problem(&endless).fault, Fault::TooLong(_)));
}
