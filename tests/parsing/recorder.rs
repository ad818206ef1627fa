//! The server behind every proxy: writes down what reaches it, byte for byte, and answers by framing
//! rules without any leniency.
//!
//! Whose case a request belongs to is told by `X-Forwarded-For`: each case comes from an address of
//! its own. So cases can run at the same time, and nothing that comes late is taken for another's.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    case::NEXT,
    message::{Message, Parsed},
    support::{spawn, within},
};

/// One request, or the beginning of one.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// For whom it came; `None` where that is not said.
    pub(crate) client: Option<IpAddr>,
    pub(crate) message: Message,
    /// Whether its end came.
    pub(crate) whole: bool,
    /// Whether it was answered 101; its body is what came through the tunnel then.
    pub(crate) tunnel: bool,
}

/// A running recorder.
pub(crate) struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    records: Mutex<Vec<Record>>,
    /// The other ends of all connections so far, and of those that have not ended.
    seen: Mutex<HashSet<SocketAddr>>,
    open: Mutex<HashSet<SocketAddr>>,
    changed: watch::Sender<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        let task = spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                accepting.seen.lock().unwrap().insert(peer);
                accepting.open.lock().unwrap().insert(peer);
                accepting.changed.send_replace(());
                let shared = accepting.clone();
                spawn(async move {
                    shared.serve(stream).await;
                    shared.open.lock().unwrap().remove(&peer);
                    shared.changed.send_replace(());
                });
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that came. To be asked when the proxy has ended: waits until nothing more can come.
    pub(crate) async fn finish(self) -> Vec<Record> {
        // Connections are accepted in their order: behind this one there is none.
        let last = {
            let stream = TcpStream::connect(self.address).await.unwrap();
            stream.local_addr().unwrap()
        };
        let mut changes = self.shared.changed.subscribe();
        within("the end of what reaches the recorder", async {
            while !self.shared.seen.lock().unwrap().contains(&last)
                || !self.shared.open.lock().unwrap().is_empty()
            {
                changes.changed().await.unwrap();
            }
        })
        .await;
        self.task.abort();
        std::mem::take(&mut self.shared.records.lock().unwrap())
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut bytes = Vec::new();
        loop {
            match Message::parse(&bytes) {
                Parsed::Whole(message, length) => {
                    bytes.drain(..length);
                    let tunnel = self.answer(&mut stream, &message).await;
                    let client = message.client();
                    let tunneled = tunnel.then(|| std::mem::take(&mut bytes));
                    let record = Record {
                        client,
                        message,
                        whole: true,
                        tunnel,
                    };
                    let Some(early) = tunneled else {
                        self.records.lock().unwrap().push(record);
                        continue;
                    };
                    return self.tunnel(stream, early, record).await;
                }
                Parsed::Begun(message) => {
                    if !message.unclear && matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                        continue;
                    }
                    self.records.lock().unwrap().push(Record {
                        client: message.client(),
                        message,
                        whole: false,
                        tunnel: false,
                    });
                    return;
                }
                Parsed::Nothing => {
                    if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                        return;
                    }
                }
            }
        }
    }

    /// Says 101 to a good handshake, and 200 to all else; whether a tunnel begins with that.
    async fn answer(&self, stream: &mut TcpStream, message: &Message) -> bool {
        let key = message.handshake_key();
        let answer = match &key {
            Some(key) => format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {}\r\n\r\n",
                derive_accept_key(key)
            ),
            None => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        let tunnel = key.is_some() || message.line().starts_with(b"CONNECT ");
        // A proxy that is gone needs no answer.
        drop(stream.write_all(answer.as_bytes()).await);
        tunnel
    }

    /// Ends the tunnel behind [`NEXT`].
    async fn tunnel(&self, mut stream: TcpStream, mut bytes: Vec<u8>, mut record: Record) {
        while !bytes.ends_with(NEXT) && matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {}
        record.message.body = bytes;
        self.records.lock().unwrap().push(record);
    }
}
