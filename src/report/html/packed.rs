//! Lines of JSON, packed: what a page holds and unpacks when somebody looks at it.
//!
//! Base64 has no character that means something in HTML, so whatever the lines hold cannot leave its element.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

/// How much a chunk holds before it is closed: little enough to be unpacked while a key is held down.
const CHUNK: usize = 256 * 1024;

/// Lines that are packed as they come.
#[derive(Debug)]
pub(super) struct Lines {
    open: GzEncoder<Vec<u8>>,
    bytes: usize,
    count: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { open: GzEncoder::new(Vec::new(), Compression::default()), bytes: 0, count: 0 }
    }
}

impl Lines {
    /// Adds a value as a line.
    pub(super) fn add(&mut self, value: &impl Serialize) -> io::Result<()> {
        // JSON of this kind has no line feed but the one behind it.
        let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
        line.push(b'\n');
        self.bytes += line.len();
        self.count += 1;
        self.open.write_all(&line)
    }

    /// The packed bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        self.open.finish()
    }
}

/// Lines in chunks, of which each can be unpacked alone.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    closed: Vec<Vec<u8>>,
    open: Lines,
}

impl Chunks {
    /// Adds a value, and says in which chunk and on which line it is.
    pub(super) fn add(&mut self, value: &impl Serialize) -> io::Result<(usize, usize)> {
        let place = (self.closed.len(), self.open.count);
        self.open.add(value)?;
        if self.open.bytes >= CHUNK {
            self.closed.push(std::mem::take(&mut self.open).finish()?);
        }
        Ok(place)
    }

    /// The packed chunks.
    pub(super) fn finish(mut self) -> io::Result<Vec<Vec<u8>>> {
        if self.open.count > 0 {
            self.closed.push(self.open.finish()?);
        }
        Ok(self.closed)
    }
}

/// Writes packed bytes as an element that nobody runs.
pub(super) fn write_element(out: &mut dyn Write, id: &str, packed: &[u8]) -> io::Result<()> {
    writeln!(out, "<script type=\"text/plain\" id=\"{id}\">{}</script>", BASE64_STANDARD.encode(packed))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpack(html: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(html).expect("text");
        let inner = text.split_once('>').and_then(|(_, rest)| rest.split_once('<')).expect("an element").0;
        let packed = BASE64_STANDARD.decode(inner).expect("base64");
        let mut lines = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut lines).expect("gzip");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    proptest! {
        #[test]
        fn lines_come_back_and_never_leave_their_element(
            texts in proptest::collection::vec("(?s)(</script|<!--|\n|\u{2028}|\u{0}|\\\\ud800|.){0,20}", 0..8),
        ) {
            let mut chunks = Chunks::default();
            for (at, text) in texts.iter().enumerate() {
                prop_assert_eq!(chunks.add(text).expect("memory"), (0, at));
            }
            for packed in chunks.finish().expect("memory") {
                let mut html = Vec::new();
                write_element(&mut html, "chunk-0", &packed).expect("memory");
                prop_assert_eq!(html.iter().filter(|byte| **byte == b'<').count(), 2);
                prop_assert_eq!(&unpack(&html), &texts);
            }
        }
    }

    #[test]
    fn a_chunk_ends_where_it_is_large_enough() {
        let mut chunks = Chunks::default();
        let places: Vec<_> = (0..5).map(|_| chunks.add(&"x".repeat(CHUNK / 2)).expect("memory")).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]);
        assert_eq!(chunks.finish().expect("memory").len(), 3);
        assert!(Chunks::default().finish().expect("memory").is_empty());
    }

    #[test]
    fn the_same_lines_are_the_same_bytes() {
        let packed = || {
            let mut lines = Lines::default();
            lines.add(&["a", "b"]).expect("memory");
            lines.finish().expect("memory")
        };
        assert_eq!(packed(), packed());
    }
}
