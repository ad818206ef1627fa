//! `labgate explain`: what would become of a request, by the configuration alone.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
};

use http::Method;

use super::{Files, exit::Exit, serve::tell};
use crate::{
    config::load::{self, Sources},
    explain::{self, Answer, Error, Question},
    telemetry::chain,
};

/// What is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address as people type it, or a path on the main host
    url: String,
    /// Who is signed in; groups and e-mail are those of the configuration [default: nobody]
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// A group of that user besides; may be given several times
    #[arg(long, value_name = "GROUP", requires = "user")]
    group: Vec<String>,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// The address that the request is from
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    from: IpAddr,
    #[command(flatten)]
    pub(super) files: Files,
}

/// Prints what becomes of the request. Gives the exit code: 0 when a tool would get it, 1 when not.
pub(super) fn run(
    arguments: &Arguments,
    sources: &Sources,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let config = match load::load(sources) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            tell(&problems.to_string());
            return Ok(Exit::Configuration);
        }
    };
    let question = Question {
        url: arguments.url.clone(),
        method: arguments.method.clone(),
        user: arguments.user.clone(),
        groups: arguments.group.clone(),
        from: arguments.from,
    };
    match explain::explain(config, &question) {
        Ok(explanation) => {
            write!(out, "{}", explanation.text)?;
            Ok(match explanation.answer {
                Answer::Tool => Exit::Done,
                Answer::Ours | Answer::Status(_) => Exit::Failed,
            })
        }
        Err(error) => {
            tell(&format!("labgate: {}", chain(&error)));
            Ok(match error {
                Error::Route(_) => Exit::Configuration,
                Error::Url(_) => Exit::Usage,
            })
        }
    }
}
