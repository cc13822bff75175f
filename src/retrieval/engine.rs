//! What ranks by words: the engine that is built in, or tantivy in builds that have it.

use super::lexical::Lexical;
use crate::project::Engine;

/// An index of words.
pub(super) enum Words {
    BuiltIn(Lexical),
    #[cfg(feature = "search")]
    Tantivy(super::tantivy::Tantivy),
}

impl Words {
    /// The index of these texts. `Err` says why there is none.
    pub(super) fn new(engine: Engine, texts: &[String]) -> Result<Self, String> {
        match engine {
            Engine::Bm25 => Ok(Self::BuiltIn(Lexical::new(texts))),
            #[cfg(feature = "search")]
            Engine::Tantivy => super::tantivy::Tantivy::new(texts).map(Self::Tantivy),
            #[cfg(not(feature = "search"))]
            Engine::Tantivy => Err("this promptctl has no tantivy; build it with `cargo install promptctl --features \
                                    search`, or leave out `engine:`"
                .to_owned()),
        }
    }

    /// The score of each text that has a word of the query.
    pub(super) fn scores(&self, query: &str) -> Vec<(usize, f64)> {
        match self {
            Self::BuiltIn(index) => index.scores(query),
            #[cfg(feature = "search")]
            Self::Tantivy(index) => index.scores(query),
        }
    }
}
