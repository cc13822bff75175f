//! Paths below a project's root: relative, normalised, `/` between the parts, never above the root.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A path below the project's root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TreePath(Arc<str>);

impl TreePath {
    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self("".into())
    }

    /// A path from the root; `Err` says why it is none.
    pub fn new(path: &str) -> Result<Self, String> {
        Self::root().join(path)
    }

    /// `path` as seen from this folder. `..` is followed but never above the root.
    pub fn join(&self, path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Err("the path is empty".into());
        }
        if path.contains('\0') {
            return Err("the path holds a NUL character".into());
        }
        if path.contains('\\') {
            return Err(format!("the path `{path}` holds `\\`; write `/` between folders"));
        }
        let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
        if path.starts_with('/') || path.starts_with('~') || drive {
            return Err(format!("the path `{path}` is absolute; only files of the project can be read"));
        }
        let mut parts: Vec<&str> = self.0.split('/').filter(|p| !p.is_empty()).collect();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(format!("the path `{path}` leaves the project"));
                    }
                }
                _ => parts.push(part),
            }
        }
        Ok(Self(parts.join("/").into()))
    }

    /// The folder that holds this path.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).into())
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path as text, without a leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind `folder/`, if this path is below that folder.
    #[must_use]
    pub fn below(&self, folder: &str) -> Option<&str> {
        self.0.strip_prefix(folder)?.strip_prefix('/')
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_followed_but_not_above_the_root() {
        let folder = TreePath::new("fixtures/support").expect("valid");
        assert_eq!(folder.join("../shared/a.md").expect("inside").as_str(), "fixtures/shared/a.md");
        assert_eq!(folder.join("./a//b.md").expect("inside").as_str(), "fixtures/support/a/b.md");
        for bad in ["../../../etc/passwd", "/etc/passwd", "~/x", "C:/x", "a\\b", "", "a\0b"] {
            assert!(folder.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        let path = TreePath::new("a/b/c.j2").expect("valid");
        assert_eq!((path.parent().as_str(), path.file_name()), ("a/b", "c.j2"));
        assert_eq!(path.below("a"), Some("b/c.j2"));
        assert_eq!(path.below("a/b/c"), None);
    }
}
