//! What somebody probably meant.

/// The candidate that is most like `word`, when one is like it enough to be a slip.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = fold(word);
    let slips_max = (wanted.chars().count() / 3).clamp(1, 3);
    let distances =
        candidates.into_iter().map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate));
    distances
        .filter(|&(distance, _)| distance <= slips_max)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, found)| found)
}

/// Case and separators are what people slip on most.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).take(64).collect()
}

/// A list as one says it: "`a`, `b` or `c`".
pub fn any_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["startTime", "timeout", "method", "query"];
        for (word, want) in [
            ("start_time", Some("startTime")),
            ("Timeuot", Some("timeout")),
            ("metod", Some("method")),
            ("rollout", None),
            ("q", None),
        ] {
            assert_eq!(nearest(word, keys), want, "{word}");
        }
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(any_of(&["a"]), "`a`");
        assert_eq!(any_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
