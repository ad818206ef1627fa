//! What all pages of one configuration share: the title, the notice, the stylesheet with the accent
//! color worked in, and the policy that lets exactly these bytes of style and script through.
//!
//! Made once when a configuration is loaded; the color arithmetic and the digests happen here and
//! not per page.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::color::{Color, SHAPE, TEXT};
use crate::config;

/// The look of one installation.
#[derive(Clone, Debug)]
pub struct Look {
    /// Name of the installation, on every page.
    pub title: String,
    /// One line for everybody, on sign-in and home.
    pub notice: Option<String>,
    style: String,
    icon: String,
    alone: HeaderValue,
    framed: HeaderValue,
}

/// Which pages may show a page of ours in a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing<'a> {
    /// None: every page, unless the next variant's reason holds.
    Never,
    /// Those that may show the tool: of the same origin, and of these. For an error page that answers
    /// a framed navigation, so that it shows where the tool would; it has no form, only a link.
    LikeTool(&'a [String]),
}

impl Look {
    /// Works the settings out. An accent that is no color (validation refuses it) counts as the
    /// default.
    pub fn new(ui: &config::Ui) -> Self {
        let accent = Accent::new(ui.accent.parse().unwrap_or(DEFAULT_ACCENT));
        let style = format!("{}{STYLE}", accent.variables());
        let policy = |ancestors: &str| {
            let text = format!(
                "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
                 img-src data:; base-uri 'none'; frame-ancestors {ancestors}",
                digest(&style),
                digest(SCRIPT),
            );
            // Base64 and fixed text: always a header value. Refusing everything is the safe answer.
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
        };
        Self {
            title: ui.title.clone(),
            notice: ui.notice.clone(),
            alone: policy("'none'"),
            framed: policy("'self'"),
            icon: accent.icon(),
            style,
        }
    }

    /// `Content-Security-Policy` of a page. Without `form-action`: browsers apply it to the
    /// redirect behind a form as well, and sign-in ends on another host.
    pub(super) fn policy(&self, framing: Framing<'_>) -> HeaderValue {
        let origins = match framing {
            Framing::Never => return self.alone.clone(),
            Framing::LikeTool([]) => return self.framed.clone(),
            Framing::LikeTool(origins) => origins.join(" "),
        };
        // Frame ancestors stand last.
        let policy = [self.framed.as_bytes(), b" ", origins.as_bytes()].concat();
        HeaderValue::try_from(policy).unwrap_or_else(|_| self.framed.clone())
    }

    /// The stylesheet; goes between `<style>` and `</style>` byte for byte.
    pub(super) fn style(&self) -> &str {
        &self.style
    }

    /// The sign-in form's script; goes between `<script>` and `</script>` byte for byte.
    #[expect(
        clippy::unused_self,
        reason = "templates reach what they need through the look"
    )]
    pub(super) const fn script(&self) -> &'static str {
        SCRIPT
    }

    /// The logo as an SVG element; the stylesheet colors it.
    #[expect(
        clippy::unused_self,
        reason = "templates reach what they need through the look"
    )]
    pub(super) const fn logo(&self) -> &'static str {
        LOGO
    }

    /// The logo as a `data:` address, colored.
    pub(super) fn icon(&self) -> &str {
        &self.icon
    }
}

/// The colors derived from the accent, for light and dark pages.
struct Accent {
    light: Shades,
    dark: Shades,
}

struct Shades {
    /// Ground of buttons; as close to the accent as it can stand out from the page.
    fill: Color,
    /// Edge of buttons; shows their shape where `fill` alone does not.
    rim: Color,
    /// Text on `fill` and on `fill_hover`.
    on_fill: Color,
    /// Ground of a button under the pointer.
    fill_hover: Color,
    /// Links and focus rings; readable on page, card and soft grounds.
    link: Color,
}

impl Accent {
    fn new(accent: Color) -> Self {
        Self {
            // A pale button on white is a button by its rim; a dark one on black is none.
            light: Shades::new(accent, &LIGHT_GROUNDS, HINT, Color::BLACK),
            dark: Shades::new(accent, &DARK_GROUNDS, SHAPE, Color::WHITE),
        }
    }

    fn variables(&self) -> String {
        format!(
            ":root{{{}}}@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
            self.light.variables(),
            self.dark.variables()
        )
    }

    /// Browsers show icons on grounds of their own; the light shades do on most.
    fn icon(&self) -> String {
        let svg = LOGO
            .replace("currentColor", &self.light.fill.to_string())
            .replace("#ffffff", &self.light.on_fill.to_string());
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
    }
}

impl Shades {
    /// `least`: contrast of `fill` to the grounds; `goal`: the color farthest from them.
    fn new(accent: Color, grounds: &[Color], least: f64, goal: Color) -> Self {
        let fill = accent.readable_on(grounds, least, goal);
        let on_fill = fill.ink();
        // Away from the ink, so that the text stays readable.
        let away = if on_fill == Color::WHITE {
            Color::BLACK
        } else {
            Color::WHITE
        };
        Self {
            fill,
            rim: accent.readable_on(grounds, SHAPE, goal),
            on_fill,
            fill_hover: fill.mixed(away, 14),
            link: accent.readable_on(grounds, TEXT, goal),
        }
    }

    fn variables(&self) -> String {
        let Self {
            fill,
            rim,
            on_fill,
            fill_hover,
            link,
        } = self;
        format!(
            "--fill:{fill};--rim:{rim};--on-fill:{on_fill};--fill-hover:{fill_hover};--link:{link}"
        )
    }
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

const STYLE: &str = include_str!("../../../assets/style.css");
const SCRIPT: &str = include_str!("../../../assets/sign-in.js");
const LOGO: &str = include_str!("../../../assets/logo.svg");
/// Enough contrast to see that there is something.
const HINT: f64 = 1.25;
/// `#0b6e99`
const DEFAULT_ACCENT: Color = Color::new(0x0b, 0x6e, 0x99);
/// `--page` (and `--soft`) and `--card` of the stylesheet.
const LIGHT_GROUNDS: [Color; 2] = [Color::new(0xf4, 0xf6, 0xf8), Color::WHITE];
/// `--page`, `--card` and `--soft` of the stylesheet's dark half.
const DARK_GROUNDS: [Color; 3] = [
    Color::new(0x0e, 0x11, 0x16),
    Color::new(0x17, 0x1b, 0x22),
    Color::new(0x1f, 0x25, 0x2e),
];

#[cfg(test)]
mod tests;
