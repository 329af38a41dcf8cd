//! Resource usage of the process, under the names that all Prometheus clients use.

#[cfg(target_os = "linux")]
use std::sync::LazyLock;

use super::catalogue::Catalogue;

#[cfg(target_os = "linux")]
pub(crate) fn register(catalogue: &mut Catalogue) {
    type Value = fn() -> Option<f64>;
    let once = |read: Value| move || read().map(|value| (Vec::new(), value)).into_iter().collect();
    catalogue.read_counter("process_cpu_seconds", "CPU time that the process has used, in seconds", once(cpu));
    catalogue.read_gauge("process_resident_memory_bytes", &[], "Memory of the process, in bytes", once(resident));
    catalogue.read_gauge("process_open_fds", &[], "Open files and connections of the process", once(open_files));
    catalogue.read_gauge("process_start_time_seconds", &[], "When the process was started, as Unix time", once(start));
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn register(_: &mut Catalogue) {}

#[cfg(target_os = "linux")]
fn stat() -> Option<procfs::process::Stat> {
    procfs::process::Process::myself().ok()?.stat().ok()
}

#[cfg(target_os = "linux")]
#[allow(clippy::cast_precision_loss)] // ticks of a CPU: exact for millions of years
fn cpu() -> Option<f64> {
    let stat = stat()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

#[cfg(target_os = "linux")]
#[allow(clippy::cast_precision_loss)] // bytes of memory: exact up to 8 PiB
fn resident() -> Option<f64> {
    Some((stat()?.rss * procfs::page_size()) as f64)
}

#[cfg(target_os = "linux")]
#[allow(clippy::cast_precision_loss)] // a count of files
fn open_files() -> Option<f64> {
    Some(procfs::process::Process::myself().ok()?.fd_count().ok()? as f64)
}

#[cfg(target_os = "linux")]
fn start() -> Option<f64> {
    static START: LazyLock<Option<f64>> = LazyLock::new(|| {
        let ticks = stat()?.starttime;
        let boot = procfs::boot_time_secs().ok()?;
        #[allow(clippy::cast_precision_loss)] // seconds since 1970
        Some(boot as f64 + ticks as f64 / procfs::ticks_per_second() as f64)
    });
    *START
}
