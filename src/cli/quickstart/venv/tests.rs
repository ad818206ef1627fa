use std::os::unix::fs::PermissionsExt;

use super::*;

/// A state folder, and a `bin` on `PATH` with one Python: a script.
struct Machine {
    home: tempfile::TempDir,
    environment: Environment,
}

/// Acts as Python, its venv and its pip. `$FAILS` names what fails.
const PYTHON: &str = r#"#!/bin/sh
case "$1 $2 $3" in
"-c import"*) [ "$FAILS" != ensurepip ] ;;
"-m venv "*)
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >>"$3/../made" ;;
"-m pip install")
    echo "Collecting jupyterlab"
    echo "  Downloading https://files.example/x/jupyterlab-4.6.6-py3-none-any.whl (12.4 MB)"
    if [ "$FAILS" = pip ]; then echo "ERROR: no space left" >&2; exit 1; fi
    echo "Installing collected packages: traitlets, tornado, jupyterlab"
    lab="$(dirname "$0")/jupyter-lab"
    if [ "$FAILS" = lab ]; then printf '#!/bin/sh\nexit 3\n' >"$lab"
    else printf '#!/bin/sh\necho 4.6.6\n' >"$lab"; fi
    chmod +x "$lab" ;;
*) exit 9 ;;
esac
"#;

impl Machine {
    fn new(fails: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let python = bin.join("python3");
        fs::write(&python, PYTHON.replace("$FAILS", fails)).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let environment = Environment {
            path: Some(bin.into()),
            state_home: Some(home.path().join("state")),
            ..Environment::default()
        };
        Self { home, environment }
    }

    fn venv(&self) -> Venv {
        Venv::of(&State::open(&self.environment).unwrap())
    }

    async fn build(&self) -> (Result<Lab, Problem>, String) {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        let built = self.venv().build(&self.environment, &mut progress).await;
        (built, String::from_utf8(out).unwrap())
    }

    fn times_made(&self) -> usize {
        let made = self.home.path().join("state/labgate/quickstart/made");
        fs::read_to_string(made).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn it_is_made_with_a_line_per_phase_and_found_the_next_time() {
    let machine = Machine::new("nothing");
    assert_eq!(machine.venv().lab().await, None);
    let (built, said) = machine.build().await;
    let lab = built.unwrap();
    assert_eq!(lab.version, "4.6.6");
    assert!(
        said.contains("  Making a virtual environment in "),
        "{said}"
    );
    assert!(
        said.ends_with("  Fetching JupyterLab and what it needs\n  Installing 3 packages\n"),
        "{said}"
    );
    assert_eq!(machine.venv().lab().await, Some(lab));
    assert_eq!(machine.times_made(), 1);
}

#[tokio::test]
async fn an_interrupted_one_is_not_used_and_made_anew() {
    let machine = Machine::new("nothing");
    machine.build().await.0.unwrap();
    let venv = machine.venv();
    fs::remove_file(venv.marker()).unwrap();
    fs::write(venv.folder.join("half"), "").unwrap();
    assert_eq!(venv.lab().await, None);
    machine.build().await.0.unwrap();
    assert!(!venv.folder.join("half").exists());
    assert_eq!(machine.times_made(), 2);
}

#[tokio::test]
async fn a_whole_one_that_no_longer_runs_is_not_used() {
    let machine = Machine::new("nothing");
    machine.build().await.0.unwrap();
    let venv = machine.venv();
    fs::write(
        in_folder(&venv.folder, "jupyter-lab"),
        "#!/no/such/python\n",
    )
    .unwrap();
    assert_eq!(venv.lab().await, None);
}

#[tokio::test]
async fn when_pip_fails_its_last_lines_are_told_and_nothing_half_made_is_left() {
    let machine = Machine::new("pip");
    let problem = machine.build().await.0.unwrap_err();
    let text = problem.to_string();
    assert!(
        text.starts_with("setting JupyterLab up failed while installing JupyterLab with pip"),
        "{text}"
    );
    assert!(text.contains("    ERROR: no space left\n"), "{text}");
    assert!(text.contains("setup.log"), "{text}");
    assert_eq!(problem.exit(), crate::cli::exit::Exit::Failed);
    assert!(!machine.venv().folder.exists());
}

#[tokio::test]
async fn a_lab_that_was_installed_and_does_not_run_is_a_failure() {
    let machine = Machine::new("lab");
    let text = machine.build().await.0.unwrap_err().to_string();
    assert!(
        text.contains("while trying JupyterLab for the first time"),
        "{text}"
    );
    assert!(!machine.venv().marker().exists());
}

#[tokio::test]
async fn without_python_or_its_venv_module_the_message_says_what_to_install() {
    let mut machine = Machine::new("ensurepip");
    let text = machine.build().await.0.unwrap_err().to_string();
    assert!(text.contains("bin/python3 lacks"), "{text}");
    assert!(text.contains("apt install python3-venv"), "{text}");
    machine.environment.path = None;
    let text = machine.build().await.0.unwrap_err().to_string();
    assert!(
        text.contains("needs Python 3, which is not on PATH"),
        "{text}"
    );
    assert!(text.contains("apt install python3-venv"), "{text}");
}

#[test]
fn lines_of_pip_are_told_apart() {
    let fetched = "  Downloading tornado-6.5-cp39-abi3.whl.metadata (2.8 kB)";
    assert_eq!(
        Said::by_pip(fetched),
        Some(Said::Chooses("tornado-6.5-cp39-abi3.whl.metadata (2.8 kB)"))
    );
    assert_eq!(
        Said::by_pip("Using cached a.whl (1 kB)"),
        Some(Said::Fetches("a.whl (1 kB)"))
    );
    assert_eq!(
        Said::by_pip("Installing collected packages: a, b"),
        Some(Said::Installs(2))
    );
    assert_eq!(Said::by_pip("Collecting a"), None);
}
