//! A snapshot: what is read is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptctl::snapshot::Snapshot;

fuzz_target!(|text: String| {
    if let Ok(snapshot) = Snapshot::parse(&text) {
        let _ = snapshot.header();
        let again = Snapshot::parse(&snapshot.to_text());
        assert_eq!(again.map(|s| s.body().to_owned()), Ok(snapshot.body().to_owned()));
    }
});
