//! Compiles the node-to-node protocol without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../../proto";
    let file = "../../../proto/muster/link/v1/link.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], [root])?;
    tonic_prost_build::configure()
        .bytes(".muster.link.v1.Frame.body")
        .compile_fds(descriptors)?;
    Ok(())
}
