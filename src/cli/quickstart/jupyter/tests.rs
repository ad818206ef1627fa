use std::{fs, os::unix::fs::PermissionsExt};

use tokio::net::UnixListener;

use super::*;
use crate::cli::quickstart::find::Place;

/// A folder with a `JupyterLab` that is a script.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(script: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let program = machine.0.path().join("jupyter-lab");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(machine.0.path().join("run")).unwrap();
        machine
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("run/jupyter.sock")
    }

    async fn start(&self) -> Jupyter {
        let folder = self.0.path();
        let lab = Lab {
            place: Place::Program(folder.join("jupyter-lab")),
            version: "4".into(),
        };
        Jupyter::start(&lab, folder, &self.socket(), &folder.join("jupyter.log"))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn it_is_ready_when_its_socket_answers_and_not_before() {
    let machine = Machine::new("#!/bin/sh\nexec sleep 1000\n");
    let listener = UnixListener::bind(machine.socket()).unwrap();
    let mut jupyter = machine.start().await;
    let serve = async {
        for answer in ["", "HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{}"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /api HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let (ready, ()) = tokio::join!(jupyter.ready(START, |_| {}), serve);
    ready.unwrap();
    jupyter.stop().await;
    assert!(!machine.socket().exists(), "the socket is gone");
}

#[tokio::test]
async fn one_that_ends_early_is_told_with_its_last_words_and_its_log() {
    let machine = Machine::new("#!/bin/sh\necho 'OSError: no' >&2\nexit 3\n");
    let mut jupyter = machine.start().await;
    let text = jupyter.ready(START, |_| {}).await.unwrap_err().to_string();
    assert!(
        text.starts_with("JupyterLab did not start: exit status: 3; "),
        "{text}"
    );
    assert!(text.contains("    OSError: no\n"), "{text}");
    assert!(text.ends_with("jupyter.log"), "{text}");
    jupyter.stop().await;
    assert!(!machine.0.path().join("run").exists(), "nothing is left");
}

#[tokio::test]
async fn one_that_never_answers_is_given_up_and_ended() {
    let machine = Machine::new(
        "#!/bin/sh\necho starting\necho $$ >pid\nexec sleep 1000\n"
            .replace(">pid", ">\"$(dirname \"$0\")/pid\"")
            .as_str(),
    );
    let mut jupyter = machine.start().await;
    let limit = Duration::from_millis(500);
    let mut waited = 0;
    let text = jupyter
        .ready(limit, |_| waited += 1)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("JupyterLab did not answer within 0 s and was stopped"),
        "{text}"
    );
    assert!(waited >= 1);
    jupyter.stop().await;
    let pid = fs::read_to_string(machine.0.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is gone");
}

#[tokio::test]
async fn one_that_ends_later_is_told_too() {
    let machine = Machine::new("#!/bin/sh\necho Segmentation fault\nkill -SEGV $$\n");
    let text = machine.start().await.ended().await.to_string();
    assert!(
        text.starts_with("JupyterLab has ended, so labgate ends too: "),
        "{text}"
    );
    assert!(text.contains("it was ended by signal 11"), "{text}");
}

#[test]
fn nothing_in_its_own_configuration_lets_others_in() {
    let lab = Lab {
        place: Place::Program("/bin/jupyter-lab".into()),
        version: "4.6.6".into(),
    };
    let arguments = arguments(
        &lab,
        Path::new("/home/ana"),
        Path::new("/run/x/jupyter.sock"),
    );
    for wanted in [
        "--ServerApp.sock=/run/x/jupyter.sock",
        "--ServerApp.root_dir=/home/ana",
        "--ServerApp.sock_mode=0600",
        "--IdentityProvider.token=",
        "--ServerApp.allow_origin=",
        "--ServerApp.disable_check_xsrf=False",
    ] {
        assert!(
            arguments.iter().any(|argument| argument == wanted),
            "{wanted}"
        );
    }
}
