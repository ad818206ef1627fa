//! Child processes: where they run, what they used.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Where load and upstream run.
pub(crate) const LOAD_CORE: usize = 1;
/// Where what is measured runs.
pub(crate) const TARGET_CORE: usize = 0;

/// A process that is asked to end when it is dropped, and waited for.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command on some cores: `0`, or `0,1`.
    pub(crate) fn start(cores: &str, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", cores, program]).args(arguments);
        Self(command.spawn().expect("taskset of util-linux"))
    }

    /// The same, for a command with more to it; it pins itself by `taskset` in front.
    pub(crate) fn spawn(mut command: Command) -> Self {
        Self(command.spawn().expect("a command that runs"))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The command itself, for its output.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// CPU time of all its threads and children so far.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = family(self.id()).into_iter().flat_map(threads);
        Duration::from_nanos(threads.map(|path| on_cpu(&path)).sum())
    }

    /// Resident memory of it and its children, bytes.
    pub(crate) fn resident(&self) -> u64 {
        let of = |id| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or_default() * 1024
        };
        family(self.id()).into_iter().map(of).sum()
    }

    /// It and its children.
    pub(crate) fn family(&self) -> Vec<u32> {
        family(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.id().cast_signed()) {
            kill_process(pid, Signal::TERM).unwrap_or_default();
        }
        drop(self.0.wait());
    }
}

/// Pins this process.
pub(crate) fn pin_self(core: usize) {
    let own = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-cp", &core.to_string(), &own])
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.expect("taskset of util-linux").success());
}

/// As many open files as the system lets us have.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, most).expect("the hard limit is allowed");
}

fn family(id: u32) -> Vec<u32> {
    let mut all = vec![id];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        for thread in threads(parent) {
            let children = fs::read_to_string(format!("{thread}/children")).unwrap_or_default();
            all.extend(children.split_whitespace().flat_map(str::parse::<u32>));
        }
        at += 1;
    }
    all
}

fn threads(id: u32) -> Vec<String> {
    let folder = format!("/proc/{id}/task");
    let Ok(entries) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| format!("{folder}/{}", entry.file_name().display()))
        .collect()
}

/// Nanoseconds on a CPU, of one thread (`Documentation/scheduler/sched-stats.rst` of Linux).
fn on_cpu(thread: &str) -> u64 {
    let text = fs::read_to_string(format!("{thread}/schedstat")).unwrap_or_default();
    let first = text.split_whitespace().next();
    first
        .and_then(|nanos| nanos.parse().ok())
        .unwrap_or_default()
}
