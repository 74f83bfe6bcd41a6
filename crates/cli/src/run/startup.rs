//! Time before the first step.

use gpu_core::Counters;
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// Marks the start of the process.
pub fn begin() {
    BEGUN.get_or_init(Instant::now);
}

/// The time since the process began, in laps.
#[derive(Clone, Debug)]
pub struct Startup {
    begun: Instant,
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
    /// The executor's work on shaders so far.
    shaders: Counters,
}

impl Default for Startup {
    /// Starts at [`begin`], or now.
    fn default() -> Self {
        let begun = *BEGUN.get_or_init(Instant::now);
        Self { begun, last: begun, laps: Vec::new(), shaders: Counters::default() }
    }
}

impl Startup {
    /// Records the time since the last lap under the name `what`.
    pub fn lap(&mut self, what: &'static str) {
        let now = Instant::now();
        self.laps.push((what, now - self.last));
        self.last = now;
    }

    /// Records the executor's work on shaders.
    pub fn shaders(&mut self, counters: Counters) {
        self.shaders = counters;
    }

    fn total(&self) -> Duration {
        self.last - self.begun
    }

    /// The laps in milliseconds.
    pub fn to_json(&self) -> Value {
        let ms = |time: Duration| json!(time.as_secs_f64() * 1e3);
        let laps: Map<String, Value> =
            self.laps.iter().map(|(what, took)| (format!("{}_ms", what.replace(' ', "_")), ms(*took))).collect();
        let Counters { modules, pipelines, compiling, first_dispatches, .. } = self.shaders;
        json!({
            "total_ms": ms(self.total()),
            "parts": laps,
            "modules": modules,
            "pipelines": pipelines,
            "pipelines_ms": ms(compiling),
            "first_dispatches_ms": ms(first_dispatches),
        })
    }
}

impl fmt::Display for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(what, took): &(&str, Duration)| format!("{what} {:.2}", took.as_secs_f64());
        let parts: Vec<String> = self.laps.iter().map(part).collect();
        write!(f, "the first step was done after {:.2} s: {}", self.total().as_secs_f64(), parts.join(", "))?;
        let Counters { modules, pipelines, compiling, first_dispatches, .. } = self.shaders;
        if pipelines == 0 {
            return Ok(());
        }
        let compiling = compiling.as_secs_f64();
        write!(f, "; {compiling:.2} of it went into {pipelines} pipelines from {modules} modules")?;
        if !first_dispatches.is_zero() {
            write!(f, ", and {:.2} beside it into first dispatches of them", first_dispatches.as_secs_f64())?;
        }
        Ok(())
    }
}
