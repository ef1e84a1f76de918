//! Check digits and ranges: what makes a number one of its kind.

pub(crate) mod national;

/// The Luhn sum of decimal digits (ISO/IEC 7812-1, annex B) ends in zero.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0');
            match at % 2 {
                0 => value,
                _ if value > 4 => 2 * value - 9,
                _ => 2 * value,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A number that a card network gives out: prefix and length.
pub(crate) fn is_card(digits: &[u8]) -> bool {
    let prefix = |n: usize| digits[..n].iter().fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0'));
    if digits.len() < 12 || digits.len() > 19 {
        return false;
    }
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    let fits = match digits.len() {
        13 | 19 if two / 10 == 4 => true,
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 2131 | 1800),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 65)
                || matches!(four, 2221..=2720 | 6011 | 3528..=3589 | 5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763)
                || matches!(three, 644..=649)
                || matches!(six, 622_126..=622_925)
                || two == 62
                || two == 60
        }
        17..=19 => matches!(two, 62 | 50 | 56..=58 | 63 | 67),
        _ => false,
    };
    fits && luhn(digits) && digits.windows(2).any(|two| two[0] != two[1])
}

/// What the Social Security Administration may have given out: area, group, serial.
pub(crate) fn is_ssn(digits: &[u8]) -> bool {
    let Ok(d) = <&[u8; 9]>::try_from(digits) else { return false };
    &d[..3] != b"000"
        && &d[..3] != b"666"
        && &d[3..5] != b"00"
        && &d[5..] != b"0000"
        && d.windows(2).any(|two| two[0] != two[1])
}

/// The length of an IBAN of this country (ISO 13616 registry).
pub(crate) fn iban_length(country: [u8; 2]) -> Option<usize> {
    Some(match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"CR" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"AO" | b"CV" | b"LY" | b"MZ" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BF" | b"CM" | b"FR" | b"GR" | b"IT" | b"MC" | b"MG" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CI" | b"CY" | b"DO" | b"GT" | b"HU" | b"LB" | b"PL" | b"SV"
        | b"SN" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// The remainder of letters and digits by 97, as ISO 7064 MOD 97-10 has it: 1 for a valid IBAN.
pub(crate) fn is_iban(compact: &[u8]) -> bool {
    let Some(country) = compact.first_chunk::<2>() else { return false };
    let country = country.map(|byte| byte.to_ascii_uppercase());
    if iban_length(country) != Some(compact.len()) {
        return false;
    }
    let rest = compact[4..].iter().chain(&compact[..4]).try_fold(0u32, |rest, byte| {
        Some(match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => (rest * 10 + u32::from(digit - b'0')) % 97,
            letter @ b'A'..=b'Z' => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
            _ => return None,
        })
    });
    rest == Some(1)
}
