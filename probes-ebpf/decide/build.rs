//! Compiles the decision function of the probes for the host.

fn main() {
    println!("cargo:rerun-if-changed=../bpf");
    println!("cargo:rerun-if-changed=host.c");
    cc::Build::new().file("host.c").include("../bpf").std("gnu11").warnings(true).compile("aegis_decide");
}
