use std::{fs, time::Instant};

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

/// Waits until the process has ended. A zombie counts as ended.
async fn is_gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        match fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
            Ok(stat) if !stat.contains(") Z ") => tokio::task::yield_now().await,
            _ => return true,
        }
    }
    false
}

/// Starts a shell whose output is a line, the pid of a daemon in a session of its own that ignores
/// SIGTERM, and which itself goes on.
async fn start_with_a_daemon() -> (Supervised, String) {
    let daemon = "trap '' TERM; echo $$; exec >&-; while :; do sleep 1; done";
    let mut job = shell("(setsid sh -c \"$DAEMON\" &) ; sleep 1000");
    job.env("DAEMON", daemon);
    let mut running = Supervised::start(&job, Stdio::piped(), Stdio::null(), None)
        .await
        .unwrap();
    let daemon = number(&mut running).await;
    (running, daemon)
}

/// The first line of its output that is a number.
async fn number(running: &mut Supervised) -> String {
    let output = running.take_output().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(output));
    loop {
        let line = lines.next_line().await.unwrap().expect("it says its pid");
        if line.parse::<u32>().is_ok() {
            return line;
        }
    }
}

#[tokio::test]
async fn stopping_ends_daemons_with_sessions_of_their_own_too() {
    let (running, daemon) = start_with_a_daemon().await;
    running.stop().await;
    let stat = fs::read_to_string(format!("/proc/{daemon}/stat"));
    assert!(stat.is_err(), "nothing is left when stop returns: {stat:?}");
}

/// As when labgate is killed: what it held is closed.
#[tokio::test]
async fn letting_go_of_it_ends_it_all() {
    let (running, daemon) = start_with_a_daemon().await;
    drop(running);
    assert!(is_gone(&daemon).await);
}

#[tokio::test]
async fn the_program_is_told_to_end_when_its_supervisor_is_killed() {
    let mut running = Supervised::start(
        &shell("echo $$; exec sleep 1000"),
        Stdio::piped(),
        Stdio::null(),
        None,
    )
    .await
    .unwrap();
    let program = number(&mut running).await;
    rustix::process::kill_process(running.group.unwrap(), Signal::KILL).unwrap();
    assert_eq!(running.ended().await.unwrap().signal(), Some(9));
    assert!(is_gone(&program).await);
}

#[tokio::test]
async fn output_and_exit_codes_come_through() {
    let limit = Duration::from_secs(20);
    let said = output(shell("echo $WORD").env("WORD", "hello"), limit)
        .await
        .unwrap();
    assert_eq!(said.lines().last(), Some("hello"));
    let failed = output(&shell("echo out; echo why >&2; exit 4"), limit)
        .await
        .unwrap_err();
    assert!(
        matches!(&failed, Failure::Ended(said) if said == "why"),
        "{failed}"
    );
    let absent = output(&Command::new("/no/such/program"), limit)
        .await
        .unwrap_err();
    assert!(
        absent
            .to_string()
            .starts_with("cannot run /no/such/program: "),
        "{absent}"
    );
    let mut running = Supervised::start(&shell("exit 4"), Stdio::null(), Stdio::null(), None)
        .await
        .unwrap();
    assert_eq!(running.ended().await.unwrap().code(), Some(4));
}

#[tokio::test]
async fn an_endless_writer_costs_no_memory_and_is_ended_in_time() {
    let limit = Duration::from_millis(500);
    let failed = output(&shell("exec yes"), limit).await.unwrap_err();
    assert!(matches!(failed, Failure::TooSlow(_)), "{failed}");
}
