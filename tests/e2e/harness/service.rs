use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Adapter;

/// What a Service with a cluster IP does: each connection goes to one of the replicas that are ready, in turns. Readiness is
/// looked at as kubelet does it, but more often.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    replicas: Replicas,
    ended: Arc<AtomicBool>,
}

#[derive(Clone, Default)]
struct Replicas(Arc<Mutex<HashMap<u32, Replica>>>);

struct Replica {
    secure: SocketAddr,
    admin: SocketAddr,
    ready: bool,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let (replicas, ended) = (Replicas::default(), Arc::new(AtomicBool::new(false)));
        let (probed, until) = (replicas.clone(), ended.clone());
        thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                probed.probe();
                thread::sleep(Duration::from_millis(250));
            }
        });
        let (chosen, until) = (replicas.clone(), ended.clone());
        thread::spawn(move || {
            let connections = listener.incoming().take_while(|_| !until.load(Ordering::Relaxed));
            connections.flatten().enumerate().for_each(|(turn, client)| chosen.take(turn, client));
        });
        Self { address, replicas, ended }
    }

    /// From now on it is probed, and sent to once it is ready.
    pub(crate) fn add(&self, adapter: &Adapter) {
        let [secure, admin] =
            ["SECURE", "ADMIN"].map(|name| adapter.address(name).parse().expect("an address"));
        let replica = Replica { secure, admin, ready: false };
        self.replicas.0.lock().expect("no panic").insert(adapter.id(), replica);
        self.replicas.probe();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // The listener sees the flag at the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Replicas {
    fn probe(&self) {
        let admins: Vec<(u32, SocketAddr)> =
            self.0.lock().expect("no panic").iter().map(|(id, replica)| (*id, replica.admin)).collect();
        for (id, admin) in admins {
            let ready = is_ready(admin);
            if let Some(replica) = self.0.lock().expect("no panic").get_mut(&id) {
                replica.ready = ready;
            }
        }
    }

    /// Without a ready replica the connection is closed, as a Service without endpoints refuses it.
    fn take(&self, turn: usize, client: TcpStream) {
        let ready = self.ready();
        let Some(replica) = ready.get(turn % ready.len().max(1)).copied() else { return };
        thread::spawn(move || splice(&client, replica));
    }

    fn ready(&self) -> Vec<SocketAddr> {
        let replicas = self.0.lock().expect("no panic");
        replicas.values().filter(|replica| replica.ready).map(|replica| replica.secure).collect()
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut probe = TcpStream::connect(admin)?;
        probe.set_read_timeout(Some(Duration::from_secs(5)))?;
        probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        probe.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Carries bytes both ways until either side ends.
fn splice(client: &TcpStream, replica: SocketAddr) {
    let Ok(server) = TcpStream::connect(replica) else { return };
    let (Ok(mut from_client), Ok(mut to_client)) = (client.try_clone(), client.try_clone()) else { return };
    let (Ok(mut from_server), Ok(mut to_server)) = (server.try_clone(), server.try_clone()) else { return };
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut from_server, &mut to_client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    let _ = up.join();
}
