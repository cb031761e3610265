//! Compresses the API's description: the module carries a sixth of its bytes.

use std::error::Error;
use std::fs::{File, read};
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    const SOURCE: &str = "src/openapi.json";
    println!("cargo::rerun-if-changed={SOURCE}");
    let target = PathBuf::from(std::env::var("OUT_DIR")?).join("openapi.json.gz");
    let mut encoder = GzEncoder::new(File::create(target)?, Compression::best());
    encoder.write_all(&read(SOURCE)?)?;
    encoder.finish()?;
    Ok(())
}
