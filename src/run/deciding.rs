//! All that decides what becomes of a case on a model, as one digest: where two sides have the same, a test says the same.

use super::prepared::Prepared;
use super::scored::Scoring;
use crate::core::digest::sha256_hex;
use crate::plan::Item;
use crate::project::Compare;
use crate::recording::Store;
use crate::snapshot::snapshot_path;
use crate::tree::blob_name;

impl Prepared {
    /// All that decides what becomes of an item: its requests, what is expected of the answers, and, where they are kept,
    /// the recorded and the accepted ones. `None` where recordings cannot be read: then nothing is known.
    #[must_use]
    pub fn deciding(&self, item: &Item, store: Option<&Store>) -> Option<String> {
        let workspace = &self.workspace;
        let case = &workspace.cases.list[item.case];
        let entry = &workspace.config.models[item.model];
        let prompt = workspace.prompt_of(case);
        let expected = self.expected(item.case);
        let price = entry.price.as_ref().filter(|_| expected.contains("cost"));
        let keys: Vec<&str> = item.keys.iter().map(crate::core::names::RequestKey::as_str).collect();
        let rates = (case.min_pass_rate, case.must_pass, &case.quarantine, workspace.config.recordings.max_age, price);
        let mut parts = vec![format!("{keys:?} {rates:?}"), self.values(item.case, &expected), expected];
        parts.extend(case.checks.iter().flat_map(|check| self.files(check)).cloned());
        // What is compared with nothing is accepted by nobody.
        if case.compare != Compare::None {
            let accepted = workspace.tree.read(&snapshot_path(&prompt.name, &case.name, &entry.alias), u64::MAX);
            parts.push(format!("{:?} {:?}", case.snapshot, accepted.ok().and_then(|bytes| blob_name(&bytes))));
        }
        for key in item.keys.iter().filter(|_| store.is_some()) {
            let line = store?.find(&prompt.name, &entry.alias, key).ok()?;
            // What judges said of it decides too, and who they were.
            if let (Some(line), Some(store)) = (line.as_ref().filter(|_| self.asks(case)), store) {
                let outcome = self.score(&Scoring::new(item.case, entry, (line.sample, &line.response), store)).ok()?;
                parts.push(serde_json::to_string(&outcome.expectations).unwrap_or_default());
                parts.push(outcome.output.unwrap_or_default());
            }
            parts.push(line.map(|line| serde_json::to_string(&line.response).unwrap_or_default()).unwrap_or_default());
        }
        let lengths: Vec<usize> = parts.iter().map(String::len).collect();
        Some(sha256_hex(format!("{lengths:?}{}", parts.concat()).as_bytes()))
    }

    /// The variables that expectations name: what the prompt makes of them stands in the keys.
    fn values(&self, case: usize, expected: &str) -> String {
        let variables = &self.workspace.cases.list[case].variables;
        let mut named: Vec<String> = variables
            .iter()
            .filter(|(name, _)| expected.contains(name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        named.sort();
        named.join("\n")
    }
}
