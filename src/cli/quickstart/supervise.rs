//! `labgate supervise` (hidden): runs one program and leaves nothing of it behind.
//!
//! In: an [`Order`] on stdin, which then stays open as a leash. When the program ends, or the leash
//! does because labgate stopped, crashed or was killed, the program and everything that it started
//! are ended: first by SIGTERM, then by SIGKILL. Kernels have sessions of their own and daemons
//! leave their parents, so neither a process group nor the terminal reaches them all; as a
//! "child subreaper" (prctl(2)) this process becomes the parent of each.
//! A process of its own, since labgate itself must not reap or end what is not its own.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, kill_process, pidfd_open,
        set_child_subreaper, setsid, wait,
    },
};

use super::order::Order;
use crate::cli::{exit::Exit, serve::tell};

/// Runs what stdin orders. Gives the program's exit code, or 128 plus the signal that ended it.
pub(in crate::cli) fn run() -> Exit {
    let order = match Order::read(&mut io::stdin().lock()) {
        Ok(order) => order,
        Err(error) => {
            tell(&format!("labgate supervise: no order on stdin: {error}"));
            return Exit::Usage;
        }
    };
    let code = supervise(&order).unwrap_or_else(|error| {
        tell(&format!(
            "cannot run {}: {error}",
            Path::new(&order.program).display()
        ));
        CANNOT_RUN
    });
    if let Some(socket) = &order.socket {
        clear(socket);
    }
    Exit::Passed(code)
}

/// Removes a socket and its folder, unless something else is in it.
pub(super) fn clear(socket: &Path) {
    // Either may be gone already.
    drop(fs::remove_file(socket));
    drop(socket.parent().map(fs::remove_dir));
}

fn supervise(order: &Order) -> io::Result<u8> {
    // Away from the terminal, whose Ctrl-C is for labgate alone. Fails where we have a session.
    setsid().ok();
    set_child_subreaper(Some(getpid()))?;
    // `Job::reap` waits for it and for all others.
    let child = Command::new(&order.program)
        .args(&order.arguments)
        .stdin(Stdio::null())
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    let mut job = Job { pid, ended: None };
    job.run_until_let_go()?;
    Ok(job.stop())
}

/// The program, and all processes that come from it.
#[derive(Debug)]
struct Job {
    pid: Pid,
    ended: Option<WaitStatus>,
}

impl Job {
    /// Returns when the program ended or the leash did.
    fn run_until_let_go(&mut self) -> io::Result<()> {
        let leash = io::stdin();
        let program = pidfd_open(self.pid, PidfdFlags::empty()).ok();
        // Orphans that end are to be reaped now and then; without a pidfd (before Linux 5.3) so is
        // the program itself.
        let nap = if program.is_some() {
            Duration::from_secs(5)
        } else {
            SHORTLY
        };
        let nap = Timespec::try_from(nap).map_err(|_| io::ErrorKind::InvalidInput)?;
        loop {
            self.reap();
            if self.ended.is_some() {
                return Ok(());
            }
            let mut watched = vec![PollFd::new(&leash, PollFlags::IN)];
            watched.extend(program.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
            match poll(&mut watched, Some(&nap)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if watched
                .first()
                .is_some_and(|leash| !leash.revents().is_empty())
            {
                return Ok(());
            }
        }
    }

    /// Ends what still runs; the exit code.
    fn stop(&mut self) -> u8 {
        if self.ended.is_none() {
            tell_to_end(self.pid, Signal::TERM);
            let patience = Instant::now() + ORDERLY;
            while self.ended.is_none() && self.reap() && Instant::now() < patience {
                thread::sleep(SHORTLY);
            }
        }
        self.end_the_rest(Signal::TERM);
        self.end_the_rest(Signal::KILL);
        self.ended.map_or(CANNOT_RUN, code)
    }

    /// Sends a signal once to each child that is left, and to those that come to us meanwhile.
    fn end_the_rest(&mut self, signal: Signal) {
        let patience = Instant::now() + LEFTOVERS;
        let mut told = Vec::new();
        while self.reap() && Instant::now() < patience {
            for child in children() {
                if !told.contains(&child) {
                    told.push(child);
                    tell_to_end(child, signal);
                }
            }
            thread::sleep(SHORTLY);
        }
    }

    /// Takes notice of all children that ended; whether there are others. The only place that
    /// waits, so a pid that we signal is still that of our child.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => self.ended = Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

fn tell_to_end(pid: Pid, signal: Signal) {
    // It may have ended by itself, or be another user's (sudo in a terminal).
    kill_process(pid, signal).ok();
}

/// Our children now, adopted ones too; zombies count.
fn children() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ours = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.ok().and_then(|stat| parent(&stat)) == Some(getpid())
    };
    processes
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .parse()
                .ok()
                .and_then(Pid::from_raw)
        })
        .filter(ours)
        .collect()
}

/// The parent in a `/proc/PID/stat` (proc(5)). The second field is a name in parentheses, which may
/// itself hold spaces and parentheses.
fn parent(stat: &str) -> Option<Pid> {
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    Pid::from_raw(behind_the_name.split_whitespace().nth(1)?.parse().ok()?)
}

fn code(status: WaitStatus) -> u8 {
    let signal = || {
        status
            .terminating_signal()
            .map_or(i32::from(CANNOT_RUN), |signal| 128 + signal)
    };
    u8::try_from(status.exit_status().unwrap_or_else(signal)).unwrap_or(u8::MAX)
}

/// How long the program may take to end after SIGTERM.
const ORDERLY: Duration = Duration::from_secs(10);
/// How long what it left behind may take, for each signal.
const LEFTOVERS: Duration = Duration::from_secs(2);
const SHORTLY: Duration = Duration::from_millis(20);
/// As a shell says that there is no such program.
const CANNOT_RUN: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_pose_as_a_parent() {
        assert_eq!(
            parent("7 (sh) S 41 7 7 0").map(|pid| pid.as_raw_nonzero().get()),
            Some(41)
        );
        let sly = parent("7 (a) S 1 (b) S 42 7").map(|pid| pid.as_raw_nonzero().get());
        assert_eq!(sly, Some(42));
        assert_eq!(parent("7 (sh"), None);
        assert_eq!(parent("7 (sh) S"), None);
    }

    /// Not a test of its own: the others run this program again, with this variable, as a
    /// supervisor.
    #[test]
    fn acts_as_a_supervisor_when_asked() {
        if std::env::var_os(crate::cli::quickstart::supervised::ACT_AS_SUPERVISOR).is_some() {
            std::process::exit(run().code().into());
        }
    }
}
