//! A whole project: the input is cut at NUL bytes into promptctl.yaml, a prompt, its cases and a data set.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use promptctl::core::path::TreePath;
use promptctl::core::problem::Problems;
use promptctl::plan::{Overrides, Workspace};
use promptctl::run::Prepared;
use promptctl::tree::{Tree, TreeError};

struct Memory(BTreeMap<&'static str, Vec<u8>>);

impl Tree for Memory {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let paths = self.0.keys().filter_map(|path| TreePath::new(path).ok());
        Ok(paths.filter(|path| path.below(folder.as_str()).is_some()).collect())
    }

    fn read(&self, path: &TreePath, _limit: u64) -> Result<Vec<u8>, TreeError> {
        self.0.get(path.as_str()).cloned().ok_or_else(|| TreeError::Missing(path.clone()))
    }
}

fuzz_target!(|data: &[u8]| {
    let names = ["promptctl.yaml", "prompts/p.j2", "fixtures/p/cases.yaml", "fixtures/p/rows.csv"];
    let parts = data.splitn(names.len(), |byte| *byte == 0).map(<[u8]>::to_vec);
    let tree = Memory(names.into_iter().zip(parts).collect());
    let mut problems = Problems::default();
    let Some(workspace) = Workspace::load(Arc::new(tree), &mut problems) else { return };
    let prepared = Prepared::new(workspace, &mut problems);
    let all: Vec<usize> = (0..prepared.workspace.cases.list.len()).collect();
    if !problems.has_errors() {
        let _ = prepared.check_values(&all);
        let _ = prepared.plan(&all, &Overrides::default());
    }
});
