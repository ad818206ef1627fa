//! The nearest known word to an unknown one, for error messages.

/// `did you mean "x"?` where one is near, else `known: a, b, c`; empty where nothing is known.
pub(super) fn hint(unknown: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(unknown, known) {
        return format!("did you mean \"{near}\"?");
    }
    if known.is_empty() {
        return String::new();
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    known.dedup();
    format!("known: {}", known.join(", "))
}

/// The known word with the fewest edits, if those are at most a third of its letters (at least 1).
fn nearest<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    let unknown: Vec<char> = unknown.to_lowercase().chars().take(LONGEST).collect();
    known
        .iter()
        .map(|word| (edits(&unknown, word), *word))
        .filter(|(edits, word)| *edits <= (word.len() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// Longer words are compared by their beginning, so that the cost stays bounded.
const LONGEST: usize = 64;

/// Single letters to add, drop, change or swap with the next one to come from `a` to `b`
/// (restricted Damerau-Levenshtein distance).
fn edits(a: &[char], b: &str) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=a.len()).collect();
    let mut last = None;
    for (row, letter) in b.chars().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        let mut left = row + 1;
        for (column, &other) in a.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let changed = at(&above, column).saturating_add(usize::from(other != letter));
            let mut best = changed
                .min(at(&above, column + 1).saturating_add(1))
                .min(left + 1);
            if column > 0 && last == Some(other) && a.get(column - 1) == Some(&letter) {
                best = best.min(at(&before, column - 1).saturating_add(1));
            }
            current.push(best);
            left = best;
        }
        before = std::mem::replace(&mut above, current);
        last = Some(letter);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &str, b: &str) -> usize {
        edits(&a.chars().collect::<Vec<_>>(), b)
    }

    #[test]
    fn edits_count_letters_added_dropped_changed_and_swapped() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("host", "host"), 0);
        assert_eq!(distance("hots", "host"), 1);
        assert_eq!(distance("hst", "host"), 1);
        assert_eq!(distance("hoost", "host"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_near_word_is_offered_and_a_far_one_gets_the_list() {
        let known = ["public_url", "state_dir", "workers"];
        assert_eq!(hint("public_ulr", &known), "did you mean \"public_url\"?");
        assert_eq!(hint("Workers", &known), "did you mean \"workers\"?");
        assert_eq!(
            hint("colour", &known),
            "known: public_url, state_dir, workers"
        );
        assert_eq!(hint("x", &[]), "");
    }

    proptest::proptest! {
        #[test]
        fn the_distance_is_symmetric_and_bounded(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            let edits = distance(&a, &b);
            proptest::prop_assert_eq!(edits, distance(&b, &a));
            proptest::prop_assert!(edits <= a.len().max(b.len()));
            proptest::prop_assert_eq!(edits == 0, a == b);
        }
    }
}
