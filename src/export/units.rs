#![forbid(unsafe_code)]
//! Figures for people.

/// Three digits and a binary unit; whole bytes below a KiB.
pub(crate) fn readable_bytes(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    if size.abs() < 1024.0 {
        return format!("{bytes} bytes");
    }
    let mut unit = "";
    for larger in UNITS {
        // What would be rounded to 1024 belongs to the next one.
        if size.abs() < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    let decimals = match size.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{size:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.00 KiB"),
            (-1536, "-1.50 KiB"),
            (10 << 20, "10.0 MiB"),
            (1_048_575, "1.00 MiB"),
            (1_319_413_350, "1.23 GiB"),
            (500 << 30, "500 GiB"),
            (i64::MAX, "8.00 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(readable_bytes(bytes), text);
        }
    }
}
