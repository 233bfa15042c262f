//! Ranges of numbers as regular expressions, for proxies that cannot compare numbers.

use std::fmt::Write as _;

/// An expression for the numbers `first..=last`, written without leading zeros.
pub(super) fn expression(first: u16, last: u16) -> String {
    let patterns = patterns(u32::from(first), u32::from(last));
    patterns.iter().map(written).collect::<Vec<_>>().join("|")
}

/// For each digit the least and the greatest that may stand there.
type Pattern = Vec<(u32, u32)>;

fn patterns(first: u32, last: u32) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    let mut from = first;
    while from <= last {
        // The longest run of trailing digits that all may be anything, starting at a multiple of its size.
        let mut size = 1;
        while from != 0 && from.is_multiple_of(size * 10) && from + size * 10 - 1 <= last {
            size *= 10;
        }
        // As many such runs as fit, up to the digit's 9 and the number's length.
        let digit = from / size % 10;
        let mut more = 0;
        while digit + more < 9 && from + (more + 2) * size - 1 <= last {
            more += 1;
        }
        let mut pattern: Pattern =
            (from / size).to_string().bytes().map(|b| (u32::from(b - b'0'), u32::from(b - b'0'))).collect();
        if let Some((_, greatest)) = pattern.last_mut() {
            *greatest += more;
        }
        pattern.extend(std::iter::repeat_n((0, 9), size.ilog10() as usize));
        patterns.push(pattern);
        from += (more + 1) * size;
    }
    patterns
}

fn written(pattern: &Pattern) -> String {
    let mut text = String::new();
    let mut digits = pattern.iter().peekable();
    while let Some((least, greatest)) = digits.next() {
        let mut times = 1;
        while digits.next_if(|next| **next == (*least, *greatest) && least != greatest).is_some() {
            times += 1;
        }
        let _ =
            if least == greatest { write!(text, "{least}") } else { write!(text, "[{least}-{greatest}]") };
        if times > 1 {
            let _ = write!(text, "{{{times}}}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_short() {
        assert_eq!(expression(3000, 9999), "[3-9][0-9]{3}");
        assert_eq!(expression(4000, 4000), "4000");
    }

    #[test]
    fn every_number_within_matches_and_none_without() {
        for (first, last) in
            [(3000, 9999), (1, 65_535), (1024, 3000), (4999, 10_001), (9, 11), (8080, 8080), (3306, 5432)]
        {
            let patterns = patterns(first, last);
            for number in 0..=70_000_u32 {
                let text = number.to_string();
                let fits = |pattern: &Pattern| {
                    pattern.len() == text.len()
                        && pattern.iter().zip(text.bytes()).all(|((least, greatest), digit)| {
                            (*least..=*greatest).contains(&u32::from(digit - b'0'))
                        })
                };
                let found = patterns.iter().filter(|pattern| fits(pattern)).count();
                assert_eq!(
                    found,
                    usize::from((first..=last).contains(&number)),
                    "{number} in {first}-{last}"
                );
            }
        }
    }
}
