//! Variables that hold keys: those of the environment, and those of a `.env` file at the project's root, which never
//! goes over the environment.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::context::variable;
use super::failure::Failure;
use crate::core::problem::{Place, Problem};
use crate::tree::tracked;

const FILE: &str = ".env";

/// The environment of a project.
#[derive(Debug, Default)]
pub(super) struct Environment {
    file: BTreeMap<String, String>,
    /// What a person should know of the file.
    pub(super) warning: Option<Problem>,
}

impl Environment {
    /// Reads the `.env` of a project, where there is one.
    pub(super) fn load(root: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(root.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::usage(format!("{FILE} cannot be read: {error}"))),
        };
        let mut file = BTreeMap::new();
        for entry in dotenvy::from_read_iter(text.as_bytes()) {
            match entry {
                Ok((name, value)) => {
                    file.insert(name, value);
                }
                // The line may hold a key, so only its number is shown.
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let number = text.lines().position(|known| known.trim() == line.trim()).map_or(1, |n| n + 1);
                    let problem = Problem::error(Place::Line(FILE.into(), number), "this line is no `NAME=value`");
                    return Err(problem.help("quote a value that holds spaces or quotes").into());
                }
                Err(error) => return Err(Failure::usage(format!("{FILE} cannot be read: {error}"))),
            }
        }
        let shared = tracked(root, FILE).iter().any(|path| path == FILE);
        let warning = shared.then(|| {
            let problem =
                Problem::warning(Place::File(FILE.into()), "git tracks this file, and with it every key in it");
            problem.help(format!("git rm --cached {FILE}, add it to .gitignore, and revoke the keys"))
        });
        Ok(Self { file, warning })
    }

    /// The value of a variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        variable(name).or_else(|| self.file.get(name).filter(|value| !value.is_empty()).cloned())
    }
}
