//! How a slab looks on disk.
//!
//! Two files, named by the writer. All numbers are little-endian, all sums CRC-32 (IEEE) and begin with the writer's id, so that a part
//! of another file is never taken for one of this.
//!
//! `<writer>.slab`: a header of [`HEADER_BYTES`], then slots of [`SLOT_BYTES`]. A slot lies within one disk sector.
//!
//! | bytes of the header | what |
//! |---|---|
//! | 0..8 | `TBXUSAGE` |
//! | 8..12 | version, 1 |
//! | 12..16 | number of slots |
//! | 16..32 | writer |
//! | 32..40 | made at, milliseconds since 1970 |
//! | 40..76 | boot id of the machine, 36 characters |
//! | 76..80 | CRC of 0..76 |
//!
//! | bytes of a slot | what |
//! |---|---|
//! | 0..4 | place of the series in the dictionary, plus 1; 0 is an unused slot |
//! | 4..8 | minute since 1970 |
//! | 8..12 | CRC of that series' entry in the dictionary |
//! | 12..16 | CRC of the slot's number and 0..12 |
//! | 32..48, 48..64 | two words: total (8 bytes), CRC of the slot's number, 12..16 and the total |
//!
//! Words are written in turn, each with one write: what is torn or flipped in one costs the last increment only. The total is the
//! greater of the words that are sound. A word that is written in memory takes three stores, and a process may be killed between them: its
//! last eight bytes are [`UNDER_WAY`] meanwhile, which is no damage.
//!
//! `<writer>.names`: the dictionary, entries of [`ENTRY_BYTES`], only appended to, and before the first slot that uses one.
//!
//! | bytes of an entry | what |
//! |---|---|
//! | 0..16 | tenant |
//! | 16, 17..48 | length and text of the meter |
//! | 48, 49..249 | length and text of the labels |
//! | 252..256 | CRC of the entry's place and 0..252 |

use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

use crate::{Labels, MeterId, Minute, Series, WriterId};

pub(super) const HEADER_BYTES: usize = 4096;
pub(super) const SLOT_BYTES: usize = 64;
pub(super) const ENTRY_BYTES: usize = 256;
pub(super) const WORD_BYTES: usize = 16;
const WORDS_AT: usize = 32;
const MAGIC: &[u8; 8] = b"TBXUSAGE";
const VERSION: u32 = 1;
/// The length of the boot id that Linux gives.
pub(super) const BOOT_BYTES: usize = 36;

/// A CRC that begins with the writer, and a number.
fn crc(writer: WriterId, number: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&writer.as_u128().to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn put(place: &mut [u8], at: usize, bytes: &[u8]) {
    place[at..at + bytes.len()].copy_from_slice(bytes);
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// What the first bytes of a slab say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) writer: WriterId,
    pub(super) slots: u32,
    pub(super) made_at: Timestamp,
    pub(super) boot: [u8; BOOT_BYTES],
}

impl Header {
    pub(super) fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &self.slots.to_le_bytes());
        put(&mut bytes, 16, &self.writer.as_u128().to_le_bytes());
        put(&mut bytes, 32, &self.made_at.as_ms().to_le_bytes());
        put(&mut bytes, 40, &self.boot);
        let sum = crc(self.writer, 0, &bytes[..76]);
        put(&mut bytes, 76, &sum.to_le_bytes());
        bytes
    }

    /// `None` for what is no header, or one of another version.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..80)?;
        let writer = WriterId::from_u128(u128::from_le_bytes(array(head, 16)));
        let sound = head.starts_with(MAGIC) && number(head, 8) == VERSION && number(head, 76) == crc(writer, 0, &head[..76]);
        let made_at = Timestamp::from_ms(i64::from_le_bytes(array(head, 32)));
        (sound && !writer.is_reserved()).then(|| Self { writer, slots: number(head, 12), made_at, boot: array(head, 40) })
    }
}

/// What a slot is a total of: never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotKey {
    pub(super) series: u32,
    pub(super) minute: Minute,
    /// The sum of the dictionary's entry.
    pub(super) entry: u32,
}

/// What is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Unused,
    Sound { key: SlotKey, total: u64, torn: bool },
    Damaged,
}

/// A new slot, whose first word has `total`, and the sum that its words are written with.
pub(super) fn write_slot(writer: WriterId, at: u32, key: SlotKey, total: u64) -> ([u8; SLOT_BYTES], u32) {
    let mut bytes = [0; SLOT_BYTES];
    put(&mut bytes, 0, &(key.series + 1).to_le_bytes());
    put(&mut bytes, 4, &key.minute.number().to_le_bytes());
    put(&mut bytes, 8, &key.entry.to_le_bytes());
    let sum = crc(writer, at, &bytes[..12]);
    put(&mut bytes, 12, &sum.to_le_bytes());
    put(&mut bytes, WORDS_AT, &Word::new(sum, total).bytes().0);
    (bytes, sum)
}

/// A total and its sum, which are written together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    total: u64,
    sum: u32,
}

/// Sixteen bytes that no border of a page goes through: one write takes them from memory whole.
#[repr(align(16))]
pub(super) struct WordBytes(pub(super) [u8; WORD_BYTES]);

/// Where the sum of a word is, while its total is being stored.
pub(super) const UNDER_WAY: [u8; 8] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

impl Word {
    /// A total. `key` is the sum of the slot's key, which has the writer and the slot's number in it.
    pub(super) fn new(key: u32, total: u64) -> Self {
        Self { total, sum: word_crc(key, total) }
    }

    /// As it is in the file.
    pub(super) fn bytes(self) -> WordBytes {
        let mut bytes = [0; WORD_BYTES];
        put(&mut bytes, 0, &self.total.to_le_bytes());
        put(&mut bytes, 8, &self.sum.to_le_bytes());
        WordBytes(bytes)
    }

    /// The same bytes as two numbers in memory.
    #[cfg(feature = "mapped")]
    pub(super) const fn halves(self) -> [u64; 2] {
        [self.total.to_le(), (self.sum as u64).to_le()]
    }
}

fn word_crc(key: u32, total: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(key);
    hasher.update(&total.to_le_bytes());
    hasher.finalize()
}

/// Where in the file a word of a slot is.
pub(super) fn word_at(slot: u32, second: bool) -> u64 {
    slot_at(slot) + (WORDS_AT + WORD_BYTES * usize::from(second)) as u64
}

/// Where in the file a slot is.
pub(super) fn slot_at(slot: u32) -> u64 {
    HEADER_BYTES as u64 + u64::from(slot) * SLOT_BYTES as u64
}

/// Reads a slot of exactly [`SLOT_BYTES`].
pub(super) fn read_slot(writer: WriterId, at: u32, bytes: &[u8]) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Unused;
    }
    let (place, sum) = (number(bytes, 0), number(bytes, 12));
    let Some(series) = place.checked_sub(1).filter(|_| sum == crc(writer, at, &bytes[..12])) else {
        return Slot::Damaged;
    };
    let words = [WORDS_AT, WORDS_AT + WORD_BYTES].map(|at| &bytes[at..at + WORD_BYTES]);
    // The second word is written with the second increment.
    let is_blank = |word: &[u8]| word.iter().all(|byte| *byte == 0) || word[8..] == UNDER_WAY;
    let torn = words.iter().any(|word| read_word(sum, word).is_none() && !is_blank(word));
    match words.iter().filter_map(|word| read_word(sum, word)).max() {
        Some(total) => {
            let key = SlotKey { series, minute: Minute::from_number(number(bytes, 4)), entry: number(bytes, 8) };
            Slot::Sound { key, total, torn }
        }
        None => Slot::Damaged,
    }
}

fn read_word(key: u32, word: &[u8]) -> Option<u64> {
    let total = u64::from_le_bytes(array(word, 0));
    (number(word, 8) == word_crc(key, total) && word[12..].iter().all(|byte| *byte == 0)).then_some(total)
}

/// An entry of the dictionary, and its sum.
pub(super) fn write_entry(writer: WriterId, at: u32, tenant: TenantId, series: &Series) -> ([u8; ENTRY_BYTES], u32) {
    let (meter, labels) = (series.meter.as_str().as_bytes(), series.labels.as_str().as_bytes());
    let mut bytes = [0; ENTRY_BYTES];
    put(&mut bytes, 0, tenant.as_uuid().as_bytes());
    // Neither is longer than its place: 31 and 200.
    bytes[16] = u8::try_from(meter.len()).unwrap_or(0);
    put(&mut bytes, 17, meter);
    bytes[48] = u8::try_from(labels.len()).unwrap_or(0);
    put(&mut bytes, 49, labels);
    let sum = crc(writer, at, &bytes[..252]);
    put(&mut bytes, 252, &sum.to_le_bytes());
    (bytes, sum)
}

/// Reads an entry of exactly [`ENTRY_BYTES`], and its sum.
pub(super) fn read_entry(writer: WriterId, at: u32, bytes: &[u8]) -> Option<(TenantId, Series, u32)> {
    let sum = number(bytes, 252);
    if sum != crc(writer, at, &bytes[..252]) {
        return None;
    }
    let text = |at: usize, room: usize| {
        let length = usize::from(bytes[at]);
        (length <= room).then(|| &bytes[at + 1..=at + length]).and_then(|text| std::str::from_utf8(text).ok())
    };
    let meter: MeterId = text(16, MeterId::MOST_BYTES)?.parse().ok()?;
    let labels = Labels::parse(text(48, Labels::MOST_BYTES)?).ok()?;
    Some((TenantId::from_uuid(Uuid::from_bytes(array(bytes, 0))), Series { meter, labels }, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: WriterId = WriterId::from_u128(7 << 64);

    #[test]
    fn a_header_reads_back_and_no_other_bytes_do() {
        let header = Header { writer: WRITER, slots: 9, made_at: Timestamp::from_ms(77), boot: [b'x'; BOOT_BYTES] };
        let bytes = header.write();
        assert_eq!(Header::read(&bytes), Some(header));
        for at in 0..80 {
            let mut other = bytes;
            other[at] ^= 0x10;
            assert_eq!(Header::read(&other), None, "{at}");
        }
        assert_eq!(Header::read(&bytes[..79]), None);
        assert_eq!(Header::read(&[0; 4096]), None);
    }

    #[test]
    fn a_slot_is_one_of_its_own_place_and_file() {
        let key = SlotKey { series: 4, minute: Minute::from_number(9), entry: 5 };
        let (bytes, _) = write_slot(WRITER, 3, key, 12);
        assert_eq!(read_slot(WRITER, 3, &bytes), Slot::Sound { key, total: 12, torn: false });
        assert_eq!(read_slot(WRITER, 2, &bytes), Slot::Damaged);
        assert_eq!(read_slot(WriterId::from_u128(8 << 64), 3, &bytes), Slot::Damaged);
        assert_eq!(read_slot(WRITER, 3, &[0; SLOT_BYTES]), Slot::Unused);
    }

    #[test]
    fn the_greater_sound_word_counts() {
        let key = SlotKey { series: 0, minute: Minute::EPOCH, entry: 0 };
        let (mut bytes, sum) = write_slot(WRITER, 0, key, 12);
        put(&mut bytes, 48, &Word::new(sum, 13).bytes().0);
        assert_eq!(read_slot(WRITER, 0, &bytes), Slot::Sound { key, total: 13, torn: false });
        let mut cut = bytes;
        put(&mut cut, 56, &UNDER_WAY);
        assert_eq!(read_slot(WRITER, 0, &cut), Slot::Sound { key, total: 12, torn: false }, "killed while it stored");
        put(&mut cut, 40, &UNDER_WAY);
        assert_eq!(read_slot(WRITER, 0, &cut), Slot::Damaged, "one word is always whole");
        bytes[50] ^= 1;
        assert_eq!(read_slot(WRITER, 0, &bytes), Slot::Sound { key, total: 12, torn: true });
        bytes[40] ^= 1;
        assert_eq!(read_slot(WRITER, 0, &bytes), Slot::Damaged);
    }

    #[test]
    fn the_longest_entry_reads_back() {
        let labels = Labels::new([("a", "x".repeat(64).as_str()), ("b", &"y".repeat(64)), ("c", &"z".repeat(64))]).unwrap();
        let series = Series { meter: "m".repeat(31).parse().unwrap(), labels };
        let (bytes, sum) = write_entry(WRITER, 1, TenantId::DEFAULT, &series);
        assert_eq!(read_entry(WRITER, 1, &bytes), Some((TenantId::DEFAULT, series, sum)));
        assert_eq!(read_entry(WRITER, 0, &bytes), None);
    }
}
