//! How long a restart waits.

use crate::spec::Backoff;
use std::time::Duration;

/// Numbers that look random and are the same for the same seed. Only for jitter.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number: SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// The wait before a restart that follows `earlier` others.
pub(super) fn wait(backoff: &Backoff, earlier: u32, random: &mut Random) -> Duration {
    let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
    let whole = backoff.first.saturating_mul(factor).min(backoff.limit);
    let most = whole.saturating_mul(backoff.jitter.into()) / 100;
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    // The division's remainder makes small numbers likelier by less than one in 2^64 / nanos.
    let off = nanos.checked_add(1).map_or(0, |range| random.next() % range);
    whole.saturating_sub(Duration::from_nanos(off))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_doubles_up_to_its_limit() {
        let backoff = Backoff { first: SECOND, limit: 10 * SECOND, jitter: 0 };
        let waits = [0, 1, 2, 3, 4, 31, 32, 1000].map(|earlier| wait(&backoff, earlier, &mut Random::new(1)));
        assert_eq!(waits.map(|wait| wait.as_secs()), [1, 2, 4, 8, 10, 10, 10, 10]);
        assert_eq!(wait(&Backoff::default(), 7, &mut Random::new(1)), Duration::ZERO);
    }

    #[test]
    fn jitter_takes_off_its_part_and_no_more() {
        let backoff = Backoff { first: SECOND, limit: SECOND, jitter: 25 };
        let mut random = Random::new(7);
        let waits: Vec<_> = (0..1000).map(|_| wait(&backoff, 0, &mut random)).collect();
        assert!(waits.iter().all(|wait| (SECOND * 3 / 4..=SECOND).contains(wait)));
        assert!(
            waits.iter().any(|wait| *wait < SECOND * 4 / 5)
                && waits.iter().any(|wait| *wait > SECOND * 19 / 20)
        );
        let again = Random::new(7);
        assert_eq!(waits[0], wait(&backoff, 0, &mut again.clone()), "the same seed, the same waits");
    }

    #[test]
    fn the_numbers_are_those_of_split_mix() {
        let mut random = Random::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| random.next()), expected);
    }
}
