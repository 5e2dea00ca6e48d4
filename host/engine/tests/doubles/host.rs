//! Stands in for the host in this crate's tests: the guard of the engines they start, and, as
//! `engine-host-double URL COMMAND...`, a host that does nothing but run an engine until it is
//! killed.

use dynamo_host_engine::{Command, Contact, Engine, Policy, run_guard_if_asked};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run_guard_if_asked();
    let mut words = std::env::args().skip(1);
    let base_url = words.next().ok_or("usage: engine-host-double URL COMMAND...")?;
    let command = Command { program: words.collect(), ..Command::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let contact = Contact { base_url, ready_path: "/ready".to_owned() };
        let engine = Engine::launch(command, &contact, Policy::default())?;
        engine.wait_ready().await?;
        std::future::pending::<()>().await;
        Ok(())
    })
}
