//! tantivy in memory, over the same words as the engine that is built in.

use std::collections::BTreeSet;

use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value as _};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{Index, IndexReader, TantivyDocument, TantivyError, Term};

use super::lexical::words;

/// How much memory is taken before a segment is written, in bytes.
const MEMORY: usize = 64 << 20;

/// An index.
pub(super) struct Tantivy {
    reader: IndexReader,
    text: Field,
    place: Field,
    count: usize,
}

impl Tantivy {
    /// The index of these texts. `Err` says what tantivy has against them.
    pub(super) fn new(texts: &[String]) -> Result<Self, String> {
        Self::build(texts).map_err(|error| format!("tantivy cannot make an index: {error}"))
    }

    fn build(texts: &[String]) -> Result<Self, TantivyError> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let place = schema.add_u64_field("place", STORED);
        let index = Index::create_in_ram(schema.build());
        // With one thread the segments are the same every time.
        let mut writer = index.writer_with_num_threads(1, MEMORY)?;
        for (number, one) in (0_u64..).zip(texts) {
            let mut document = TantivyDocument::default();
            let tokens = words(one).into_iter().enumerate();
            let tokens = tokens.map(|(position, text)| Token { position, text, ..Token::default() }).collect();
            document.add_pre_tokenized_text(text, PreTokenizedString { text: String::new(), tokens });
            document.add_u64(place, number);
            writer.add_document(document)?;
        }
        writer.commit()?;
        Ok(Self { reader: index.reader()?, text, place, count: texts.len() })
    }

    /// The score of each text that has a word of the query; nothing where tantivy fails.
    pub(super) fn scores(&self, query: &str) -> Vec<(usize, f64)> {
        let wanted: BTreeSet<String> = words(query).into_iter().collect();
        if self.count == 0 || wanted.is_empty() {
            return Vec::new();
        }
        let term = |word: &String| -> (Occur, Box<dyn Query>) {
            let term = Term::from_field_text(self.text, word);
            (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)))
        };
        let query = BooleanQuery::new(wanted.iter().map(term).collect());
        let searcher = self.reader.searcher();
        let found = searcher.search(&query, &TopDocs::with_limit(self.count).order_by_score()).unwrap_or_default();
        let place = |address| {
            let document: TantivyDocument = searcher.doc(address).ok()?;
            usize::try_from(document.get_first(self.place)?.as_u64()?).ok()
        };
        found.into_iter().filter_map(|(score, address)| Some((place(address)?, f64::from(score)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::retrieval::Lexical;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn scores_are_nearly_those_of_the_engine_that_is_built_in(
            texts in prop::collection::vec("([a-d]{1,2} ){0,8}[a-d]", 1..12),
            query in "([a-e]{1,2} ){0,5}",
        ) {
            // tantivy leaves out the factor k₁ + 1, or not, and rounds lengths: who is found is the same.
            let place = |found: Vec<(usize, f64)>| found.into_iter().map(|(place, _)| place).collect::<BTreeSet<_>>();
            let own = Lexical::new(&texts).scores(&query);
            prop_assert_eq!(place(Tantivy::new(&texts).expect("an index").scores(&query)), place(own));
        }
    }
}
