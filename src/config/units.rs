//! Values with units: `50ms`, `8MiB`.
//!
//! Our own because the crates for it also take months, fractions, sums and bare
//! numbers, where a whole number and one unit can't be misread.

use std::time::Duration;

use super::refusal::Refusal;

/// The longest time that can be set: enough for any time-out, and far from where
/// adding it to an instant would overflow.
const LONGEST: Duration = Duration::from_hours(24);

/// Bytes in a `KiB`.
pub(super) const KIB: u64 = 1024;
/// Bytes in a `MiB`.
pub(super) const MIB: u64 = 1024 * KIB;
/// Bytes in a `GiB`.
pub(super) const GIB: u64 = 1024 * MIB;

/// Reads a time such as `250ms`, in `ms`, `s`, `m` or `h`; at most a day.
pub(super) fn duration(text: &str) -> Result<Duration, Refusal> {
    let no_duration = || Refusal::NoDuration {
        text: text.to_owned(),
    };
    let (number, unit) = split(text).ok_or_else(no_duration)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(no_duration()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| Refusal::TooLong {
            text: text.to_owned(),
        })
}

/// Reads a [`duration`] above nought.
pub(super) fn positive_duration(text: &str) -> Result<Duration, Refusal> {
    let duration = duration(text)?;
    if duration.is_zero() {
        return Err(Refusal::Zero {
            text: text.to_owned(),
        });
    }
    Ok(duration)
}

/// Reads a [`positive_duration`], or `off` for none.
pub(super) fn duration_or_off(text: &str) -> Result<Option<Duration>, Refusal> {
    match text {
        "off" => Ok(None),
        _ => positive_duration(text).map(Some),
    }
}

/// Reads a [`duration`] of a second or more, or `off`.
pub(super) fn long_duration_or_off(text: &str) -> Result<Option<Duration>, Refusal> {
    if text == "off" {
        return Ok(None);
    }
    let duration = duration(text)?;
    if duration < Duration::from_secs(1) {
        return Err(Refusal::TooShort {
            text: text.to_owned(),
        });
    }
    Ok(Some(duration))
}

/// Reads a number of bytes such as `8MiB`, in `B`, `KiB`, `MiB` or `GiB`, from
/// `least` to `most`.
pub(super) fn size(least: u64, most: u64) -> impl Fn(&str) -> Result<usize, Refusal> {
    move |text| {
        let bytes = bytes(text)?;
        usize::try_from(bytes)
            .ok()
            .filter(|_| (least..=most).contains(&bytes))
            .ok_or_else(|| Refusal::SizeOutOfRange {
                text: text.to_owned(),
                least: spelled(least),
                most: spelled(most),
            })
    }
}

/// A number beyond `u64` counts as the largest.
fn bytes(text: &str) -> Result<u64, Refusal> {
    let no_size = || Refusal::NoSize {
        text: text.to_owned(),
    };
    let (number, unit) = split(text).ok_or_else(no_size)?;
    let scale = match unit {
        "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return Err(no_size()),
    };
    Ok(number.saturating_mul(scale))
}

/// Splits `250ms` into 250 and `ms`.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// The number of bytes in the largest unit that divides it.
fn spelled(bytes: u64) -> String {
    [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")]
        .into_iter()
        .find(|(scale, _)| bytes.is_multiple_of(*scale))
        .map_or_else(
            || format!("{bytes}B"),
            |(scale, unit)| format!("{}{unit}", bytes / scale),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_of_time_is_read() {
        for (text, expected) in [
            ("50ms", Duration::from_millis(50)),
            ("2s", Duration::from_secs(2)),
            ("3m", Duration::from_mins(3)),
            ("24h", Duration::from_hours(24)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(duration(text).expect(text), expected);
        }
    }

    #[test]
    fn each_unit_of_size_is_read() {
        for (text, expected) in [
            ("10B", 10),
            ("4KiB", 4096),
            ("8MiB", 8 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(size(1, GIB)(text).expect(text), expected);
        }
    }

    #[test]
    fn anything_but_a_whole_number_and_one_unit_is_no_duration() {
        for text in [
            "", "50", "ms", "fast", "1.5s", "-1s", "+1s", "5 s", "5S", "1m30s", "2d", "٣s",
        ] {
            assert!(
                matches!(duration(text), Err(Refusal::NoDuration { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn anything_but_a_whole_number_and_one_unit_is_no_size() {
        for text in ["", "8", "MiB", "8MB", "8mib", "8 MiB", "0.5GiB"] {
            assert!(
                matches!(size(1, GIB)(text), Err(Refusal::NoSize { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_time_beyond_a_day_is_too_long() {
        for text in ["25h", "86401s", "18446744073709551615h"] {
            assert!(
                matches!(duration(text), Err(Refusal::TooLong { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn nought_is_no_positive_duration() {
        assert!(matches!(
            positive_duration("0ms"),
            Err(Refusal::Zero { .. })
        ));
        assert_eq!(
            positive_duration("1ms").expect("above nought"),
            Duration::from_millis(1)
        );
    }

    #[test]
    fn a_size_out_of_range_is_refused_with_the_range() {
        for text in ["0B", "1023KiB", "18446744073709551615GiB"] {
            let refusal = size(MIB, 2 * GIB)(text).expect_err(text);
            assert_eq!(
                refusal.to_string(),
                format!("\"{text}\" is out of range; write 1MiB to 2GiB")
            );
        }
    }
}
