//! A way over TCP that can be cut: then nothing passes, and nothing ends.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A proxy to one port.
pub(crate) struct Link {
    port: u16,
    is_cut: watch::Sender<bool>,
}

impl Link {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (is_cut, cut) = watch::channel(false);
        let own = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(join(near, port, cut.clone()));
            }
        });
        Self { port: own, is_cut }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

async fn join(near: TcpStream, port: u16, cut: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = carry(near_read, far_write, cut.clone()) => {}
        () = carry(far_read, near_write, cut) => {}
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let passes = cut.wait_for(|is_cut| !is_cut).await.is_ok();
        if count == 0 || !passes || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
