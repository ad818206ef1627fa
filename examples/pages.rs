//! Writes every page as an HTML file, and their headers, into a folder, to look at them:
//! `cargo run --example pages -- FOLDER [ACCENT]`.

use std::{error::Error, fs, path::PathBuf, time::Duration};

use http::{HeaderMap, header::ToStrError};
use labgate::{
    config,
    ui::{
        Circumstances, Framing, HomePage, LinkPage, Look, PasswordField, PasswordPage,
        PasswordPlace, PasswordState, Problem, SignInPage, SignInState, SignOutPage, Tile,
        ToolState, error, home, link, password, password_elsewhere, security_headers, sign_in,
        sign_out, signed_out,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments
        .next()
        .ok_or("usage: pages FOLDER [ACCENT]")?
        .into();
    let accent = arguments.next().unwrap_or_else(|| "#0b6e99".into());
    let look = |notice: Option<&str>| {
        Look::new(&config::Ui {
            title: "Data lab".into(),
            accent: accent.clone(),
            notice: notice.map(str::to_owned),
        })
    };
    fs::create_dir_all(&folder)?;
    let plain = look(None);
    let mut headers = HeaderMap::new();
    security_headers(&mut headers, &plain, Framing::Never, false);
    let lines = headers
        .iter()
        .map(|(name, value)| Ok(format!("{name}: {}\n", value.to_str()?)));
    let lines: Result<String, ToStrError> = lines.collect();
    fs::write(folder.join("headers.txt"), lines?)?;
    for (name, page) in sign_in_pages(&plain)
        .into_iter()
        .chain(other_pages(
            &plain,
            &look(Some("Maintenance on Friday from 18:00.")),
        ))
        .chain(password_pages(&plain))
        .chain(error_pages(&plain))
    {
        fs::write(folder.join(name).with_extension("html"), page)?;
    }
    Ok(())
}

type Pages = Vec<(String, String)>;

fn sign_in_pages(look: &Look) -> Pages {
    let page = |name: &str, username: &str, state| {
        let page = SignInPage {
            csrf: "csrf".into(),
            return_to: "https://jupyter.example.org/lab".into(),
            nonce: None,
            username: username.into(),
            destination: Some("jupyter.example.org".into()),
            state,
            password: PasswordField::Hidden {
                show: "?show=1".into(),
            },
            plain_http: name == "sign-in-stale",
        };
        (name.to_owned(), sign_in(look, &page))
    };
    let retry_after = Duration::from_secs(30);
    vec![
        page("sign-in", "", SignInState::Fresh),
        page("sign-in-busy", "ana", SignInState::Busy),
        page("sign-in-stale", "ana", SignInState::Stale),
        page(
            "sign-in-too-many",
            "ana",
            SignInState::TooMany { retry_after },
        ),
        page("sign-in-wrong", "ana", SignInState::Wrong),
    ]
}

fn other_pages(look: &Look, with_notice: &Look) -> Pages {
    let tile = |title: &str, address: &str, state| Tile {
        title: title.into(),
        address: address.into(),
        href: format!("https://{address}"),
        state,
    };
    let mut page = HomePage {
        user: "ana".into(),
        groups: vec!["analysts".into(), "staff".into()],
        csrf: "csrf".into(),
        tiles: vec![
            tile("JupyterLab", "jupyter.example.org", ToolState::Ready),
            tile("RStudio", "rstudio.example.org", ToolState::Unknown),
            tile(
                "Sales dashboard",
                "lab.example.org/sales/",
                ToolState::NotAnswering,
            ),
            tile(
                "Forecasts",
                "lab.example.org/forecasts/weekly/",
                ToolState::Ready,
            ),
        ],
    };
    let full = home(with_notice, &page);
    page.tiles.clear();
    let user = || "ana".to_owned();
    let csrf = || "csrf".to_owned();
    let link_page = LinkPage {
        user: user(),
        csrf: csrf(),
        code: "code".into(),
    };
    [
        ("home", full),
        ("home-empty", home(look, &page)),
        (
            "sign-out",
            sign_out(
                look,
                &SignOutPage {
                    user: user(),
                    csrf: csrf(),
                },
            ),
        ),
        ("signed-out", signed_out(look, "/.labgate/sign-in")),
        ("link", link(look, &link_page)),
    ]
    .map(|(name, page)| (name.to_owned(), page))
    .into()
}

fn password_pages(look: &Look) -> Pages {
    let page = |code: Option<&str>, state| PasswordPage {
        user: "ana".into(),
        csrf: "csrf".into(),
        code: code.map(str::to_owned),
        state,
        plain_http: false,
    };
    let unfit = PasswordState::Unfit("a password has at least 10 characters".into());
    [
        ("link", page(Some("code"), PasswordState::Fresh)),
        ("link-unfit", page(Some("code"), unfit)),
        ("change", page(None, PasswordState::Fresh)),
        ("change-wrong", page(None, PasswordState::Wrong)),
        ("change-differ", page(None, PasswordState::Differ)),
    ]
    .map(|(name, page)| (format!("password-{name}"), password(look, &page)))
    .into_iter()
    .chain([(
        "password-elsewhere".to_owned(),
        password_elsewhere(look, "ana", PasswordPlace::Htpasswd),
    )])
    .collect()
}

fn error_pages(look: &Look) -> Pages {
    let tool = || "JupyterLab".to_owned();
    let circumstances = Circumstances {
        request_id: "01hz8k3v9q7m2n4p".into(),
        address: Some("jupyter.example.org/lab/tree/notebooks/forecast.ipynb".into()),
        home: "/.labgate/".into(),
    };
    let fields = vec![("cookie".into(), 98_304), ("x-profile".into(), 2_150)];
    [
        Problem::AddressTooLong,
        Problem::BadRequest("the path contains a dot segment in disguise"),
        Problem::BodyTooLarge { limit: 64 << 20 },
        Problem::Busy,
        Problem::CrossSite,
        Problem::Denied {
            user: Some("ana".into()),
            tool: tool(),
        },
        Problem::FormRefused,
        Problem::HeaderTooLarge {
            limit: 64 << 10,
            fields,
        },
        Problem::Internal,
        Problem::LinkGone,
        Problem::MethodNotAllowed { allow: "GET, HEAD" },
        Problem::NotFound,
        Problem::RequestTimeout,
        Problem::ShuttingDown,
        Problem::SignInRequired {
            sign_in: "/.labgate/sign-in".into(),
        },
        Problem::ToolBadAnswer { tool: tool() },
        Problem::ToolBusy { tool: tool() },
        Problem::ToolTimeout {
            tool: tool(),
            after: Duration::from_secs(60),
        },
        Problem::ToolUnreachable { tool: tool() },
        Problem::TooManyFields { limit: 100 },
        Problem::TooManyRequests {
            retry_after: Duration::from_secs(30),
        },
        Problem::UnknownHost,
    ]
    .map(|problem| {
        let name = format!("{}-{}", problem.status().as_u16(), problem.code());
        (name, error(look, &problem.page(&circumstances)))
    })
    .into()
}
