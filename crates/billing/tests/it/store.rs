//! The promises of the store port, of the store in memory.

use togglebox_billing::testkit::MemoryStore;

togglebox_billing::billing_store_suite!(MemoryStore::fresh);
