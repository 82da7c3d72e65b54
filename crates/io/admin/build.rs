//! Compiles the admin and presence protocols without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../../proto";
    let files = ["admin", "presence"].map(|name| format!("{root}/muster/{name}/v1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::compile_fds(descriptors)?;
    Ok(())
}
