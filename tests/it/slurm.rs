//! The Slurm executor on a real cluster of one machine: its own `munged`, `slurmctld` and `slurmd` on loopback, with two GPUs that are none.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use eigenscope::api::{Job, JobState, JobTask};
use eigenscope_server::jobs::slurm::{AutoDevice, Profile};
use eigenscope_server::server::Config;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::process::Server;
use crate::support::{TestApp, dims_request, npy, program};

/// A cluster; what it started ends with it.
struct Cluster {
    dir: TempDir,
    daemons: Vec<(&'static str, Child)>,
}

impl Cluster {
    /// Starts one; nothing, and a line that says why, where Slurm is not installed.
    async fn start() -> Option<Self> {
        let is_there = |name: &str| ["/usr/sbin", "/usr/bin", "/sbin"].iter().any(|folder| Path::new(folder).join(name).exists());
        let missing = ["munged", "slurmctld", "slurmd", "squeue"].into_iter().find(|name| !is_there(name));
        let is_root = output("id", &["-u"], &[]) == "0";
        if missing.is_some() || !is_root {
            println!("skipped: Slurm is tried as root with Debian's slurm-wlm and munge; {}", missing.unwrap_or("this is another user"));
            return None;
        }
        let dir = TempDir::new().expect("a folder");
        let at = dir.path().display().to_string();
        for folder in ["state", "spool"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        std::fs::write(dir.path().join("key"), npy(64, 8, 1)).expect("written");
        output("chmod", &["400", &format!("{at}/key")], &[]);
        let host = output("hostname", &["-s"], &[]);
        let (controller, node) = (free_port(), free_port());
        let config = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={at}/munge\nCryptoType=crypto/munge\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nAccountingStorageType=accounting_storage/none\n\
             JobAcctGatherType=jobacct_gather/none\nMpiDefault=none\nReturnToService=2\nGresTypes=gpu\nStateSaveLocation={at}/state\n\
             SlurmdSpoolDir={at}/spool\nSlurmctldPidFile={at}/ctld.pid\nSlurmdPidFile={at}/d.pid\nSlurmctldLogFile={at}/ctld.log\n\
             SlurmdLogFile={at}/d.log\nSlurmdParameters=config_overrides\nSlurmdTimeout=5\nSlurmctldTimeout=5\nKillWait=1\nSchedulerParameters=sched_interval=1,bf_interval=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=100 Gres=gpu:2 State=UNKNOWN\n\
             PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
        );
        std::fs::write(dir.path().join("slurm.conf"), config).expect("written");
        let gres = format!("NodeName={host} Name=gpu File=/dev/null\nNodeName={host} Name=gpu File=/dev/zero\n");
        std::fs::write(dir.path().join("gres.conf"), gres).expect("written");
        let mut cluster = Self { dir, daemons: Vec::new() };
        let (key, socket) = (format!("--key-file={at}/key"), format!("--socket={at}/munge"));
        let files = [format!("--pid-file={at}/m.pid"), format!("--log-file={at}/m.log"), format!("--seed-file={at}/seed")];
        cluster.daemon("munged", &[&["--force", "--foreground", &key, &socket][..], &files.each_ref().map(String::as_str)].concat());
        until("munged", async || cluster.dir.path().join("munge").exists()).await;
        cluster.start_controller(&["-c"]);
        cluster.start_node();
        until("an idle node", async || cluster.ask("sinfo", &["-h", "-o", "%t"]) == "idle").await;
        Some(cluster)
    }

    fn daemon(&mut self, name: &'static str, args: &[&str]) {
        let mut command = Command::new(name);
        command.args(args).envs(self.env()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push((name, command.spawn().unwrap_or_else(|e| panic!("{name} starts: {e}"))));
    }

    fn start_controller(&mut self, args: &[&str]) {
        let config = self.dir.path().join("slurm.conf").display().to_string();
        self.daemon("slurmctld", &[&["-D", "-f", &config], args].concat());
    }

    fn start_node(&mut self) {
        let config = self.dir.path().join("slurm.conf").display().to_string();
        self.daemon("slurmd", &["-D", "-f", &config]);
    }

    /// Ends a daemon: with "-9" as a machine that loses its power does, else in order.
    fn end(&mut self, name: &str, how: &str) {
        let at = self.daemons.iter().position(|(known, _)| *known == name).expect("it runs");
        let (_, mut child) = self.daemons.remove(at);
        output("kill", &[how, &child.id().to_string()], &[]);
        child.wait().expect("it ended");
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("SLURM_CONF".into(), self.dir.path().join("slurm.conf").display().to_string())]
    }

    fn ask(&self, command: &str, args: &[&str]) -> String {
        output(command, args, &self.env())
    }

    /// States of the tasks on the cluster that are not over, one a line.
    fn states(&self) -> Vec<String> {
        self.ask("squeue", &["-h", "-r", "-o", "%T"]).lines().map(str::to_owned).collect()
    }

    fn n_running(&self) -> usize {
        self.states().iter().filter(|state| *state == "RUNNING").count()
    }

    fn trace(&self) -> PathBuf {
        self.dir.path().join("trace")
    }

    /// What was started, one line each: the task's place and its GPU.
    fn started(&self) -> Vec<String> {
        std::fs::read_to_string(self.trace()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// A server on this cluster whose jobs have tasks of about so much arithmetic, and misbehave as told.
    fn setup(&self, task_flops: f64, how: &str) -> impl FnOnce(&mut Config) + use<> {
        let trace = format!("echo \"$SLURM_ARRAY_TASK_ID ${{CUDA_VISIBLE_DEVICES-none}}\" >> '{}'", self.trace().display());
        let profile = Profile {
            auto_device: AutoDevice::Gpu,
            prologue: vec![trace],
            extra: vec!["--mem=1".into()],
            poll_secs: 0.3,
            settle_secs: 0.5,
            ..Profile::default()
        };
        let mut env = self.env();
        env.push(("EIGENSCOPE_TEST_CRASH".into(), how.into()));
        move |config| {
            (config.task_flops, config.task_env, config.slurm, config.workers) = (task_flops, env, Some(profile), 8);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.daemons.iter().any(|(name, _)| *name == "slurmctld") {
            self.ask("scancel", &["--me"]);
            for _ in 0..40 {
                if self.states().is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        for (_, child) in self.daemons.iter_mut().rev() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn output(command: &str, args: &[&str], env: &[(String, String)]) -> String {
    let said = Command::new(command).args(args).envs(env.iter().cloned()).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
}

/// Kills the processes that have a path of this test on their command line; gives how many.
fn kill_all(path: &str) -> usize {
    let pids = output("pgrep", &["-f", "--", path], &[]);
    let pids: Vec<&str> = pids.lines().collect();
    if !pids.is_empty() {
        output("kill", &[&["-9"], pids.as_slice()].concat(), &[]);
    }
    pids.len()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !is().await {
        assert!(start.elapsed().as_secs() < 90, "{what}: not in a minute and a half");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn tasks(app: &TestApp, job: &Job) -> Vec<JobTask> {
    app.get(&format!("/api/v1/jobs/{}/tasks", job.id)).await.read()
}

/// Flops that make three tasks of 40 x 12, and six.
const THREE: f64 = 2000.0;
const SIX: f64 = 1000.0;

async fn submit(app: &TestApp, device: &str) -> Job {
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let mut request = dims_request(&data.id);
    request["device"] = json!(device);
    app.post("/api/v1/jobs", &request).await.read()
}

async fn result(app: &TestApp, job: &Job) -> serde_json::Value {
    app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json()
}

/// What this machine gives.
async fn local_result(task_flops: f64) -> serde_json::Value {
    let app = TestApp::start_with(|config| config.task_flops = task_flops).await;
    let job = submit(&app, "cpu").await;
    app.wait_for(&job.id, JobState::Done).await;
    result(&app, &job).await
}

async fn log(app: &TestApp, job: &Job, i: usize) -> String {
    String::from_utf8_lossy(&app.get(&format!("/api/v1/jobs/{}/tasks/{i}/log", job.id)).await.body).into_owned()
}

#[tokio::test]
async fn a_job_on_the_cluster_gives_the_result_of_this_machine_and_gpus_have_one_task_each() {
    let Some(cluster) = Cluster::start().await else { return };
    let app = TestApp::start_with(cluster.setup(SIX, "pause")).await;
    let job = submit(&app, "auto").await;
    let (mut most, mut is_done) = (0, false);
    while !is_done {
        most = most.max(cluster.n_running());
        let now: Job = app.get(&format!("/api/v1/jobs/{}", job.id)).await.read();
        assert!(now.error.is_none(), "{now:?}");
        is_done = now.state == JobState::Done;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(most, 2, "two GPUs: both are used, and never by more than two tasks");
    let started = cluster.started();
    let n_tasks = tasks(&app, &job).await.len();
    assert!(n_tasks >= 5, "several tasks and one that joins them: {n_tasks}");
    assert_eq!(started.len(), n_tasks, "each started once: {started:?}");
    for gpu in ["0", "1"] {
        assert!(started.iter().any(|line| line.ends_with(&format!(" {gpu}"))), "GPU {gpu} was used: {started:?}");
    }
    assert_eq!(result(&app, &job).await, local_result(SIX).await);
    let said = log(&app, &job, 0).await;
    assert!(said.contains("submitted to Slurm as") && said.contains("started on ") && said.contains("planted pause\n"), "{said}");

    // Tasks on the CPU have no GPU.
    std::fs::remove_file(cluster.trace()).expect("there were starts");
    app.call(Method::DELETE, &format!("/api/v1/jobs/{}", job.id), Body::empty()).await;
    let job = submit(&app, "cpu").await;
    app.wait_for(&job.id, JobState::Done).await;
    assert!(cluster.started().iter().all(|line| line.ends_with(" none")), "no task had a GPU: {:?}", cluster.started());
    app.stop().await;
}

#[tokio::test]
async fn a_killed_task_is_started_again_and_one_that_always_crashes_fails_with_its_last_words() {
    let Some(cluster) = Cluster::start().await else { return };
    let app = TestApp::start_with(cluster.setup(THREE, "hang-once task-1")).await;
    let job = submit(&app, "cpu").await;
    let folder = app.dir.path().join("data/tasks").join(&job.id).join("task-1");
    until("the task hangs", async || folder.join("hung").exists()).await;
    assert!(kill_all(&format!("--dir {}", folder.display())) > 0, "the task was killed");
    app.wait_for(&job.id, JobState::Done).await;
    assert_eq!(result(&app, &job).await, local_result(THREE).await);
    let told = tasks(&app, &job).await;
    assert_eq!(told.iter().map(|task| task.attempts).collect::<Vec<_>>(), [1, 2, 1, 1]);
    assert!(log(&app, &job, 1).await.contains("killed by signal 9"), "the log says why");
    assert_eq!(cluster.started().len(), 5, "four processes, one of them twice");
    let dir = app.stop().await;

    let app = TestApp::start_in(dir, cluster.setup(1e12, "abort")).await;
    let job = submit(&app, "auto").await;
    let error = app.wait_for(&job.id, JobState::Failed).await.error.expect("an error").message;
    assert!(error.contains("killed by signal 6") && error.contains("planted abort"), "{error}");
    assert_eq!(tasks(&app, &job).await[0].attempts, 3);
    app.stop().await;
}

#[tokio::test]
async fn canceling_ends_the_tasks_on_the_cluster_within_two_seconds() {
    let Some(cluster) = Cluster::start().await else { return };
    let app = TestApp::start_with(cluster.setup(THREE, "hang")).await;
    let mut best = Duration::MAX;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let mut request = dims_request(&data.id);
    request["device"] = json!("cpu");
    request["priority"] = json!(-7);
    // A machine that is busy with something else may be late once, not three times.
    for _ in 0..3 {
        let job: Job = app.post("/api/v1/jobs", &request).await.read();
        until("three tasks run", async || cluster.n_running() == 3).await;
        let nice = cluster.ask("squeue", &["-h", "-r", "-o", "%y"]);
        assert!(nice.lines().all(|nice| nice.trim() == "7"), "a lower priority is a nicer job: {nice}");
        app.wait(&job.id, |job| job.step.ends_with("hanging")).await;
        let folder = app.dir.path().join("data/tasks").join(&job.id).display().to_string();
        let start = Instant::now();
        app.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!(null)).await;
        until("no task runs", async || cluster.n_running() == 0 && output("pgrep", &["-f", "--", &folder], &[]).is_empty()).await;
        best = best.min(start.elapsed());
        until("the folder goes", async || !Path::new(&folder).exists()).await;
        if best.as_secs_f64() < 2.0 {
            break;
        }
    }
    println!("cancel of three tasks on the cluster: {} ms", best.as_millis());
    assert!(best.as_secs_f64() < 2.0, "{best:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_restarted_server_finds_its_tasks_again_and_submits_none_twice() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let app = TestApp::start_with(cluster.setup(THREE, "hang-once task-2")).await;
    let job = submit(&app, "cpu").await;
    let folder = |app: &TestApp| app.dir.path().join("data/tasks").join(&job.id);
    until("a task hangs and the others are done", async || {
        let is_there = |name: &str| folder(&app).join(name).exists();
        is_there("task-2/hung") && is_there("task-0/result.eigr") && is_there("task-1/result.eigr")
    })
    .await;
    let dir = app.stop().await;
    // Those that are done may take a moment to leave; what hangs goes on without the server.
    until("one task runs", async || cluster.n_running() == 1).await;

    // The server was killed before it could note the number that Slurm gave.
    let file = dir.path().join("data/tasks").join(&job.id).join("slurm.json");
    let mut noted: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("noted")).expect("JSON");
    noted[0]["id"] = json!(null);
    std::fs::write(&file, noted.to_string()).expect("written");
    // And the controller is away when the next one comes.
    cluster.end("slurmctld", "-15");
    let app = TestApp::start_in(dir, cluster.setup(THREE, "hang-once task-2")).await;
    app.wait(&job.id, |job| job.state == JobState::Running).await;
    cluster.start_controller(&[]);
    app.wait(&job.id, |job| job.step == "task 3 of 3: hanging").await;
    assert_eq!(cluster.started().len(), 3, "nothing was started twice: {:?}", cluster.started());
    let task = folder(&app).join("task-2").display().to_string();
    assert!(kill_all(&format!("--dir {task}")) > 0, "the task that hangs is killed");
    app.wait_for(&job.id, JobState::Done).await;
    assert_eq!(result(&app, &job).await, local_result(THREE).await);
    assert_eq!(cluster.started().len(), 5, "only the task that was killed ran twice: {:?}", cluster.started());
    app.stop().await;
}

#[tokio::test]
async fn a_dead_node_s_tasks_are_requeued_and_count_once() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let app = TestApp::start_with(cluster.setup(THREE, "hang-once task-1")).await;
    let job = submit(&app, "cpu").await;
    let folder = app.dir.path().join("data/tasks").join(&job.id);
    until("a task hangs and the others are done", async || {
        let is_there = |name: &str| folder.join(name).exists();
        is_there("task-1/hung") && is_there("task-0/result.eigr") && is_there("task-2/result.eigr")
    })
    .await;
    // The node loses its power: daemon, its helper, task.
    let task = output("pgrep", &["-f", "--", &format!("--dir {}", folder.join("task-1").display())], &[]);
    let helper = output("ps", &["-o", "ppid=", "-p", &task], &[]);
    cluster.end("slurmd", "-9");
    output("kill", &["-9", &helper, &task], &[]);
    until("the cluster notices and queues the task again", async || cluster.states() == ["PENDING"]).await;
    let now: Job = app.get(&format!("/api/v1/jobs/{}", job.id)).await.read();
    assert_eq!(now.state, JobState::Running, "the job goes on: {now:?}");
    app.wait(&job.id, |job| job.step.starts_with("waiting in Slurm (")).await;
    cluster.start_node();
    until("the node is back", async || cluster.ask("sinfo", &["-h", "-o", "%t"]) == "idle").await;
    // Slurm waits two minutes before it starts a requeued job; an operator may say that there is no need.
    let id = cluster.ask("squeue", &["-h", "-r", "-o", "%A"]);
    cluster.ask("scontrol", &["update", &format!("JobId={id}"), "StartTime=now"]);
    app.wait_for(&job.id, JobState::Done).await;
    assert_eq!(result(&app, &job).await, local_result(THREE).await);
    let told = tasks(&app, &job).await;
    let said = log(&app, &job, 1).await;
    // A node that comes back may kill what was just started on it once more, as part of the failure (`CANCELLED … DUE TO NODE FAILURE`): then
    // the task is submitted anew, which is a third attempt of it and of nothing else.
    let again = u32::from(said.contains("DUE TO NODE FAILURE") && said.matches("submitted to Slurm as").count() == 2);
    assert_eq!(told.iter().map(|task| task.attempts).collect::<Vec<_>>(), [1, 2 + again, 1, 1], "{told:?} {said}");
    assert!(said.contains("the cluster starts it again"), "{said}");
    let started = cluster.started();
    let most = 5 + usize::try_from(again).expect("0 or 1");
    assert!((5..=most).contains(&started.len()), "the pieces that were there were not computed again: {started:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_killed_server_leaves_its_tasks_to_the_next_one() {
    let Some(cluster) = Cluster::start().await else { return };
    // Nothing runs yet: the job waits for the program.
    let app = TestApp::start_with(|config| config.workers = 0).await;
    let job = submit(&app, "cpu").await;
    let dir = app.stop().await;
    let profile = cluster.dir.path().join("profile.toml");
    let options = format!("prologue = [\"echo once >> {}\"]\npoll_secs = 0.3\nsettle_secs = 0.5\n", cluster.trace().display());
    std::fs::write(&profile, options).expect("written");
    let data = dir.path().join("data");
    let mut command = Command::new(program());
    command
        .args(["serve", "--port", "0", "--token", "t", "--executor", "slurm", "--slurm-profile"])
        .arg(&profile)
        .arg("--data-dir")
        .arg(&data);
    command.envs(cluster.env()).env("EIGENSCOPE_TEST_CRASH", "hang-once").stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = command.spawn().expect("the program starts");
    let folder = data.join("tasks").join(&job.id);
    until("the task hangs", async || folder.join("hung").exists()).await;
    server.kill().expect("killed");
    server.wait().expect("it ended");
    assert_eq!(cluster.n_running(), 1, "the task goes on");

    let app = TestApp::start_in(dir, cluster.setup(eigenscope::tasks::TASK_FLOPS, "hang-once")).await;
    app.wait(&job.id, |job| job.step == "hanging").await;
    assert_eq!(cluster.started().len(), 1, "it was not submitted again");
    assert!(kill_all(&format!("--dir {}", folder.display())) > 0, "the task that hangs is killed");
    app.wait_for(&job.id, JobState::Done).await;
    assert_eq!(tasks(&app, &job).await[0].attempts, 2);
    assert_eq!(result(&app, &job).await, local_result(eigenscope::tasks::TASK_FLOPS).await);
    app.stop().await;
}

/// Stands for an object store; ends with the test.
struct ObjectStore {
    child: Child,
    origin: String,
}

impl ObjectStore {
    /// Starts one with a bucket; nothing, and a line that says why, where there is no Python with moto.
    async fn start(bucket: &str) -> Option<Self> {
        let python = std::env::var("EIGENSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        if !Command::new(&python).args(["-c", "import moto.server"]).output().is_ok_and(|out| out.status.success()) {
            println!("skipped: no Python with moto; set EIGENSCOPE_PYTHON to one");
            return None;
        }
        let port = free_port();
        let mut command = Command::new(&python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let store = Self { child: command.spawn().expect("moto starts"), origin: format!("http://127.0.0.1:{port}") };
        let agent = ureq::Agent::new_with_defaults();
        let address = format!("{}/{bucket}", store.origin);
        until("a bucket", async || agent.put(&address).send_empty().is_ok()).await;
        Some(store)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // It may be dead already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn tasks_on_the_cluster_fetch_from_the_object_store_what_the_data_folder_has_not() {
    let Some(objects) = ObjectStore::start("lab").await else { return };
    let Some(cluster) = Cluster::start().await else { return };
    let dir = TempDir::new().expect("a folder");
    let profile = dir.path().join("profile.toml");
    let secrets = "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test";
    std::fs::write(&profile, format!("prologue = [\"{secrets}\"]\npoll_secs = 0.3\nsettle_secs = 0.5\n")).expect("written");
    let mut env = cluster.env();
    let of_store = [("ENDPOINT_URL", &*objects.origin), ("ALLOW_HTTP", "true"), ("REGION", "us-east-1")];
    let secret = [("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")];
    env.extend(of_store.into_iter().chain(secret).map(|(name, value)| (format!("AWS_{name}"), value.to_owned())));
    let expected = local_result(eigenscope::tasks::TASK_FLOPS).await;
    let got = tokio::task::spawn_blocking({
        let (data, profile) = (dir.path().join("data"), profile.display().to_string());
        move || {
            let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
            let args = ["--executor", "slurm", "--slurm-profile", &profile, "--blobs", "s3://lab/data"];
            let server = Server::start_with(&data, &args, &env);
            let uploaded = server.fetch("POST", "/api/v1/datasets?name=X.npy", "application/json", &npy(40, 12, 3));
            let dataset: serde_json::Value = serde_json::from_slice(&uploaded).expect("a dataset");
            let id = dataset["id"].as_str().expect("an id");
            let here = data.join("blobs").join(&id[..2]).join(id);
            std::fs::remove_file(&here).expect("the data folder had it");
            let mut request = dims_request(id);
            request["device"] = json!("cpu");
            let job: Job = server.read("POST", "/api/v1/jobs", request.to_string().as_bytes());
            let job = server.wait(&job.id, |job| job.state.is_final());
            assert_eq!(job.state, JobState::Done, "{job:?}");
            assert!(!here.exists(), "nobody needed it in the data folder");
            server.read::<serde_json::Value>("GET", &format!("/api/v1/jobs/{}/result", job.id), &[])
        }
    });
    assert_eq!(got.await.expect("no panic"), expected);
}
