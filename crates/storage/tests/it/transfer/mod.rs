//! Moving tenants.

pub(crate) mod data;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod file;
mod identity;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod secrets;

use std::fs::File;
use std::io::{BufReader, BufWriter, Cursor};

use togglebox_core::{TenantId, Timestamp};
use togglebox_storage::transfer::{Contents, FORMAT, Header, Problem, Reader, Record, Summary, Transfer, Writer};

const TENANT: TenantId = TenantId::DEFAULT;

fn header() -> Header {
    Header {
        format: FORMAT,
        product: "togglebox 0.0.0".to_owned(),
        tenant: TENANT,
        engine: "sqlite".to_owned(),
        at: Timestamp::EPOCH,
        key_secret: None,
    }
}

/// A file of these records.
pub(crate) fn file(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap().0
}

/// Reads a whole file.
fn read(file: &[u8]) -> Result<(Vec<Record>, Summary), Problem> {
    let (_, mut reader) = Reader::begin(Cursor::new(file))?;
    let mut records = Vec::new();
    while let Some(line) = reader.next_record()? {
        records.push(line.record);
    }
    Ok((records, reader.summary().unwrap()))
}

/// Everything that a store holds, by pages of `page`.
async fn dump(store: &dyn Transfer, page: usize) -> Vec<Record> {
    let mut dump = store.dump(TENANT).await.unwrap();
    let mut records = Vec::new();
    loop {
        let more = dump.next(page).await.unwrap();
        assert!(more.len() <= page, "a page holds what was asked for at most");
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

/// Everything that a tenant has.
pub(crate) async fn dump_of(store: &dyn Transfer, tenant: TenantId) -> Vec<Record> {
    let mut dump = store.dump(tenant).await.unwrap();
    let mut records = Vec::new();
    loop {
        let more = dump.next(200).await.unwrap();
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

/// Moves everything through a file on a disk, holding a page of it at a time. Says what was moved.
async fn copy(from: &dyn Transfer, to: &dyn Transfer) -> Contents {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.jsonl");
    let mut writer = Writer::begin(BufWriter::new(File::create(&path).unwrap()), &header()).unwrap();
    let mut dump = from.dump(TENANT).await.unwrap();
    loop {
        let page = dump.next(1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 200, "no more is held than a page");
        for record in &page {
            writer.record(record).unwrap();
        }
    }
    writer.finish().unwrap();
    let (_, mut reader) = Reader::begin(BufReader::new(File::open(&path).unwrap())).unwrap();
    let mut batch = Vec::new();
    while let Some(line) = reader.next_record().unwrap() {
        batch.push(line.record);
        if batch.len() == 1000 {
            assert_eq!(to.restore(TENANT, &batch).await.unwrap().new, batch.len());
            batch.clear();
        }
    }
    to.restore(TENANT, &batch).await.unwrap();
    to.complete(TENANT).await.unwrap();
    reader.summary().unwrap().contents
}

/// The checksum of a store's file.
async fn lines(store: &dyn Transfer) -> String {
    let mut writer = Writer::begin(std::io::sink(), &header()).unwrap();
    let mut hash = Vec::new();
    let mut dump = store.dump(TENANT).await.unwrap();
    loop {
        let page = dump.next(1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        let mut part = Writer::begin(Vec::new(), &header()).unwrap();
        for record in &page {
            writer.record(record).unwrap();
            part.record(record).unwrap();
        }
        // The trailer of each page holds the checksum of its lines.
        let part = part.finish().unwrap().0;
        hash.push(String::from_utf8(part.rsplit(|byte| *byte == b'\n').nth(1).unwrap().to_vec()).unwrap());
    }
    hash.join("\n")
}
