//! A file of recordings: what is read can be found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptctl::core::path::TreePath;
use promptctl::recording::RecordedFile;

fuzz_target!(|text: String| {
    let Ok(path) = TreePath::new("fixtures/p/recorded/m.jsonl") else { return };
    if let Ok(file) = RecordedFile::parse(&path, text) {
        for (_, line) in file.lines() {
            assert_eq!(file.find(line.key.as_str()), Some(line));
        }
    }
});
