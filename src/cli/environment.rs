//! Variables that hold keys: those of the environment, and those of a `.env` file at the project's root, which never
//! goes over the environment.

use std::collections::BTreeMap;

use super::context::variable;
use super::failure::Failure;
use super::load::Project;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem};
use crate::tree::{TreeError, tracked};

const FILE: &str = ".env";

/// The environment of a project.
#[derive(Debug, Default)]
pub(super) struct Environment {
    file: BTreeMap<String, String>,
    /// What a person should know of the file.
    pub(super) warning: Option<Problem>,
}

impl Environment {
    /// Reads the `.env` of a project, where there is one. As with every file of a project, it may be no link that
    /// leaves it.
    pub(super) fn load(project: &Project) -> Result<Self, Failure> {
        let path = TreePath::new(FILE).map_err(Failure::usage)?;
        let text = match project.working.text(&path) {
            Ok(text) => text,
            Err(TreeError::Missing(_)) => return Ok(Self::default()),
            Err(error) => return Err(error.into_problem().into()),
        };
        let mut file = BTreeMap::new();
        for entry in dotenvy::from_read_iter(inert(&text).as_bytes()) {
            match entry {
                Ok((name, value)) => {
                    file.insert(name, value.replace(DOLLAR, "$"));
                }
                // The line may hold a key, so only its number is shown.
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let line = line.replace(DOLLAR, "$");
                    let number = text.lines().position(|known| known.trim() == line.trim()).map_or(1, |n| n + 1);
                    let problem = Problem::error(Place::Line(FILE.into(), number), "this line is no `NAME=value`");
                    return Err(problem.help("quote a value that holds spaces or quotes").into());
                }
                Err(error) => return Err(Failure::usage(format!("{FILE} cannot be read: {error}"))),
            }
        }
        let shared = tracked(&project.root, FILE).iter().any(|path| path == FILE);
        let warning = shared.then(|| {
            let problem =
                Problem::warning(Place::File(FILE.into()), "git tracks this file, and with it every key in it");
            problem.help(format!("git rm --cached {FILE}, add it to .gitignore, and revoke the keys"))
        });
        Ok(Self { file, warning })
    }

    /// The value of a variable that is set to something. One that the environment sets to nothing is not set.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        if std::env::var_os(name).is_some() {
            return variable(name);
        }
        self.file.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Stands in for a dollar sign, which the parser would take for the name of a variable to put in: whoever writes the file
/// must not get at the environment, and a key may hold one.
const DOLLAR: &str = "\u{F8FF}";

fn inert(text: &str) -> String {
    text.replace("\\$", DOLLAR).replace('$', DOLLAR)
}
