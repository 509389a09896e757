//! Random changes, for where no fuzzer sees which code an input reaches.

use fastrand::Rng;

/// A sequence of inputs that a number repeats.
#[derive(Debug)]
pub struct Changes {
    random: Rng,
    seeds: Vec<Vec<u8>>,
    words: Vec<String>,
}

/// Longer inputs are cut.
const LONGEST: usize = 4096;
/// So many changes are made to a seed at most.
const MOST: usize = 6;

impl Changes {
    /// Inputs that are made of these, which are not empty.
    #[must_use]
    pub fn new(seeds: Vec<Vec<u8>>, number: u64) -> Self {
        Self { random: Rng::with_seed(number), seeds, words: crate::words() }
    }

    /// The next one. It is UTF-8 if all seeds are.
    pub fn another(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..=self.random.usize(..MOST) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        String::from_utf8_lossy(&input).into_owned().into_bytes()
    }

    fn seed(&mut self) -> Vec<u8> {
        self.random.choice(&self.seeds).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (one, other) = (self.random.usize(..=input.len()), self.random.usize(..=input.len()));
        let few = (one + self.random.usize(..8)).min(input.len());
        match self.random.u8(..8) {
            0 => drop(input.drain(one..few)),
            1 => drop(input.drain(one.min(other)..one.max(other))),
            2 => {
                let copy = input.get(one.min(other)..one.max(other)).unwrap_or_default().to_vec();
                input.splice(one..one, copy);
            }
            3 | 4 => {
                let word = self.random.choice(&self.words).cloned().unwrap_or_default();
                input.splice(one..few, word.into_bytes());
            }
            5 => {
                let seed = self.seed();
                let from = self.random.usize(..=seed.len());
                input.splice(one.., seed.get(from..).unwrap_or_default().to_vec());
            }
            6 => {
                let number = self.random.u64(..).to_string();
                input.splice(one..few, number.bytes().take(self.random.usize(1..20)));
            }
            _ => {
                if let Some(byte) = input.get_mut(one) {
                    *byte = self.random.u8(..0x80);
                }
            }
        }
    }
}
