//! A headless browser in which tests open pages.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The names of browsers.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The advice where there is no browser.
pub(crate) const ADVICE: &str =
    "run `apt-get install chromium`, or name a browser of Chromium's kind with FRIT_BROWSER";

/// A browser that starts: `FRIT_BROWSER`, or the first on the search path.
pub(crate) fn browser() -> Option<String> {
    let named = std::env::var("FRIT_BROWSER").map(|name| vec![name]);
    let names = named.unwrap_or_else(|_| BROWSERS.map(String::from).into());
    let starts =
        |name: &String| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    names.into_iter().find(starts)
}

/// Opens a page with arguments of the browser, and returns its standard output. Time in the page goes by at once while
/// it waits, for as many milliseconds.
pub(crate) fn browse(page: &Path, time: u64, arguments: &[&str]) -> String {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new(browser().unwrap_or_else(|| panic!("no browser starts; {ADVICE}")));
    // In containers there is neither a separate sandbox nor much shared memory.
    command.args(["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]);
    command.arg(format!("--virtual-time-budget={time}"));
    command.arg(format!("--user-data-dir={}", profile.path().display())).args(arguments);
    let output = command.arg(format!("file://{}", page.display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
