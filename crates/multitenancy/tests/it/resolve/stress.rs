//! Real threads, and the real map: a writer, tellers, readers.

use std::thread;

use super::*;

/// Changes of each tenant.
const CHANGES: u64 = 2_000;
const TENANTS: u64 = 4;

/// What must hold, whatever runs when: who asks after a notice gets nothing older than it.
#[test]
fn nobody_gets_what_is_older_than_a_notice() {
    let rig = Rig::with(ResolveOptions::default().capacity(64, 64, 2));
    let told: Vec<AtomicU64> = (0..TENANTS).map(|_| AtomicU64::new(1)).collect();
    let names: Vec<String> = (0..TENANTS).map(|number| format!("tenant-{number}")).collect();
    let (rig, told, names, done) = (&rig, &told, &names, &AtomicU64::new(0));
    for (number, name) in (0..).zip(names) {
        rig.register.put(HostRef::Subdomain(name), entry(number, 1));
    }
    let asked: u64 = thread::scope(|scope| {
        scope.spawn(|| {
            for version in 2..=CHANGES {
                for (number, name) in (0..).zip(names) {
                    let key = HostRef::Subdomain(name);
                    rig.register.put(key, entry(number, version));
                    // By the tenant alone, or by the name too.
                    let names = if version % 2 == 0 { &[key][..] } else { &[] };
                    rig.resolver.hear(&notice(number, version, names));
                    told[usize::try_from(number).unwrap()].store(version, Ordering::SeqCst);
                    // So that floors are forgotten meanwhile.
                    rig.resolver.hear(&notice(1000 + u128::from(version % 16), version, &[]));
                }
            }
            done.store(1, Ordering::SeqCst);
        });
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(async {
                        let mut asked = 0_u64;
                        while done.load(Ordering::SeqCst) == 0 || asked < 1000 {
                            for (number, name) in names.iter().enumerate() {
                                let told = told[number].load(Ordering::SeqCst);
                                // A store that is always behind is no mistake of the cache.
                                match rig.resolve(HostRef::Subdomain(name)).await {
                                    Ok(found) => assert!(found.entry.version >= told, "{} after {told}", found.entry.version),
                                    Err(ResolveError::Behind) => {}
                                    Err(error) => panic!("{error}"),
                                }
                                asked += 1;
                            }
                        }
                        asked
                    })
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(asked >= 4000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for name in names {
            assert_eq!(rig.version(HostRef::Subdomain(name)).await, Ok(CHANGES));
        }
    });
    assert_eq!(rig.resolver.held().loads, 0);
}
