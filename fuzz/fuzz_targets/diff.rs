//! Two texts: a difference between them can always be told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptctl::snapshot::diff_text;

fuzz_target!(|texts: (String, String)| {
    let _ = diff_text(&texts.0, &texts.1, 1);
});
