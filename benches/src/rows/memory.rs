//! Memory of a worker, alone and with responses that stand still.

use super::Subjects;
use crate::error::BenchError;
use crate::load::Load;
use crate::process::Subject;
use crate::report::{Budget, Row};

/// Streams at once: many, and more.
const MANY: usize = 1_000;
const MORE: usize = 5_000;

pub async fn rows(subjects: &Subjects, load: &Load) -> Result<Vec<Row>, BenchError> {
    let Subjects { ours, floor, .. } = subjects;
    // Before the streams, whose pools stay.
    let idle = idle(subjects)?;
    let many = [per_stream(ours, load, MANY).await?, per_stream(floor, load, MANY).await?];
    let more = per_stream(ours, load, MORE).await?;
    let budget = &[Budget::AtMost(128.0)];
    let name = |streams: &str| format!("memory per stream, {streams} at once");
    Ok(vec![
        idle,
        Row::new(&name("1,000"), "KiB", &many[..1], &[], &many[1..], budget),
        Row::new(&name("5,000"), "KiB", &[more], &[], &[], budget),
    ])
}

fn idle(subjects: &Subjects) -> Result<Row, BenchError> {
    let mebibytes =
        |subject: &Subject| Ok::<_, BenchError>(subject.memory()? as f64 / f64::from(1 << 20));
    Ok(Row::new(
        "memory of an idle worker",
        "MiB",
        &[mebibytes(&subjects.ours)?],
        &[mebibytes(&subjects.peer)?],
        &[mebibytes(&subjects.floor)?],
        &[Budget::AtMost(60.0)],
    ))
}

/// Memory of a response that stands still, in KiB.
async fn per_stream(subject: &Subject, load: &Load, streams: usize) -> Result<f64, BenchError> {
    let before = subject.memory()?;
    let replies = load.hold(subject, streams).await?;
    let held = subject.memory()?.saturating_sub(before) as f64 / streams as f64 / 1024.0;
    drop(replies);
    Ok(held)
}
