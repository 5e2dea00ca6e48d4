//! Engines as real processes: `doubles/engine.py` is the engine, `doubles/host.rs` its guard.
//!
//! Times are limits against hanging, never expectations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dynamo_host_engine::{
    Call, Command, Contact, Engine, EngineError, Framing, Guard, Policy, StartError, State,
    free_port,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpSocket;
use tracing::field::{Field, Visit};

const PATIENCE: Duration = Duration::from_secs(60);
const DOUBLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doubles/engine.py");
const HOST: &str = env!("CARGO_BIN_EXE_engine-host-double");

fn contact(port: u16) -> Contact {
    Contact { base_url: format!("http://127.0.0.1:{port}"), ready_path: "/ready".to_owned() }
}

fn double(port: u16, arguments: &[&str]) -> Command {
    let mut all = vec!["--port".to_owned(), port.to_string()];
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    Command {
        program: vec!["python3".to_owned(), DOUBLE.to_owned()],
        arguments: all,
        environment: vec![("ENGINE_DOUBLE_GREETING".to_owned(), "hello".to_owned())],
    }
}

fn policy() -> Policy {
    Policy { guard: Guard(PathBuf::from(HOST)), ..Policy::default() }
}

fn launch(arguments: &[&str]) -> Engine {
    let port = free_port().unwrap();
    Engine::launch(double(port, arguments), &contact(port), policy()).unwrap()
}

/// The numbers of the engine's processes, its first one first.
async fn pids(engine: &Engine) -> Vec<i32> {
    let (_, body) = engine.client().get("/pids", PATIENCE, 1000).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let numbers = text.trim_matches(['[', ']']).split(", ");
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// The process's state letter and parent; none if there is no such process.
fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

async fn until_gone(pids: &[i32]) {
    within(async {
        while pids.iter().any(|&pid| runs(pid)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn failure(engine: &Engine) -> StartError {
    let error = within(engine.wait_ready()).await.unwrap_err();
    assert_eq!(*engine.state().borrow(), State::Failed(error.clone().into()));
    error
}

#[tokio::test]
async fn an_engine_is_started_used_and_stopped() {
    let engine = launch(&["--children", "2", "--stray"]);
    assert_eq!(*engine.state().borrow(), State::Starting);
    assert_eq!(within(engine.wait_ready()).await, Ok(1));
    let pids = pids(&engine).await;
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|&pid| runs(pid)));
    within(engine.shutdown(PATIENCE)).await;
    // At once: shutdown waits until nothing is left, also of what ran in a session of its own.
    assert!(!pids.iter().any(|&pid| runs(pid)));
    assert_eq!(*engine.state().borrow(), State::Stopped);
    assert_eq!(within(engine.wait_ready()).await, Err(StartError::Stopped));
    within(engine.shutdown(PATIENCE)).await;
}

#[tokio::test]
async fn an_early_exit_is_told_with_its_last_lines() {
    let engine = launch(&["--exit-with", "3"]);
    let error = failure(&engine).await;
    let StartError::Exited { exit, last_lines } = &error else { panic!("{error:?}") };
    assert_eq!(exit, "exit status: 3");
    assert_eq!(last_lines.len(), 40);
    assert!(last_lines.iter().any(|line| line == "line 49"));
    assert!(last_lines.iter().any(|line| line == "out of memory"));
    assert!(error.to_string().contains("\n  | line 49"), "{error}");
    within(engine.shutdown(PATIENCE)).await;
}

#[tokio::test]
async fn an_engine_that_never_gets_ready_is_given_up_and_stopped() {
    let port = free_port().unwrap();
    let policy = Policy { start_timeout: Some(Duration::from_secs(3)), ..policy() };
    let command = double(port, &["--never-ready"]);
    let engine = Engine::launch(command, &contact(port), policy).unwrap();
    let error = failure(&engine).await;
    let StartError::NeverReady { why, last_lines, .. } = &error else { panic!("{error:?}") };
    assert_eq!(why, "GET /ready answered 503");
    assert_eq!(last_lines, &["engine double starts hello"]);
    assert!(matches!(
        engine.client().send(Call::get("/pids")).await,
        Err(EngineError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn a_command_that_does_not_run_is_named() {
    for (program, expected) in [
        (vec![], StartError::NoProgram),
        (vec!["no-such-engine"], StartError::NotFound { program: "no-such-engine".to_owned() }),
        (
            vec!["/"],
            StartError::NotRun {
                program: "/".to_owned(),
                why: "Permission denied (os error 13)".to_owned(),
            },
        ),
    ] {
        let program = program.into_iter().map(str::to_owned).collect();
        let command = Command { program, ..Command::default() };
        // Taken, so that nobody listens on it.
        let port = TcpSocket::new_v4().unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let contact = contact(port.local_addr().unwrap().port());
        let engine = Engine::launch(command, &contact, policy()).unwrap();
        assert_eq!(failure(&engine).await, expected);
    }
}

#[tokio::test]
async fn a_program_that_is_no_guard_is_found_out() {
    let port = free_port().unwrap();
    let policy = Policy { guard: Guard(PathBuf::from("/bin/true")), ..Policy::default() };
    let engine = Engine::launch(double(port, &[]), &contact(port), policy).unwrap();
    let error = failure(&engine).await.to_string();
    assert!(error.contains("run_guard_if_asked"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_not_taken_for_the_engine() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    let engine = Engine::launch(double(port, &[]), &contact(port), policy()).unwrap();
    let address = format!("127.0.0.1:{port}");
    assert_eq!(failure(&engine).await, StartError::PortInUse { address });
}

#[tokio::test]
async fn a_killed_engine_fails_its_requests_and_comes_back() {
    let engine = launch(&["--children", "1"]);
    within(engine.wait_ready()).await.unwrap();
    let before = pids(&engine).await;
    let call = Call { framing: Framing::Sse, ..Call::get("/stream") };
    let mut reply = engine.client().send(call).await.unwrap();
    let mut batch = Vec::new();
    assert_eq!(reply.next(&mut batch, 10).await, Ok(1));

    let down = engine.down();
    send(before[0], Signal::KILL);
    assert_eq!(&*within(down).await, "the engine ended (signal: 9 (SIGKILL))");
    let cut = within(reply.next(&mut batch, 10)).await;
    assert!(matches!(cut, Err(EngineError::Closed { .. })), "{cut:?}");

    let mut state = engine.state();
    let again = |state: &State| matches!(state, State::Ready { generation: 2 });
    within(state.wait_for(again)).await.unwrap();
    assert!(!before.iter().any(|&pid| runs(pid)));
    let after = pids(&engine).await;
    assert_ne!(before, after);
    within(engine.shutdown(PATIENCE)).await;
    assert!(!after.iter().any(|&pid| runs(pid)));
}

#[tokio::test]
async fn an_engine_deaf_to_sigterm_is_killed_with_all_its_children() {
    let engine = launch(&["--ignore-term", "--children", "2", "--stray"]);
    within(engine.wait_ready()).await.unwrap();
    let pids = pids(&engine).await;
    within(engine.shutdown(Duration::from_millis(200))).await;
    assert!(!pids.iter().any(|&pid| runs(pid)));
}

#[tokio::test]
async fn an_engine_can_be_stopped_while_it_loads() {
    let engine = launch(&["--never-ready"]);
    let mut first_line = engine.client().send(Call::get("/pids")).await;
    while first_line.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        first_line = engine.client().send(Call::get("/pids")).await;
    }
    let pids = pids(&engine).await;
    within(engine.shutdown(PATIENCE)).await;
    assert!(!pids.iter().any(|&pid| runs(pid)));
    assert_eq!(*engine.state().borrow(), State::Stopped);
}

#[tokio::test]
async fn dropping_the_engine_kills_it() {
    let engine = launch(&["--ignore-term", "--children", "1"]);
    within(engine.wait_ready()).await.unwrap();
    let pids = pids(&engine).await;
    drop(engine);
    until_gone(&pids).await;
}

/// A host of its own with an engine, and the numbers of the engine's processes.
async fn host(arguments: &[&str]) -> (std::process::Child, Vec<i32>) {
    let port = free_port().unwrap();
    let Command { program, arguments, .. } = double(port, arguments);
    let host = std::process::Command::new(HOST)
        .arg(contact(port).base_url)
        .args(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let engine = Engine::attach(&contact(port), &policy()).unwrap();
    within(engine.wait_ready()).await.unwrap();
    let pids = pids(&engine).await;
    (host, pids)
}

#[tokio::test]
async fn the_engine_dies_with_a_host_that_is_killed() {
    let (mut host, pids) = host(&["--ignore-term", "--children", "2", "--stray"]).await;
    assert_eq!(pids.len(), 4);
    host.kill().unwrap();
    host.wait().unwrap();
    until_gone(&pids).await;
}

#[tokio::test]
async fn the_engine_dies_with_its_guard_also_when_the_host_cannot_act() {
    let (mut host, pids) = host(&["--ignore-term"]).await;
    let (_, guard) = stat(pids[0]).unwrap();
    let number = i32::try_from(host.id()).unwrap();
    send(number, Signal::STOP);
    within(async {
        while stat(number).unwrap().0 != "T" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    send(guard, Signal::KILL);
    until_gone(&pids).await;
    host.kill().unwrap();
    host.wait().unwrap();
}

#[tokio::test]
async fn the_engine_dies_with_its_guard_and_comes_back() {
    let engine = launch(&["--ignore-term", "--children", "1"]);
    within(engine.wait_ready()).await.unwrap();
    let before = pids(&engine).await;
    let (_, guard) = stat(before[0]).unwrap();

    // What a service manager or a terminal sends to everyone at once is not for the guard.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        send(guard, signal);
    }
    assert_eq!(pids(&engine).await, before);

    let down = engine.down();
    send(guard, Signal::KILL);
    assert!(within(down).await.contains("guard"));
    until_gone(&before).await;
    let mut state = engine.state();
    let again = |state: &State| matches!(state, State::Ready { generation: 2 });
    within(state.wait_for(again)).await.unwrap();
    within(engine.shutdown(Duration::ZERO)).await;
}

#[tokio::test]
async fn an_attached_engine_is_watched_and_left_alone() {
    let port = free_port().unwrap();
    let start = || {
        let Command { program, arguments, .. } = double(port, &[]);
        std::process::Command::new(&program[0])
            .args(&program[1..])
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let engine = Engine::attach(&contact(port), &policy()).unwrap();
    let mut running = start();
    assert_eq!(within(engine.wait_ready()).await, Ok(1));
    let down = engine.down();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(within(down).await.contains("cannot reach the engine"));
    let mut running = start();
    let mut state = engine.state();
    let again = |state: &State| matches!(state, State::Ready { generation: 2 });
    within(state.wait_for(again)).await.unwrap();
    within(engine.shutdown(Duration::ZERO)).await;
    assert_eq!(*engine.state().borrow(), State::Stopped);
    assert_eq!(running.try_wait().unwrap(), None);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[tokio::test]
async fn an_engine_that_is_not_there_can_be_given_up() {
    let policy = Policy { start_timeout: Some(Duration::from_millis(100)), ..policy() };
    let engine = Engine::attach(&contact(free_port().unwrap()), &policy).unwrap();
    let error = failure(&engine).await;
    assert!(error.to_string().contains("cannot reach the engine"), "{error}");
}

/// Keeps what is logged: target and message.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, String)>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let entry = (event.metadata().target().to_owned(), message.0);
        self.0.lock().unwrap().push(entry);
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[tokio::test]
async fn the_log_has_the_engines_lines_and_tells_that_it_loads() {
    let log = Log::default();
    // For the whole process: with one for this thread alone, a test beside it that comes to a log
    // statement first may have it cached as of no interest to anybody.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let engine = launch(&["--never-ready"]);
    let line = "engine double starts hello";
    within(async {
        loop {
            let told = |(_, message): &(String, String)| {
                message.starts_with("engine still loading, ")
                    && message.ends_with(&format!(" s, last line: {line}"))
            };
            if log.0.lock().unwrap().iter().any(told) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    within(engine.shutdown(PATIENCE)).await;
    assert!(log.0.lock().unwrap().contains(&("engine".to_owned(), line.to_owned())));
}
