//! Dates as people write those of their birth.

/// A date in figures or with the month in words; its length.
pub(super) fn date(text: &[u8]) -> Option<usize> {
    let separator =
        |at: usize| text.get(at).copied().filter(|byte| matches!(byte, b'-' | b'/' | b'.' | b' '));
    let Some((end, first, width)) = number(text, 0) else {
        return month_first(text);
    };
    if width == 8 {
        let plausible = |year: u32| (1900..=2030).contains(&year);
        return (plausible(first / 10_000) || plausible(first % 10_000)).then_some(end);
    }
    if width == 4 && !matches!(separator(end), Some(b'-' | b'/' | b'.')) {
        return None;
    }
    let end = if text
        .get(end..end + 2)
        .is_some_and(|two| matches!(two, b"th" | b"st" | b"nd" | b"rd" | b". "))
    {
        end + 2
    } else {
        end
    };
    let next = if separator(end).is_some() {
        end + 1
    } else if end > 0 && text[end - 1] == b' ' {
        end
    } else {
        return None;
    };
    if let Some((end, second, _)) = number(text, next) {
        separator(end)?;
        let (end, third, last) = number(text, end + 1)?;
        let (year, rest) = if width == 4 { (first, third) } else { (third, first) };
        let plausible = (1900..=2030).contains(&year) || last == 2 && width < 3;
        return (plausible && (1..=31).contains(&second) && (1..=31).contains(&rest))
            .then_some(end);
    }
    let next = if text[next..].starts_with(b"de ") { next + 3 } else { next };
    let end = next + letters(text, next)?;
    separator(end)?;
    let end = if text[end + 1..].starts_with(b"de ") { end + 3 } else { end };
    let (end, year, width) = number(text, end + 1)?;
    (width == 4 && (1900..=2030).contains(&year)).then_some(end)
}

/// `January 5, 1990`.
fn month_first(text: &[u8]) -> Option<usize> {
    let end = letters(text, 0)?;
    let (end, day, width) = number(text, end + 1)?;
    let mut end = end;
    while text
        .get(end)
        .is_some_and(|byte| matches!(byte, b',' | b' ' | b't' | b'h' | b's' | b'n' | b'd' | b'r'))
    {
        end += 1;
    }
    let (end, year, last) = number(text, end)?;
    (width <= 2 && day <= 31 && last == 4 && (1900..=2030).contains(&year)).then_some(end)
}

fn number(text: &[u8], at: usize) -> Option<(usize, u32, usize)> {
    let digits = text.get(at..)?.iter().take(8).take_while(|byte| byte.is_ascii_digit());
    let (count, value) = digits
        .fold((0, 0u32), |(count, sum), digit| (count + 1, sum * 10 + u32::from(digit - b'0')));
    (count > 0).then_some((at + count, value, count))
}

/// The letters of a month there.
fn letters(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?.iter().take(12);
    let count = rest.take_while(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80).count();
    (count >= 3).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for text in [
            "1990-01-05",
            "05/01/1990",
            "5.1.1990",
            "1990/01/05",
            "05 01 1990",
            "5 January 1990",
            "January 5, 1990",
            "Jan 5th 1990",
            "19900105",
            "5. Mai 1990",
            "5 de mayo de 1990",
            "05-Jan-1990",
            "1/5/90",
        ] {
            assert_eq!(date(text.as_bytes()), Some(text.len()), "{text}");
        }
        for text in
            ["", "12", "1234", "99/99/1990", "1850-01-01", "the 5th", "10.0.0.1", "12345678"]
        {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }
}
