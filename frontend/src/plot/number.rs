//! Numbers as people read them: significant digits, a true minus sign, thin spaces between thousands.

const MINUS: char = '\u{2212}';
const THIN_SPACE: char = '\u{202f}';

/// A value with `digits` significant digits: `0.4218`, `−1 234`, `1.2 × 10⁻⁷`. "undefined" when it is not finite.
///
/// Digits before the decimal point are never rounded away below 10^6; from there on, and below 10^-4, powers of ten are written.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "undefined".into() } else { format!("{}∞", if value < 0.0 { "\u{2212}" } else { "" }) };
    }
    if value == 0.0 {
        return "0".into();
    }
    let digits = digits.max(1);
    let rounded = format!("{:.*e}", digits - 1, value.abs());
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((rounded.as_str(), "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let body = if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0);
        grouped(&format!("{:.*}", decimals, value.abs()))
    } else {
        format!("{mantissa} × 10{}", superscript(exponent))
    };
    if value < 0.0 { format!("{MINUS}{body}") } else { body }
}

/// A whole number with thin spaces between thousands.
#[must_use]
pub fn count(n: impl TryInto<u64>) -> String {
    n.try_into().map_or_else(|_| "?".into(), |n: u64| grouped(&n.to_string()))
}

/// A p value: three decimals, "< 0.001" below, and never a bare zero.
#[must_use]
pub fn p_value(p: f64) -> String {
    if !p.is_finite() {
        "undefined".into()
    } else if p < 0.001 {
        "< 0.001".into()
    } else {
        format!("{p:.3}")
    }
}

/// The shortest text that reads back as the same f64, for files: plain decimals or an exponent, `NaN` when undefined.
#[must_use]
pub fn exact(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-5..1e16).contains(&size) { format!("{value:e}") } else { value.to_string() }
}

/// A power of ten for ticks: `10⁻³`, `1`, `10`, `10⁴`.
#[must_use]
pub fn power_of_ten(exponent: i32) -> String {
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        _ => format!("10{}", superscript(exponent)),
    }
}

fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::with_capacity(text.len() + 4);
    for (i, c) in whole.chars().enumerate() {
        if whole.len() > 4 && i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(THIN_SPACE);
        }
        out.push(c);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent.to_string().chars().map(|c| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_significant_digits() {
        assert_eq!(significant(0.421_84, 3), "0.422");
        assert_eq!(significant(-1.5, 2), "\u{2212}1.5");
        assert_eq!(significant(99.96, 3), "100");
        assert_eq!(significant(12_345.6, 3), "12\u{202f}346");
        assert_eq!(significant(1.234e-7, 3), "1.23 × 10⁻⁷");
        assert_eq!(significant(0.0, 3), "0");
    }

    #[test]
    fn undefined_values_say_so() {
        assert_eq!(significant(f64::NAN, 3), "undefined");
        assert_eq!(significant(f64::NEG_INFINITY, 3), "\u{2212}∞");
    }

    #[test]
    fn counts_are_grouped_from_five_digits() {
        assert_eq!(count(2000_u32), "2000");
        assert_eq!(count(1_234_567_u64), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn small_p_values_are_bounded_not_zero() {
        assert_eq!(p_value(1e-12), "< 0.001");
        assert_eq!(p_value(0.0421), "0.042");
    }

    #[test]
    fn file_numbers_read_back_exactly() {
        for value in [0.1, -3.0, 1e-300, 6.02e23, 0.0, 1.0 / 3.0] {
            assert_eq!(exact(value).parse::<f64>().ok(), Some(value));
        }
        assert_eq!(exact(f64::NAN), "NaN");
    }
}
