//! `exposition-server HOST:PORT`: what simulated pods expose; see `server.rs`.

mod server;

use std::{
    env,
    io::{self, Write},
    thread,
};

use server::ExpositionServer;

fn main() -> io::Result<()> {
    let Some(address) = env::args().nth(1) else {
        return Err(io::Error::other("usage: exposition-server HOST:PORT"));
    };
    let server = ExpositionServer::start(&address)?;
    writeln!(io::stdout(), "listens on {}", server.address())?;
    loop {
        thread::park();
    }
}
