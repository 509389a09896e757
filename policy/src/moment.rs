//! Dates as days since 1970-01-01, in the Gregorian calendar. Time zones and leap seconds are not known here.

/// Days of the years of a cycle after which the calendar repeats.
const DAYS_OF_400_YEARS: u64 = 146_097;
/// Days between 0000-03-01 and 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;

/// The date of a day: year, month from 1, day from 1. Years begin in March here, so that the day that not all of them
/// have is their last one.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months have 153 days, again and again.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (400 * cycle + year, month + 3);
    if month > 12 { (year + 1, month - 12, day) } else { (year, month, day) }
}

/// The day of a date that exists, from 1970 on.
pub(crate) fn day(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let (cycle, year) = (year / 400, year % 400);
    let days = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 + day.checked_sub(1)?;
    (cycle * DAYS_OF_400_YEARS + days).checked_sub(DAYS_BEFORE_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        let known =
            [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (11_016, (2000, 2, 29)), (20_783, (2026, 11, 26))];
        for (number, date_of) in known {
            assert_eq!(date(number), date_of);
        }
        for number in (0..1_000_000).step_by(13) {
            let (year, month, of_month) = date(number);
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month), "{number}");
            assert_eq!(day(year, month, of_month), Some(number));
        }
        assert_eq!(day(1969, 12, 31), None);
    }
}
