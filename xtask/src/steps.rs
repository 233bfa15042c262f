//! A run of named steps: each is announced, timed, and ends the run when it fails.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps done so far.
#[derive(Debug)]
pub struct Steps {
    begun: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Starts the clock.
    #[must_use]
    pub fn begin() -> Self {
        Self { begun: Instant::now(), done: Vec::new() }
    }

    /// Does one step.
    ///
    /// # Errors
    /// The step's own, under its name.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("\n==> {name}"));
        let begun = Instant::now();
        let outcome = work();
        let took = begun.elapsed();
        match outcome {
            Ok(()) => {
                say(&format!("    {name}: ok in {}", seconds(took)));
                self.done.push((name, took));
                Ok(())
            }
            Err(error) => {
                say(&format!("    {name}: FAILED after {}", seconds(took)));
                Err(error).with_context(|| format!("step `{name}` failed"))
            }
        }
    }

    /// Prints what each step took, and the closing line.
    pub fn close(self, line: &str) {
        let width = self.done.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        say("");
        for (name, took) in &self.done {
            say(&format!("  {name:width$}  {:>12}", seconds(*took)));
        }
        say(&format!("{line} ({} in all)", seconds(self.begun.elapsed())));
    }
}

/// Writes one line to standard output. A closed pipe is no failure of the work.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A duration as people read it: `0.3 s`, `12 min 05 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failed_step_gives_its_name_and_its_reason() {
        let error = Steps::begin().step("lint", || bail!("one warning")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `lint` failed: one warning");
    }

    #[test]
    fn long_durations_read_in_minutes() {
        assert_eq!(seconds(Duration::from_millis(340)), "0.3 s");
        assert_eq!(seconds(Duration::from_secs(725)), "12 min 05 s");
    }
}
