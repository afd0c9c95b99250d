//! Numbers: how their spelling reads as a double.

/// A whole number of so many digits is the same as a double and in decimal, so JavaScript spells it
/// as JSON does.
pub(super) const EXACT_DIGITS: usize = 15;

/// The double that a JSON number reads as, the nearest one; `1e400` is infinite, as `JSON.parse`
/// has it.
pub(super) fn read(spelling: &[u8]) -> f64 {
    let (sign, digits) = match spelling {
        [b'-', digits @ ..] => (-1.0, digits),
        digits => (1.0, digits),
    };
    if digits.len() <= EXACT_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        let whole = digits
            .iter()
            .fold(0_u64, |whole, digit| whole * 10 + u64::from(digit - b'0'));
        #[allow(clippy::cast_precision_loss)] // fifteen digits fit into the 53 bits of a double
        return sign * whole as f64;
    }
    std::str::from_utf8(spelling)
        .ok()
        .and_then(|spelling| spelling.parse().ok())
        .expect("the scan has found a JSON number here, and Rust reads every one")
}

/// Whether a spelling with a fraction or an exponent could be that of a whole number.
///
/// Never false for one that is; cheaper than reading it.
pub(super) fn may_be_whole(spelling: &[u8]) -> bool {
    if spelling.iter().any(|b| matches!(b, b'e' | b'E')) {
        return true;
    }
    match spelling.iter().position(|&b| b == b'.') {
        // With this many digits the fraction may lie beyond a double's precision.
        Some(point) => {
            point >= EXACT_DIGITS
                || spelling[point + 1..].iter().all(|&b| b == b'0')
                || spelling.len() > EXACT_DIGITS
        }
        None => true,
    }
}

/// The most significant digits of which any number can be told from any other by its double, unless
/// it is beyond them or next to zero.
const TOLD_APART: usize = 15;

/// The exponents, either way, within which that is so.
const USUAL_EXPONENT: i64 = 290;

/// Whether another number may read as the same double.
///
/// Never false for one that does; of two that read alike at least one has more digits than a double
/// keeps, or is beyond the doubles.
pub(super) fn may_be_rounded(spelling: &[u8]) -> bool {
    let decimal = Decimal::of(spelling);
    decimal.digits().nth(TOLD_APART).is_some() || decimal.exponent.abs() > USUAL_EXPONENT
}

/// Whether two spellings are of one number, to the last digit.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let (one, other) = (Decimal::of(one), Decimal::of(other));
    one.is_negative == other.is_negative
        && one.exponent == other.exponent
        && one.exponent.abs() < FAR
        && one.digits().eq(other.digits())
}

/// An exponent that is not read any further: what is beyond it is the same number only where it is
/// spelled alike.
const FAR: i64 = i64::MAX / 4;

/// A number as `0.DIGITS` times a power of ten. Zero has no digits.
struct Decimal<'s> {
    is_negative: bool,
    /// From the first digit that is not zero to the last one, with the point among them.
    significant: &'s [u8],
    exponent: i64,
}

impl<'s> Decimal<'s> {
    fn of(spelling: &'s [u8]) -> Self {
        let is_negative = spelling.first() == Some(&b'-');
        let unsigned = &spelling[usize::from(is_negative)..];
        let end = unsigned.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, written) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let is_digit = |b: &u8| matches!(b, b'1'..=b'9');
        let (Some(first), Some(last)) = (
            mantissa.iter().position(is_digit),
            mantissa.iter().rposition(is_digit),
        ) else {
            return Self {
                is_negative,
                significant: &[],
                exponent: 0,
            };
        };
        let point = mantissa.iter().position(|&b| b == b'.');
        let point = offset(point.unwrap_or(mantissa.len()));
        let first_at = offset(first);
        // Before the point places count from it to the left; behind it the point itself is no place.
        let shift = if first_at < point {
            point - first_at
        } else {
            point + 1 - first_at
        };
        Self {
            is_negative,
            significant: &mantissa[first..=last],
            exponent: shift + exponent(written),
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'s> {
        self.significant.iter().copied().filter(|&b| b != b'.')
    }
}

fn offset(at: usize) -> i64 {
    i64::try_from(at).expect("a text is shorter than 2^63 bytes")
}

/// What stands from the `e` on, as far as [`FAR`]; 0 where there is none.
fn exponent(written: &[u8]) -> i64 {
    let (is_negative, digits) = match written {
        [] => return 0,
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] | [_, digits @ ..] => (false, digits),
    };
    let value = digits.iter().fold(0_i64, |value, digit| {
        if value >= FAR / 10 {
            2 * FAR
        } else {
            value * 10 + i64::from(digit - b'0')
        }
    });
    if is_negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::{is_same, may_be_rounded, may_be_whole, read};

    #[test]
    fn numbers_are_the_same_to_the_last_digit_or_not() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1E+2"),
            ("100", "0.1e3"),
            ("0.01", "1e-2"),
            ("0.010", "10e-3"),
            ("0", "0.00"),
            ("0", "0e9999999999999999999999"),
            ("-5", "-50e-1"),
            ("9007199254740993", "900719925474099.3e1"),
            ("1e400", "10e399"),
            ("123.456", "0.00123456e5"),
        ] {
            assert!(is_same(one.as_bytes(), other.as_bytes()), "{one} {other}");
            assert!(is_same(other.as_bytes(), one.as_bytes()), "{other} {one}");
        }
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000001"),
            ("1e400", "1e401"),
            ("1", "-1"),
            ("12", "1.2"),
            ("1e99999999999999999999999", "1e99999999999999999999998"),
            ("0", "1e-400"),
            ("100", "1000"),
        ] {
            assert!(!is_same(one.as_bytes(), other.as_bytes()), "{one} {other}");
        }
    }

    #[test]
    fn two_numbers_that_read_alike_are_never_both_taken_for_exact() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.1000000000000000055"),
            ("1e400", "1e500"),
            ("0", "1e-400"),
            ("5e-324", "4e-324"),
            ("12345678901234567890", "12345678901234567891"),
        ] {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            assert_eq!(read(one).to_bits(), read(other).to_bits());
            assert!(may_be_rounded(one) || may_be_rounded(other));
        }
        for exact in ["1", "1.10", "-0.5", "100", "1e2", "123456789012345"] {
            assert!(!may_be_rounded(exact.as_bytes()), "{exact}");
        }
    }

    #[test]
    fn numbers_read_as_the_nearest_double() {
        for spelling in [
            "0",
            "-1",
            "10",
            "999999999999999",
            "1234567890123456",
            "9007199254740993",
            "1.10",
            "-0.5",
            "1e3",
            "1E+2",
            "5e-324",
            "1e-400",
            "0.1",
            "123456789012345678901234567890",
        ] {
            let expected: f64 = spelling.parse().expect("a number that Rust reads");
            assert_eq!(
                read(spelling.as_bytes()).to_bits(),
                expected.to_bits(),
                "{spelling}"
            );
        }
    }

    #[test]
    fn a_minus_before_zero_is_kept() {
        assert!(read(b"-0").is_sign_negative());
        assert!(read(b"-0.0").is_sign_negative());
        assert!(read(b"0").is_sign_positive());
    }

    #[test]
    fn a_number_beyond_the_doubles_is_infinite() {
        assert!(read(b"1e400").is_infinite());
    }

    #[test]
    fn only_spellings_that_cannot_be_whole_are_ruled_out() {
        for whole in [
            "1.0",
            "1.000",
            "1e2",
            "15e-1",
            "12345678901234567",
            "4503599627370496.0001",
        ] {
            assert!(may_be_whole(whole.as_bytes()), "{whole}");
        }
        for fraction in ["1.5", "12.50", "-0.25"] {
            assert!(!may_be_whole(fraction.as_bytes()), "{fraction}");
        }
    }
}
