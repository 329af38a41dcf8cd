//! Free ports on the loopback address. Two concurrent harnesses never pick the same one.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Context, Result, bail};

/// Below the ephemeral ports that kernels give to outgoing connections (32768 and up). Such a
/// connection could take the port between our check and the server's bind.
const RANGE: Range<u16> = 21_000..31_000;

/// A port that no other harness takes while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Holds the lock. Other harnesses skip the port even before its server has bound it.
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Result<Self> {
        let folder = std::env::temp_dir().join("podidentity-e2e-ports");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let size = RANGE.end - RANGE.start;
        // Any start works; different processes should rarely collide.
        let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(size))?;
        for step in 0..size {
            let number = RANGE.start + (start + step) % size;
            let file = folder.join(format!("{number}.lock"));
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
            let lock = lock.with_context(|| format!("cannot open {}", file.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("no free port on the loopback address between {} and {}", RANGE.start, RANGE.end)
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
