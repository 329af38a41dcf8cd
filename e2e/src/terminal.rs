//! A real terminal, by tmux: what a program shows, and how it reacts to keys.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::wait::DEADLINE;

/// Interval of reading the screen.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a program is installed.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A terminal that runs a program. Both end when this is dropped.
pub struct Terminal {
    // Holds the socket of a separate tmux server.
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Opens a terminal of this many columns and rows and runs a command line in it with these
    /// variables.
    pub fn open(size: (u16, u16), command: &[&str], env: &[(&str, &str)]) -> Result<Self> {
        let terminal = Self { folder: tempfile::tempdir()? };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let mut args = vec!["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows];
        let variables: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for variable in &variables {
            args.extend(["-e", variable]);
        }
        args.extend(command);
        terminal.tmux_with(&args, env)?;
        // The screen of a program that has ended stays readable.
        terminal.tmux(&["set-option", "-g", "remain-on-exit", "on"])?;
        Ok(terminal)
    }

    /// Presses keys by their tmux names: `Tab`, `C-c`.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Types a text.
    pub fn write(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text]).map(drop)
    }

    /// The content of the screen.
    pub fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until `check` accepts the screen.
    pub fn until(&self, what: &str, mut check: impl FnMut(&str) -> bool) -> Result<String> {
        let began = Instant::now();
        loop {
            let screen = self.screen()?;
            if check(&screen) {
                return Ok(screen);
            }
            if began.elapsed() > DEADLINE {
                bail!("waited for: {what}; the screen shows\n{screen}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Resizes the terminal, in columns and rows.
    pub fn resize(&self, size: (u16, u16)) -> Result<()> {
        self.tmux(&["resize-window", "-x", &size.0.to_string(), "-y", &size.1.to_string()]).map(drop)
    }

    /// Evaluates a tmux format, for example `#{cursor_flag}`, which is 1 while the cursor is
    /// visible.
    pub fn asked(&self, format: &str) -> Result<String> {
        Ok(self.tmux(&["display-message", "-p", format])?.trim_end().to_owned())
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        self.tmux_with(args, &[])
    }

    /// Runs tmux with environment variables: tmux never takes PATH from `-e`.
    fn tmux_with(&self, args: &[&str], env: &[(&str, &str)]) -> Result<String> {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.socket()).args(args).env_remove("TMUX").envs(env.iter().copied());
        let output = tmux.output();
        let output = output.context("cannot run tmux: apt-get install tmux")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmux {}: {error}", args.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server has already ended if everything in it has.
        let _ = self.tmux(&["kill-server"]);
    }
}
