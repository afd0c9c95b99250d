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

#[cfg(test)]
mod tests {
    use super::{may_be_whole, read};

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
