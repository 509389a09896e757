//! What the command needs of the kernel side without a daemon: what this host can do, the helper of the self-check,
//! and the names of modes. The command itself knows no probes.

pub use aegis_kernel_abi::Mode;
pub use aegis_probes::{
    Capabilities, HELPER_ARGUMENT, Pinned, RAN_ARGUMENT, TestSettings, capabilities, helper_main,
};
