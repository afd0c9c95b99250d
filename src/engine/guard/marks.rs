//! Marks on letters, such as accents. Before texts are normalised the marks behind one letter are
//! put in order, which QuickJS does by moving each over those before it: time goes with the square
//! of how many there are ([UAX #15 §3.11]).

use icu_properties::CodePointMapData;
use icu_properties::props::CanonicalCombiningClass;

/// A text so short, in units, isn't looked at: whatever it holds is in order within milliseconds.
pub(super) const FEW: i64 = 1024;

/// The most that is tried, as the sum of the squares of how many marks each letter has. Writing has
/// no more than a handful on one.
const SQUARES: u64 = 4_000_000;

/// Characters that aren't marks by their class, and of which two come into being all the same.
const DOUBLE: [char; 3] = ['\u{f73}', '\u{f75}', '\u{f81}'];

/// Whether it takes long to put the marks of a text in order.
pub(super) fn are_many(text: &str) -> bool {
    let classes = CodePointMapData::<CanonicalCombiningClass>::new();
    let (mut squares, mut run) = (0_u64, 0_u64);
    for character in text.chars() {
        let class = classes.get(character);
        run = if DOUBLE.contains(&character) {
            run + 2
        } else if class != CanonicalCombiningClass::NotReordered {
            run + 1
        } else {
            squares += run * run;
            0
        };
    }
    squares + run * run > SQUARES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_has_few_marks_and_a_heap_of_them_many() {
        for (text, many) in [
            ("x".repeat(1_000_000), false),
            ("e\u{301}\u{323}".repeat(500_000), false),
            ("각ก็漢".repeat(300_000), false),
            (format!("a{}", "\u{301}\u{323}".repeat(1000)), false),
            (format!("a{}", "\u{301}\u{323}".repeat(1001)), true),
            (format!("a{}b", "\u{f73}".repeat(1001)), true),
            (format!("a{}", "\u{344}".repeat(2001)), true),
        ] {
            let start: String = text.chars().take(4).collect();
            assert_eq!(are_many(&text), many, "{start}");
        }
    }
}
