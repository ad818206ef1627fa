//! What the system says of this process, for the metrics that every program has.

use std::fs;

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// This process now. `None`: the system does not say (no `/proc`), or there is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Of all threads, since the start.
    pub cpu_seconds: f64,
    /// Bytes in memory.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub virtual_size: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
}

impl Process {
    /// Asks; costs a look at each open descriptor's name.
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kibibytes = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            let number: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(number * 1024)
        };
        Self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a process does not run for ages"
            )]
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident: kibibytes("VmRSS:"),
            virtual_size: kibibytes("VmSize:"),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

fn open_fds() -> Option<u64> {
    let names = fs::read_dir("/proc/self/fd").ok()?;
    // One of them is the folder's own.
    u64::try_from(names.count()).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_files_and_uses_time() {
        let before = Process::now();
        let file = tempfile::tempfile().unwrap();
        let after = Process::now();
        drop(file);
        assert!(after.resident > Some(1 << 20) && after.virtual_size >= after.resident);
        assert!(after.open_fds > Some(3) && after.open_fds <= after.max_fds);
        assert!(after.cpu_seconds > 0.0 && after.cpu_seconds >= before.cpu_seconds);
    }
}
