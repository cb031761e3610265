//! The provider simulator as a command: `simulator [--port P] [--key KEY] [--workers N] [--quiet]`.

use std::io;
use std::process::ExitCode;

use sluice_tests::simulator::Simulator;

const USAGE: &str = "usage: simulator [--port P] [--key KEY] [--workers N] [--quiet]";

struct Options {
    port: u16,
    key: Option<String>,
    workers: usize,
    quiet: bool,
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { port: 0, key: None, workers: 1, quiet: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => options.port = words.next()?.parse().ok()?,
            "--key" => options.key = Some(words.next()?),
            "--workers" => options.workers = words.next()?.parse().ok().filter(|workers| *workers > 0)?,
            "--quiet" => options.quiet = true,
            _ => return None,
        }
    }
    Some(options)
}

fn run(options: Options) -> io::Result<()> {
    let mut runtime = match options.workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(options.workers).enable_all().build()?.block_on(async {
        let mut builder = Simulator::builder().port(options.port).verbose(!options.quiet);
        if let Some(key) = options.key {
            builder = builder.key(key);
        }
        let simulator = builder.start().await?;
        println!("{}", simulator.url());
        simulator.run().await;
        Ok(())
    })
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}
