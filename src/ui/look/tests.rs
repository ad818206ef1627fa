use proptest::prelude::*;

use super::*;

fn look(accent: &str) -> Look {
    Look::new(&config::Ui {
        title: "Lab".into(),
        accent: accent.into(),
        notice: None,
    })
}

/// The variables of the stylesheet in a light and in a dark browser, accent included.
fn palettes(style: &str) -> [Vec<(String, Color)>; 2] {
    let mut palettes = [Vec::new(), Vec::new()];
    for section in style.split("@media") {
        let (dark, light) = if section.starts_with(" (prefers-color-scheme") {
            let end = section
                .split_once("}}")
                .or_else(|| section.split_once("}\n}"));
            end.unwrap()
        } else {
            ("", section)
        };
        for (palette, text) in palettes.iter_mut().zip([light, dark]) {
            palette.extend(text.split(['{', ';', '}']).filter_map(|declaration| {
                let (name, value) = declaration.trim().split_once(':')?;
                Some((name.to_owned(), value.trim().parse().ok()?))
            }));
        }
    }
    palettes
}

/// Text and what it stands on, then shapes and what they stand on.
const TEXTS: [(&str, &[&str]); 6] = [
    ("--text", &["--page", "--card", "--soft"]),
    ("--muted", &["--page", "--card", "--soft"]),
    ("--bad", &["--card", "--bad-soft"]),
    ("--link", &["--page", "--card", "--soft"]),
    ("--on-fill", &["--fill", "--fill-hover"]),
    ("--text", &["--bad-soft"]),
];
const SHAPES: [(&str, &[&str]); 4] = [
    ("--rim", &["--page", "--card"]),
    ("--edge", &["--card"]),
    ("--good", &["--card"]),
    ("--bad", &["--card"]),
];

fn assert_readable(accent: &str) {
    for (theme, palette) in ["light", "dark"].iter().zip(palettes(look(accent).style())) {
        let color = |wanted: &str| {
            let found = palette.iter().rfind(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("{theme} has no {wanted}")).1
        };
        for (pairs, least) in [(&TEXTS[..], TEXT), (&SHAPES[..], SHAPE)] {
            for (name, grounds) in pairs {
                for ground in *grounds {
                    let ratio = color(name).contrast(color(ground));
                    assert!(
                        ratio >= least,
                        "{name} on {ground}, {theme}, accent {accent}: {ratio:.2} < {least}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_text_and_control_is_readable_in_light_and_dark() {
    for accent in [
        "#0b6e99", "#000000", "#ffffff", "#ffe600", "#ff0000", "#00ff00", "#0000ff", "#777777",
        "#171b22", "#f4f6f8",
    ] {
        assert_readable(accent);
    }
}

proptest! {
    #[test]
    fn no_accent_makes_a_page_unreadable(red: u8, green: u8, blue: u8) {
        assert_readable(&Color::new(red, green, blue).to_string());
    }
}

#[test]
fn the_grounds_of_the_arithmetic_are_those_of_the_stylesheet() {
    let [light, dark] = palettes(STYLE);
    let grounds = |palette: &[(String, Color)]| {
        let ground = ["--page", "--card", "--soft"];
        let mut colors: Vec<_> = palette
            .iter()
            .filter(|(name, _)| ground.contains(&name.as_str()))
            .map(|(_, color)| color.to_string())
            .collect();
        colors.sort_unstable();
        colors.dedup();
        colors
    };
    let sorted = |colors: &[Color]| {
        let mut colors: Vec<_> = colors.iter().map(Color::to_string).collect();
        colors.sort_unstable();
        colors
    };
    assert_eq!(grounds(&light), sorted(&LIGHT_GROUNDS));
    assert_eq!(grounds(&dark), sorted(&DARK_GROUNDS));
}

#[test]
fn a_good_accent_is_used_as_it_is() {
    assert!(
        look("#0b6e99")
            .style()
            .starts_with(":root{--fill:#0b6e99;--rim:#0b6e99;--on-fill:#ffffff;")
    );
}

#[test]
fn what_is_no_color_counts_as_the_default_and_reaches_no_page() {
    let broken = look("red}</style><script>");
    assert_eq!(broken.style(), look("#0b6e99").style());
}

#[test]
fn the_stylesheet_is_small_asks_nobody_and_cannot_end_its_element() {
    let look = look("#0b6e99");
    assert!(look.style().len() < 12 * 1024, "{}", look.style().len());
    for text in [look.style(), look.script()] {
        for word in ["</", "<!--", "url(", "@import", "http", "fetch"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

#[test]
fn the_policy_names_the_bytes_that_pages_carry() {
    let look = look("#123456");
    let policy = look.policy(Framing::Never);
    let policy = policy.to_str().unwrap();
    assert!(policy.contains(&format!("style-src 'sha256-{}'", digest(look.style()))));
    assert!(policy.contains(&format!("script-src 'sha256-{}'", digest(look.script()))));
}
