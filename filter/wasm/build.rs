//! Options of the linker that only the module needs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // All stack frames of the module together take 340 KiB. With half a MiB of stack below them in place of a whole one, the addresses of the
    // module's data are below 2^20, where each takes a byte less in the code.
    println!("cargo::rustc-link-arg=-zstack-size=524288");
}
