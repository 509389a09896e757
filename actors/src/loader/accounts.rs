//! The accounts in the words of the API, and what does not add up in them.

use super::{LoadError, step};
use aegis_control_api::{API_VERSION, AccountsReply, CpuAccount, GapCount, RuleHits};
use aegis_kernel_abi::{Counters, Delivered, GapReason};
use aegis_probes::{Accounts, Generations};

/// What is known of one CPU.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    taken: u64,
    delivered: Delivered,
    counters: Counters,
}

/// Tries before what the reader writes down counts as inconsistent: it may be writing.
const TRIES: usize = 100;

/// Reads the accounts. They move meanwhile; they are read from the last step to the first, so that no step seems to
/// have more than the one before it.
pub(super) fn read(
    accounts: &Accounts,
    generations: &Generations,
    malformed: Option<u64>,
) -> Result<AccountsReply, LoadError> {
    let failed = || step("read the accounts");
    let reply = sums(accounts, malformed)?;
    let generation = generations.active().generation;
    let rules = generations.rule_ids(generation).map_err(failed())?;
    let hits = generations.hits(generation).map_err(failed())?;
    let hits =
        (0..).zip(rules).zip(hits).map(|((number, rule), hits)| RuleHits { number, rule, hits }).collect();
    Ok(AccountsReply { generation, hits, ..reply })
}

/// The same without what belongs to single rules, of which there may be many.
pub(super) fn sums(accounts: &Accounts, malformed: Option<u64>) -> Result<AccountsReply, LoadError> {
    let ledger = accounts.ledger();
    let marks: Vec<_> =
        (0..accounts.cpus()).map(|cpu| (settled(accounts, cpu), accounts.taken(cpu))).collect();
    let counters = accounts.counters().map_err(step("read the accounts"))?;
    let found: Vec<Found> = marks
        .into_iter()
        .zip(counters)
        .map(|((delivered, taken), counters)| Found { taken, delivered, counters })
        .collect();
    let mut reply = add_up(&found, ledger.summarised);
    reply.events_per_second = ledger.events_per_second;
    reply.malformed = malformed;
    Ok(reply)
}

fn settled(accounts: &Accounts, cpu: u32) -> Delivered {
    let mut delivered = accounts.delivered(cpu);
    for _ in 0..TRIES {
        if delivered.upto == delivered.events + delivered.gaps.iter().sum::<u64>() {
            break;
        }
        delivered = accounts.delivered(cpu);
    }
    delivered
}

/// Pure: the sums.
fn add_up(found: &[Found], summarised: u64) -> AccountsReply {
    let cpus: Vec<CpuAccount> = (0..).zip(found).map(|(cpu, found)| account(cpu, found)).collect();
    let mut total = CpuAccount { gaps: gaps(&Delivered::default()), ..CpuAccount::default() };
    cpus.iter().for_each(|cpu| add(&mut total, cpu));
    let mut wrong: Vec<String> = cpus.iter().flat_map(faults).collect();
    if summarised > total.suppressed {
        wrong.push(format!("{summarised} were summarised and {} suppressed", total.suppressed));
    }
    AccountsReply {
        version: API_VERSION,
        unsummarised: total.suppressed.saturating_sub(summarised),
        cpus,
        total,
        summarised,
        events_per_second: 0,
        malformed: None,
        generation: 0,
        hits: Vec::new(),
        wrong,
    }
}

fn account(cpu: u32, found: &Found) -> CpuAccount {
    let Found { taken, delivered, counters } = found;
    let fates = counters.submitted.saturating_add(counters.suppressed).saturating_add(counters.dropped);
    let known = delivered.gaps.iter().fold(delivered.events, |sum, gap| sum.saturating_add(*gap));
    let mut account = CpuAccount {
        cpu: Some(cpu),
        reported: counters.reported,
        submitted: counters.submitted,
        suppressed: counters.suppressed,
        dropped: counters.dropped,
        deciding: counters.reported.saturating_sub(fates),
        sequence: counters.sequence,
        taken: *taken,
        upto: delivered.upto,
        delivered: delivered.events,
        late: delivered.late,
        gaps: gaps(delivered),
        in_daemon: taken.saturating_sub(delivered.upto),
        in_ring: counters.sequence.saturating_sub(delivered.upto.max(*taken)),
        balance: [0; 2],
    };
    let parts = known.saturating_add(account.in_daemon).saturating_add(account.in_ring);
    account.balance = [
        difference(counters.reported, fates.saturating_add(account.deciding)),
        difference(counters.sequence, parts),
    ];
    account
}

fn gaps(delivered: &Delivered) -> Vec<GapCount> {
    let count =
        |(reason, count): (&GapReason, &u64)| GapCount { reason: reason.word().to_owned(), count: *count };
    GapReason::ALL.iter().zip(&delivered.gaps).map(count).collect()
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX)
}

fn faults(cpu: &CpuAccount) -> Vec<String> {
    let name = cpu.cpu.unwrap_or_default();
    let mut faults = Vec::new();
    let [fates, numbers] = cpu.balance;
    if fates != 0 {
        faults
            .push(format!("cpu {name}: {} more were submitted, suppressed or dropped than reported", -fates));
    }
    if numbers != 0 {
        faults.push(format!(
            "cpu {name}: of the numbers up to {}, {numbers} are neither delivered nor in a gap nor on their way",
            cpu.sequence
        ));
    }
    faults
}

fn add(total: &mut CpuAccount, one: &CpuAccount) {
    let pairs = [
        (&mut total.reported, one.reported),
        (&mut total.submitted, one.submitted),
        (&mut total.suppressed, one.suppressed),
        (&mut total.dropped, one.dropped),
        (&mut total.deciding, one.deciding),
        (&mut total.sequence, one.sequence),
        (&mut total.taken, one.taken),
        (&mut total.upto, one.upto),
        (&mut total.delivered, one.delivered),
        (&mut total.late, one.late),
        (&mut total.in_daemon, one.in_daemon),
        (&mut total.in_ring, one.in_ring),
    ];
    pairs.into_iter().for_each(|(sum, part)| *sum = sum.saturating_add(part));
    total
        .gaps
        .iter_mut()
        .zip(&one.gaps)
        .for_each(|(sum, part)| sum.count = sum.count.saturating_add(part.count));
    total.balance.iter_mut().zip(one.balance).for_each(|(sum, part)| *sum = sum.saturating_add(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            taken: 90,
            delivered: Delivered { upto: 80, events: 70, late: 3, gaps: [6, 4, 0, 0, 0, 0] },
            counters: Counters {
                reported: 150,
                submitted: 88,
                suppressed: 45,
                dropped: 12,
                sequence: 100,
                ..Counters::default()
            },
        }
    }

    fn check(change: impl FnOnce(&mut Found), wrong: &[&str]) -> AccountsReply {
        let mut changed = found();
        change(&mut changed);
        let reply = add_up(&[found(), changed], 60);
        assert_eq!(reply.wrong, wrong);
        reply
    }

    #[test]
    fn what_adds_up_is_right() {
        let reply = check(|_| {}, &[]);
        let total = &reply.total;
        assert_eq!((total.deciding, total.in_daemon, total.in_ring, total.balance), (10, 20, 20, [0, 0]));
        assert_eq!((total.gaps[0].count, total.gaps[1].count), (12, 8));
        assert_eq!((reply.summarised, reply.unsummarised), (60, 30));
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        check(
            |found| found.counters.dropped = 20,
            &["cpu 1: 3 more were submitted, suppressed or dropped than reported"],
        );
        let lost = "cpu 1: of the numbers up to 100, 2 are neither delivered nor in a gap nor on their way";
        check(|found| found.delivered.events = 68, &[lost]);
        let twice = "cpu 1: of the numbers up to 79, -11 are neither delivered nor in a gap nor on their way";
        check(|found| (found.counters.sequence, found.counters.suppressed) = (79, 45), &[twice]);
        check(|found| found.counters.suppressed = 0, &["60 were summarised and 45 suppressed"]);
    }
}
