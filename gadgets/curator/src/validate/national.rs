//! Check digits of the numbers that countries give to people and to firms.

fn value(digit: u8) -> u32 {
    u32::from(digit - b'0')
}

/// The sum of the digits, each times its weight.
fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| value(*digit) * weight).sum()
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

fn all_same(digits: &[u8]) -> bool {
    digits.windows(2).all(|two| two[0] == two[1])
}

/// True if the check digits of any country's number of this length fit.
pub(crate) fn any(digits: &[u8]) -> bool {
    match digits.len() {
        9 => bsn(digits) || tfn(digits) || super::luhn(digits),
        10 => nhs(digits) || personnummer(digits),
        11 => cpf(digits) || pesel(digits) || steuer(digits) || belgian(digits),
        12 => verhoeff(digits) || personnummer(digits),
        13 => ean13(digits),
        14 => cnpj(digits),
        15 => nir(digits),
        _ => false,
    }
}

/// Brazil, persons: two check digits modulo 11.
pub(crate) fn cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: u32 = digits[..count]
            .iter()
            .zip((2..=count as u32 + 1).rev())
            .map(|(d, w)| value(*d) * w)
            .sum();
        sum * 10 % 11 % 10 == value(digits[count])
    };
    digits.len() == 11 && !all_same(digits) && check(9) && check(10)
}

/// Brazil, firms: two check digits modulo 11.
pub(crate) fn cnpj(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let check = |count: usize| {
        let rest = weighted(&digits[..count], &WEIGHTS[13 - count..]) % 11;
        value(digits[count]) == if rest < 2 { 0 } else { 11 - rest }
    };
    digits.len() == 14 && !all_same(digits) && check(12) && check(13)
}

/// Switzerland (756...), and articles of trade: weights 1 and 3 modulo 10.
pub(crate) fn ean13(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1];
    digits.len() == 13 && weighted(digits, &WEIGHTS).is_multiple_of(10)
}

/// Belgium: 97 less the remainder of the first nine by 97, with a 2 before them for who was born since 2000.
pub(crate) fn belgian(digits: &[u8]) -> bool {
    if digits.len() != 11 {
        return false;
    }
    let (first, check) = (number(&digits[..9]), number(&digits[9..]));
    97 - first % 97 == check || 97 - (2_000_000_000 + first) % 97 == check
}

/// France: 97 less the remainder of the first thirteen by 97.
pub(crate) fn nir(digits: &[u8]) -> bool {
    digits.len() == 15
        && matches!(digits[0], b'1' | b'2')
        && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

/// Sweden: a date, and Luhn over the ten digits without the century.
pub(crate) fn personnummer(digits: &[u8]) -> bool {
    let Some(ten) = digits.len().checked_sub(10).map(|from| &digits[from..]) else { return false };
    let (month, day) = (number(&ten[2..4]), number(&ten[4..6]));
    let century = digits.len() == 10 || digits.starts_with(b"19") || digits.starts_with(b"20");
    matches!(digits.len(), 10 | 12)
        && century
        && (1..=12).contains(&month)
        && (1..=91).contains(&day)
        && super::luhn(ten)
}

/// The Netherlands: weights 9 to 2 and -1, modulo 11.
fn bsn(digits: &[u8]) -> bool {
    let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * value(digits[8]);
    sum.is_multiple_of(11)
}

/// Australia: weights modulo 11.
fn tfn(digits: &[u8]) -> bool {
    weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// England's health service: weights 10 to 2, 11 less the remainder.
fn nhs(digits: &[u8]) -> bool {
    let check = 11 - weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check != 10 && check % 11 == value(digits[9])
}

/// Poland: weights modulo 10.
fn pesel(digits: &[u8]) -> bool {
    (weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1])).is_multiple_of(10)
}

/// Germany's tax number: ISO 7064 MOD 11,10.
fn steuer(digits: &[u8]) -> bool {
    let product = digits[..10].iter().fold(10, |product, digit| {
        let sum = (value(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    digits[0] != b'0' && (11 - product) % 10 == value(digits[10])
}

/// India: Verhoeff's scheme over the dihedral group of order ten.
fn verhoeff(digits: &[u8]) -> bool {
    /// The product of the group: turns are 0 to 4, reflections 5 to 9.
    fn times(one: usize, two: usize) -> usize {
        match (one < 5, two < 5) {
            (true, true) => (one + two) % 5,
            (true, false) => 5 + (one + two - 5) % 5,
            (false, true) => 5 + (one - 5 + 5 - two) % 5,
            (false, false) => (one - 5 + 5 - (two - 5)) % 5,
        }
    }
    const ONCE: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let sum = digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let turned = (0..place % 8).fold(value(*digit) as usize, |digit, _| ONCE[digit]);
        times(sum, turned)
    });
    sum == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are printed as examples, and that every change of a digit breaks.
    #[test]
    fn one_wrong_digit_is_seen() {
        type Check = fn(&[u8]) -> bool;
        let cases: [(Check, &str); 10] = [
            (cpf, "11144477735"),
            (cnpj, "11222333000181"),
            (ean13, "7569217076985"),
            (belgian, "85073003328"),
            (personnummer, "8112189876"),
            (bsn, "111222333"),
            (nhs, "9434765919"),
            (pesel, "44051401359"),
            (steuer, "86095742719"),
            (verhoeff, "234123412346"),
        ];
        for (valid, example) in cases {
            assert!(valid(example.as_bytes()), "{example}");
            let mut wrong = 0;
            for at in 0..example.len() {
                let mut digits = example.as_bytes().to_vec();
                digits[at] = b'0' + (digits[at] - b'0' + 1) % 10;
                wrong += usize::from(!valid(&digits));
            }
            assert!(wrong + 1 >= example.len(), "{example}: {wrong}");
        }
        assert!(tfn(b"123456782") && !tfn(b"123456789"));
        assert!(nir(b"255081416802538") && !nir(b"255081416802539"));
        assert!(any(b"9434765919") && !any(b"1234567"));
    }
}
