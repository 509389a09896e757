//! What a proof says. Pure.

use aegis_control_api::{ClassStatus, Posture};

/// What is wrong with the classes; none if each is what it was meant to be.
pub(crate) fn wrong(classes: &[ClassStatus]) -> Option<String> {
    let degraded = classes.iter().filter(|class| class.posture == Posture::Degraded);
    let told =
        degraded.map(|class| format!("{}: {}", class.class, class.why.as_deref().unwrap_or("not proven")));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_degraded_is_wrong() {
        let class = |class: &str, posture, why: Option<&str>| ClassStatus {
            class: class.to_owned(),
            posture,
            why: why.map(str::to_owned),
            proven_at_ns: None,
        };
        let file = class("file", Posture::Enforce, None);
        assert_eq!(wrong(&[file.clone(), class("exec", Posture::Off, None)]), None);
        let exec = class("exec", Posture::Degraded, Some("gone"));
        assert_eq!(wrong(&[file, exec]).as_deref(), Some("exec: gone"));
    }
}
