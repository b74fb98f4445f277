//! What the processes of a job on the server did and said, when somebody wants to know.

use eigenscope::api::{JobState, JobTask, TaskKind};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::item::duration_text;
use super::state_word;
use crate::server;
use crate::state::{Place, Run};

/// Tasks that are listed; of more the rest is counted.
const SHOWN: usize = 50;

/// A part of the card that opens; what is in it is asked for each time it opens or closes.
pub(super) fn details(run: &Run) -> AnyView {
    let (place, state) = (run.place, run.state);
    let job = move || place.with(|place| if let Place::Server(Some(id)) = place { Some(id.clone()) } else { None });
    let said = RwSignal::new(String::new());
    let toggled = move |_| {
        if let Some(job) = job() {
            spawn_local(async move { said.set(told(&job).await) });
        }
    };
    view! {
        <Show when=move || job().is_some() && matches!(state.get(), JobState::Running | JobState::Failed)>
            <details class="small" data-testid="run-log" on:toggle=toggled>
                <summary>"What its processes say"</summary>
                <pre class="log">{said}</pre>
            </details>
        </Show>
    }
    .into_any()
}

/// The tasks of a job, and the log of the one that people look for: that failed, or else that runs.
async fn told(job: &str) -> String {
    let tasks = match server::tasks(job).await {
        Ok(tasks) => tasks,
        Err(error) => return error.message,
    };
    let mut out: String = tasks.iter().take(SHOWN).map(|task| line(task) + "\n").collect();
    if tasks.len() > SHOWN {
        out += &format!("and {} others\n", tasks.len() - SHOWN);
    }
    let wanted = |state| tasks.iter().find(|task| task.state == state);
    if let Some(task) = wanted(JobState::Failed).or_else(|| wanted(JobState::Running)).or(tasks.last()) {
        let log = server::task_log(job, task.i).await.unwrap_or_else(|error| error.message);
        out += &format!("\n{}:\n{log}", name(task));
    }
    out
}

fn name(task: &JobTask) -> String {
    match task.kind {
        TaskKind::Whole => "process".into(),
        TaskKind::Part => format!("task {}", task.i + 1),
        TaskKind::Join => "joining".into(),
    }
}

fn line(task: &JobTask) -> String {
    let starts = if task.attempts > 1 { format!(", started {} times", task.attempts) } else { String::new() };
    let ran = task.ran_secs.map(|secs| format!(", {}", duration_text(secs))).unwrap_or_default();
    format!("{}: {}{starts}{ran}", name(task), state_word(task.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_told_in_a_line() {
        let task = JobTask {
            i: 2,
            kind: TaskKind::Part,
            state: JobState::Failed,
            attempts: 3,
            started_ms: Some(1),
            ended_ms: Some(2),
            ran_secs: Some(65.4),
        };
        assert_eq!(line(&task), "task 3: failed, started 3 times, 1 min 05 s");
        assert_eq!(line(&JobTask { kind: TaskKind::Whole, attempts: 1, ran_secs: None, ..task }), "process: failed");
    }
}
