//! Compiles the admin protocol without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../../proto";
    let file = "../../../proto/muster/admin/v1/admin.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], [root])?;
    tonic_prost_build::compile_fds(descriptors)?;
    Ok(())
}
