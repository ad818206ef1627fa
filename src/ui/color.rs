//! Colors and whether they can be read on each other (WCAG 2.2 §1.4.3, §1.4.11).

use std::{fmt, str::FromStr};

/// A color in sRGB, written `#rrggbb`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Color([u8; 3]);

/// The text is not `#rrggbb`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a color is written #rrggbb")]
pub struct NoColor;

impl Color {
    /// `#000000`
    pub const BLACK: Self = Self([0; 3]);
    /// `#ffffff`
    pub const WHITE: Self = Self([255; 3]);

    /// From its red, green and blue.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// The contrast ratio of two colors: 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever is readable on this color. One of them always has 4.5.
    #[must_use]
    pub fn ink(self) -> Self {
        if self.contrast(Self::WHITE) >= TEXT {
            Self::WHITE
        } else {
            Self::BLACK
        }
    }

    /// This color, moved towards `goal` just as far as it takes to have `ratio` on each of `grounds`.
    #[must_use]
    pub fn readable_on(self, grounds: &[Self], ratio: f64, goal: Self) -> Self {
        (0..=100)
            .map(|percent| self.mixed(goal, percent))
            .find(|color| {
                grounds
                    .iter()
                    .all(|ground| color.contrast(*ground) >= ratio)
            })
            .unwrap_or(goal)
    }

    /// `percent` (0 to 100) of the way from this color to `other`.
    #[must_use]
    pub fn mixed(self, other: Self, percent: u16) -> Self {
        let [red, green, blue] = self.0;
        let [other_red, other_green, other_blue] = other.0;
        let mix = |from: u8, to: u8| {
            let sum = u16::from(from) * (100 - percent) + u16::from(to) * percent;
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        Self([
            mix(red, other_red),
            mix(green, other_green),
            mix(blue, other_blue),
        ])
    }

    /// Relative luminance, 0 to 1.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Color {
    type Err = NoColor;

    fn from_str(text: &str) -> Result<Self, NoColor> {
        let digits = text.strip_prefix('#').ok_or(NoColor)?;
        // `from_str_radix` would take a sign.
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoColor);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| NoColor)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// What text needs on its ground.
pub(super) const TEXT: f64 = 4.5;
/// What the shape of a control needs on its ground.
pub(super) const SHAPE: f64 = 3.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contrast_is_what_the_standard_says() {
        assert!((Color::BLACK.contrast(Color::WHITE) - 21.0).abs() < 1e-9);
        let gray = Color::new(0x77, 0x77, 0x77);
        assert!((gray.contrast(Color::WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn only_six_hexadecimal_digits_behind_a_hash_are_a_color() {
        assert_eq!("#0B6e99".parse(), Ok(Color::new(0x0b, 0x6e, 0x99)));
        for text in [
            "", "#", "0b6e99", "#0b6e9", "#0b6e990", "#+b6e99", "#0b6e9g", "red", "#é1234",
        ] {
            assert_eq!(text.parse::<Color>(), Err(NoColor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn ink_is_readable_on_every_color(red: u8, green: u8, blue: u8) {
            let color = Color::new(red, green, blue);
            prop_assert!(color.contrast(color.ink()) >= TEXT);
        }

        #[test]
        fn a_color_comes_back_from_its_text(red: u8, green: u8, blue: u8) {
            let color = Color::new(red, green, blue);
            prop_assert_eq!(color.to_string().parse(), Ok(color));
        }
    }
}
