//! What a cluster wants to be told: a TOML file of the site.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eigenscope::DeviceChoice;
use serde::Deserialize;

/// Options of a Slurm cluster; every one has a default. `docs/slurm.toml` explains them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--time` of a task.
    pub time: Option<String>,
    /// `--mem` of a task.
    pub memory: Option<String>,
    /// `--cpus-per-task`; tasks use so many threads.
    pub cpus: Option<u32>,
    /// `--gres` of a task that computes on a GPU.
    pub gres: String,
    /// Where tasks compute of whose jobs it does not matter.
    pub auto_device: AutoDevice,
    /// Further arguments of `sbatch`.
    pub extra: Vec<String>,
    /// Lines of shell that run before each task.
    pub prologue: Vec<String>,
    /// The first line of the script.
    pub shell: String,
    /// This program as the nodes see it. Default: the server's own.
    pub program: Option<PathBuf>,
    /// Slurm's commands.
    pub sbatch: PathBuf,
    /// Slurm's commands.
    pub squeue: PathBuf,
    /// Slurm's commands.
    pub scancel: PathBuf,
    /// Tasks of one array at most; more make several arrays.
    pub max_array: usize,
    /// Seconds between two questions to the cluster.
    pub poll_secs: f64,
    /// Seconds that what a task wrote may take to be seen by the server.
    pub settle_secs: f64,
}

/// Where a task computes when its job leaves that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoDevice {
    /// On the CPU.
    Cpu,
    /// On a GPU that it asks for.
    Gpu,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            qos: None,
            time: None,
            memory: None,
            cpus: None,
            gres: "gpu:1".into(),
            auto_device: AutoDevice::Cpu,
            extra: Vec::new(),
            prologue: Vec::new(),
            shell: "/bin/sh".into(),
            program: None,
            sbatch: "sbatch".into(),
            squeue: "squeue".into(),
            scancel: "scancel".into(),
            max_array: 1000,
            poll_secs: 2.0,
            settle_secs: 5.0,
        }
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// One sentence: the file, the line and what is wrong.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("--slurm-profile {}: {e}", path.display()))?;
        Self::parse(&text).map_err(|e| format!("--slurm-profile {}: {e}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let message = e.message().replace('\n', " ");
            line.map_or(message.clone(), |line| format!("line {line}: {message}"))
        })?;
        let is_seconds = |secs: f64| (0.1..=600.0).contains(&secs);
        let texts = [&profile.partition, &profile.account, &profile.qos, &profile.time, &profile.memory];
        let wrong = if !is_seconds(profile.poll_secs) {
            "poll_secs must be between 0.1 and 600"
        } else if !is_seconds(profile.settle_secs) {
            "settle_secs must be between 0.1 and 600"
        } else if profile.max_array == 0 {
            "max_array must be at least 1"
        } else if profile.cpus == Some(0) {
            "cpus must be at least 1"
        } else if profile.shell.contains('\n') || !profile.shell.starts_with('/') {
            "shell must be one line that starts with the path of a shell"
        } else if texts.iter().any(|text| text.as_ref().is_some_and(String::is_empty)) {
            "an option is empty; leave it out instead"
        } else {
            return Ok(profile);
        };
        Err(wrong.into())
    }

    /// What a task is told that may compute anywhere.
    pub(super) fn device(&self, asked: DeviceChoice) -> DeviceChoice {
        match (asked, self.auto_device) {
            // Without a GPU of its own it must not take one that belongs to somebody else.
            (DeviceChoice::Auto, AutoDevice::Cpu) => DeviceChoice::Cpu,
            _ => asked,
        }
    }

    /// The options of `sbatch` for tasks on a device, as [`Self::device`] told.
    pub(super) fn options(&self, device: DeviceChoice) -> Vec<String> {
        let given = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name}={value}"));
        let named = [
            given("partition", &self.partition),
            given("account", &self.account),
            given("qos", &self.qos),
            given("time", &self.time),
            given("mem", &self.memory),
            given("cpus-per-task", &self.cpus.map(|n| n.to_string())),
            given("gres", &(device != DeviceChoice::Cpu).then(|| self.gres.clone())),
        ];
        named.into_iter().flatten().chain(self.extra.iter().cloned()).collect()
    }

    pub(super) fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.poll_secs)
    }

    pub(super) fn settle(&self) -> Duration {
        Duration::from_secs_f64(self.settle_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_a_profile() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/slurm.toml");
        let text = std::fs::read_to_string(path).expect("docs/slurm.toml");
        assert_eq!(Profile::parse(&text).expect("as it is, all options are comments"), Profile::default());
        // Every option, with the comment sign taken away.
        let all: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).or(line.strip_prefix("#")))
            .filter(|l| l.contains(" = "))
            .map(|l| format!("{l}\n"))
            .collect();
        let profile = Profile::parse(&all).expect("every option is known");
        assert_eq!((profile.partition.as_deref(), profile.cpus), (Some("gpu"), Some(8)));
        assert_eq!(all.lines().count(), 18, "every option has its line: {all}");
        let options = profile.options(profile.device(DeviceChoice::Cuda));
        assert!(options.contains(&"--gres=gpu:1".into()) && options.contains(&"--mem=32G".into()), "{options:?}");
        assert!(!profile.options(profile.device(DeviceChoice::Auto)).contains(&"--gres=gpu:1".into()));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, said) in [
            ("partition = \"a\"\nqueue = \"b\"\n", "line 2: unknown field `queue`"),
            ("cpus = \"four\"", "line 1: invalid type"),
            ("poll_secs = 0.0", "poll_secs"),
            ("shell = \"sh\"", "shell"),
            ("partition = ", "line 1"),
            ("partition = \"\"", "empty"),
        ] {
            let error = Profile::parse(text).expect_err("a mistake");
            assert!(error.contains(said) && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
