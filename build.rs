//! Packs the JSON Schemas, which `promptctl schema` prints: half a megabyte of text is thirty thousand bytes in the binary.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;

const SCHEMAS: &str = "docs/schema";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SCHEMAS}");
    let out = env::var("OUT_DIR")?;
    for entry in fs::read_dir(SCHEMAS)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let packed = File::create(Path::new(&out).join(format!("{name}.deflate")))?;
        let mut encoder = DeflateEncoder::new(packed, Compression::best());
        // What a checkout on Windows makes of line ends is no part of a schema.
        let text = fs::read_to_string(&path)?.replace("\r\n", "\n");
        std::io::Write::write_all(&mut encoder, text.as_bytes())?;
        encoder.finish()?;
    }
    Ok(())
}
