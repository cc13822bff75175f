//! A saved run: whatever somebody wrote into it, it is refused or told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptctl::report::{JunitReport, MarkdownReport, Report, Saved, TapReport, merge};

fuzz_target!(|text: String| {
    let Ok(saved) = Saved::read("it", &text) else { return };
    let Ok(Some(saved)) = merge(vec![("it".to_owned(), saved)]) else { return };
    let exit = saved.exit();
    let reports: [Box<dyn Report>; 3] =
        [Box::new(JunitReport::new(String::new())), Box::new(TapReport::new(String::new())), Box::<MarkdownReport>::default()];
    for mut report in reports {
        saved.clone().tell(&mut *report).expect("told");
        report.write(&mut Vec::new(), exit).expect("written");
    }
});
