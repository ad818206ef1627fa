//! The relay between two ends that the tests hold.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::ErrorKind,
    rc::Rc,
};

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    join,
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, spawn_local},
    time::{advance, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{
    reference::{Frame, frames_of},
    *,
};

const KEY: Option<[u8; 4]> = Some([7, 1, 250, 3]);
const DEADLINE: Duration = Duration::from_secs(10);

/// A running tunnel and its two ends.
struct Lab<IO> {
    client: IO,
    upstream: IO,
    stop: oneshot::Sender<Stop>,
    activity: Rc<Cell<u32>>,
    relay: JoinHandle<Summary>,
}

impl Lab<DuplexStream> {
    fn new(capacity: usize) -> Self {
        Self::with(capacity, b"", b"", Options::default())
    }

    fn with(
        capacity: usize,
        client_early: &'static [u8],
        upstream_early: &'static [u8],
        options: Options,
    ) -> Self {
        let (client, client_io) = duplex(capacity);
        let (upstream, upstream_io) = duplex(capacity);
        let client_side = Side {
            io: client_io,
            early: Bytes::from_static(client_early),
        };
        let upstream_side = Side {
            io: upstream_io,
            early: Bytes::from_static(upstream_early),
        };
        Self::join((client, client_side), (upstream, upstream_side), options)
    }
}

impl Lab<TcpStream> {
    async fn over_tcp() -> Self {
        let (client, client_io) = tcp_pair().await;
        let (upstream, upstream_io) = tcp_pair().await;
        let side = |io| Side {
            io,
            early: Bytes::new(),
        };
        Self::join(
            (client, side(client_io)),
            (upstream, side(upstream_io)),
            Options::default(),
        )
    }
}

impl<IO: Stream + 'static> Lab<IO> {
    fn join(client: (IO, Side<IO>), upstream: (IO, Side<IO>), options: Options) -> Self {
        let (stop, stopped) = oneshot::channel();
        let activity = Rc::new(Cell::new(0));
        let count = Rc::clone(&activity);
        let relay = spawn_local(async move {
            let stop = async {
                match stopped.await {
                    Ok(stop) => stop,
                    Err(_) => std::future::pending().await,
                }
            };
            let count = || count.set(count.get() + 1);
            relay(client.1, upstream.1, &options, stop, count).await
        });
        Self {
            client: client.0,
            upstream: upstream.0,
            stop,
            activity,
            relay,
        }
    }
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Reads the next whole frame, and nothing after it.
async fn next_frame<R: tokio::io::AsyncRead + Unpin>(from: &mut R) -> Option<Frame> {
    let mut bytes = Vec::new();
    loop {
        if let Some((frame, rest)) = Frame::decode(&bytes) {
            assert!(rest.is_empty());
            return Some(frame);
        }
        bytes.push(from.read_u8().await.ok()?);
    }
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

#[tokio::test(flavor = "local")]
async fn early_bytes_are_delivered_first() {
    let mut lab = Lab::with(64, b"\x81\x80abcd", b"\x81\x00", Options::default());
    lab.client.write_all(b"\x82\x80efgh").await.unwrap();
    lab.upstream.write_all(b"\x82\x00").await.unwrap();
    let mut at_upstream = [0; 12];
    lab.upstream.read_exact(&mut at_upstream).await.unwrap();
    assert_eq!(&at_upstream, b"\x81\x80abcd\x82\x80efgh");
    let mut at_client = [0; 4];
    lab.client.read_exact(&mut at_client).await.unwrap();
    assert_eq!(&at_client, b"\x81\x00\x82\x00");
    assert_eq!(lab.activity.get(), 2);
}

#[tokio::test(flavor = "local")]
async fn a_half_close_is_passed_on_and_the_other_half_still_flows() {
    let mut lab = Lab::new(64);
    lab.client.write_all(b"\x81\x80abcd").await.unwrap();
    lab.client.shutdown().await.unwrap();
    let mut all = Vec::new();
    lab.upstream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x81\x80abcd");
    lab.upstream.write_all(b"\x81\x02ok").await.unwrap();
    drop(lab.upstream);
    let mut all = Vec::new();
    lab.client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x81\x02ok");
    let summary = lab.relay.await.unwrap();
    let expected = Summary {
        from_client: 6,
        from_upstream: 4,
        ended: EndedBy::Client,
    };
    assert_eq!(summary, expected);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_half_that_stays_open_in_silence_ends_too() {
    let lab = Lab::new(64);
    let Lab {
        client: _client,
        mut upstream,
        relay,
        ..
    } = lab;
    upstream.shutdown().await.unwrap();
    assert_eq!(relay.await.unwrap().ended, EndedBy::Upstream);
}

#[tokio::test(flavor = "local")]
async fn an_abort_of_either_side_is_an_abort_for_the_other() {
    for upstream_aborts in [true, false] {
        let lab = Lab::over_tcp().await;
        let (failing, mut seeing) = if upstream_aborts {
            (lab.upstream, lab.client)
        } else {
            (lab.client, lab.upstream)
        };
        failing.set_zero_linger().unwrap();
        drop(failing);
        let read = timeout(DEADLINE, seeing.read_u8()).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let by = if upstream_aborts {
            EndedBy::Upstream
        } else {
            EndedBy::Client
        };
        assert_eq!(lab.relay.await.unwrap().ended, by);
    }
}

#[tokio::test(flavor = "local")]
async fn a_close_frame_before_an_abort_still_arrives() {
    let mut lab = Lab::over_tcp().await;
    // Bytes it never reads make the upstream's close a reset.
    lab.client
        .write_all(&encoded(&Frame::new(2, KEY, [0; 100])))
        .await
        .unwrap();
    let close = encoded(&Frame::new(8, None, 1011_u16.to_be_bytes()));
    lab.upstream.readable().await.unwrap();
    lab.upstream.write_all(&close).await.unwrap();
    let mut seen = vec![0; close.len()];
    lab.client.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, close);
    drop(lab.upstream);
    assert_eq!(
        timeout(DEADLINE, lab.client.read(&mut seen))
            .await
            .unwrap()
            .unwrap(),
        0
    );
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_closes_without_a_close_frame_is_an_end_of_stream() {
    let mut lab = Lab::over_tcp().await;
    drop(lab.upstream);
    assert_eq!(
        timeout(DEADLINE, lab.client.read(&mut [0]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
}

#[tokio::test(flavor = "local")]
async fn sixty_four_mib_pass_in_one_message_both_ways() {
    const LEN: u64 = 64 << 20;
    async fn send(to: &mut (impl tokio::io::AsyncWrite + Unpin), header: &[u8]) {
        to.write_all(header).await.unwrap();
        let block: Vec<u8> = (0..1 << 20)
            .map(|i: u32| i.to_le_bytes()[i as usize % 3])
            .collect();
        for _ in 0..LEN >> 20 {
            to.write_all(&block).await.unwrap();
        }
    }
    async fn receive(from: &mut (impl tokio::io::AsyncRead + Unpin), header: &[u8]) {
        let mut seen = vec![0; header.len()];
        from.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, header);
        let block: Vec<u8> = (0..1 << 20)
            .map(|i: u32| i.to_le_bytes()[i as usize % 3])
            .collect();
        let mut seen = vec![0; 1 << 20];
        for _ in 0..LEN >> 20 {
            from.read_exact(&mut seen).await.unwrap();
            assert!(seen == block);
        }
    }
    let mut lab = Lab::over_tcp().await;
    let masked = [&[0x82, 0xff][..], &LEN.to_be_bytes(), &[1, 2, 3, 4]].concat();
    let plain = [&[0x82, 0x7f][..], &LEN.to_be_bytes()].concat();
    let (mut client_out, mut upstream_out) = (lab.client.split(), lab.upstream.split());
    join!(
        send(&mut client_out.1, &masked),
        receive(&mut upstream_out.0, &masked),
        send(&mut upstream_out.1, &plain),
        receive(&mut client_out.0, &plain),
    );
    assert!(lab.activity.get() > 0);
}

#[tokio::test(flavor = "local")]
async fn only_the_clients_data_frames_are_activity() {
    let mut lab = Lab::new(4096);
    for (frame, count) in [(9, 0), (10, 0), (1, 1), (2, 2), (9, 2), (0, 3), (8, 3)] {
        let frame = Frame::new(frame, KEY, *b"abc");
        lab.client.write_all(&encoded(&frame)).await.unwrap();
        assert_eq!(next_frame(&mut lab.upstream).await.unwrap(), frame);
        assert_eq!(lab.activity.get(), count);
        lab.upstream
            .write_all(&encoded(&Frame::new(1, None, *b"x")))
            .await
            .unwrap();
        assert!(next_frame(&mut lab.client).await.unwrap().is_data());
    }
    assert_eq!(lab.activity.get(), 3);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn silent_sides_are_pinged_and_their_pongs_go_no_further() {
    let mut lab = Lab::new(4096);
    for _ in 0..3 {
        let to_client = next_frame(&mut lab.client).await.unwrap();
        assert_eq!((to_client.opcode, to_client.mask), (9, None));
        let to_upstream = next_frame(&mut lab.upstream).await.unwrap();
        assert_eq!(to_upstream.opcode, 9);
        assert!(to_upstream.mask.is_some());
        assert_ne!(to_upstream.payload, to_client.payload);
        lab.client
            .write_all(&encoded(&Frame::new(10, KEY, to_client.payload)))
            .await
            .unwrap();
        lab.upstream
            .write_all(&encoded(&Frame::new(10, None, to_upstream.payload)))
            .await
            .unwrap();
    }
    let (to_upstream, to_client) = (Frame::new(1, KEY, *b"a"), Frame::new(1, None, *b"b"));
    lab.client.write_all(&encoded(&to_upstream)).await.unwrap();
    lab.upstream.write_all(&encoded(&to_client)).await.unwrap();
    assert_eq!(next_frame(&mut lab.upstream).await.unwrap(), to_upstream);
    assert_eq!(next_frame(&mut lab.client).await.unwrap(), to_client);
    assert_eq!(lab.activity.get(), 1);
}

/// Nothing but `sent` comes out at the client in ten minutes of silence.
async fn no_ping_follows(sent: &'static [u8]) {
    let mut lab = Lab::new(4096);
    lab.upstream.write_all(sent).await.unwrap();
    let mut seen = vec![0; sent.len()];
    lab.client.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, sent);
    let more = timeout(Duration::from_secs(600), lab.client.read_u8()).await;
    assert!(more.is_err(), "{sent:?} was followed by {more:?}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn no_ping_stands_in_a_frame_in_a_blind_pipe_or_after_a_close_frame() {
    no_ping_follows(b"\x82\x7e\x00\xffhalf a message").await;
    no_ping_follows(b"\x82").await;
    no_ping_follows(b"not a websocket").await;
    no_ping_follows(b"\x88\x00").await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn no_ping_goes_out_when_its_pong_could_not_be_told() {
    let mut lab = Lab::new(4096);
    lab.client.write_all(b"not a websocket").await.unwrap();
    let more = timeout(Duration::from_secs(600), lab.client.read_u8()).await;
    assert!(more.is_err());
}

#[tokio::test(flavor = "local")]
async fn a_stop_sends_both_sides_a_close_frame_and_ends() {
    for (stop, code) in [
        (Stop::RouteGone, 1001_u16),
        (Stop::SessionEnded, 1008),
        (Stop::ShuttingDown, 1001),
    ] {
        let mut lab = Lab::over_tcp().await;
        lab.stop.send(stop).unwrap();
        for side in [&mut lab.client, &mut lab.upstream] {
            let frame = next_frame(side).await.unwrap();
            assert_eq!(
                (frame.opcode, &frame.payload[..2]),
                (8, &code.to_be_bytes()[..])
            );
            assert_eq!(frame.payload[2..], *stop.reason().as_bytes());
            assert!(next_frame(side).await.is_none());
        }
        drop((lab.client, lab.upstream));
        let summary = timeout(DEADLINE, lab.relay).await.unwrap().unwrap();
        assert_eq!(summary.ended, EndedBy::Stop(stop));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stop_lets_the_frame_under_way_end_and_no_other_begin() {
    let mut lab = Lab::new(4096);
    lab.upstream.write_all(b"\x82\x04ab").await.unwrap();
    let mut half = [0; 4];
    lab.client.read_exact(&mut half).await.unwrap();
    lab.stop.send(Stop::SessionEnded).unwrap();
    assert_eq!(next_frame(&mut lab.upstream).await.unwrap().opcode, 8);
    lab.upstream.write_all(b"cd\x82\x04efgh").await.unwrap();
    let mut rest = [0; 2];
    lab.client.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"cd");
    assert_eq!(next_frame(&mut lab.client).await.unwrap().opcode, 8);
    assert!(next_frame(&mut lab.client).await.is_none());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stop_waits_for_the_end_of_a_frame_only_so_long() {
    let mut lab = Lab::new(4096);
    lab.upstream.write_all(b"\x82\x04ab").await.unwrap();
    let mut half = [0; 4];
    lab.client.read_exact(&mut half).await.unwrap();
    let before = tokio::time::Instant::now();
    lab.stop.send(Stop::SessionEnded).unwrap();
    let summary = lab.relay.await.unwrap();
    assert_eq!(summary.ended, EndedBy::Stop(Stop::SessionEnded));
    assert!(before.elapsed() < Duration::from_millis(1100));
    assert!(next_frame(&mut lab.client).await.is_none());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stop_does_not_wait_for_a_side_that_takes_nothing() {
    let mut lab = Lab::new(64);
    let frame = encoded(&Frame::new(2, None, [0; 120]));
    lab.upstream.write_all(&frame).await.unwrap();
    let before = tokio::time::Instant::now();
    lab.stop.send(Stop::ShuttingDown).unwrap();
    assert_eq!(next_frame(&mut lab.upstream).await.unwrap().opcode, 8);
    let summary = lab.relay.await.unwrap();
    assert_eq!(summary.ended, EndedBy::Stop(Stop::ShuttingDown));
    assert!(before.elapsed() < Duration::from_millis(1100));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stop_during_half_a_pong_still_closes_in_an_orderly_way() {
    let mut lab = Lab::new(4096);
    let ping = next_frame(&mut lab.client).await.unwrap();
    assert_eq!(next_frame(&mut lab.upstream).await.unwrap().opcode, 9);
    let half = encoded(&Frame::new(10, KEY, ping.payload));
    lab.client.write_all(&half[..7]).await.unwrap();
    tokio::task::yield_now().await;
    lab.stop.send(Stop::SessionEnded).unwrap();
    assert_eq!(next_frame(&mut lab.upstream).await.unwrap().opcode, 8);
    assert!(next_frame(&mut lab.upstream).await.is_none());
    assert_eq!(next_frame(&mut lab.client).await.unwrap().opcode, 8);
}

#[test]
fn an_idle_tunnel_is_small() {
    let side = || Side {
        io: duplex(1).0,
        early: Bytes::new(),
    };
    let options = Options::default();
    let relay = relay(side(), side(), &options, std::future::pending(), || {});
    assert!(size_of_val(&relay) < 1024, "{}", size_of_val(&relay));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_blind_pipe_is_shut_at_once() {
    let mut lab = Lab::new(4096);
    lab.upstream.write_all(b"nonsense").await.unwrap();
    let mut seen = [0; 8];
    lab.client.read_exact(&mut seen).await.unwrap();
    let before = tokio::time::Instant::now();
    lab.stop.send(Stop::RouteGone).unwrap();
    assert!(next_frame(&mut lab.client).await.is_none());
    assert!(before.elapsed() < Duration::from_millis(100));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_side_that_takes_nothing_for_too_long_ends_the_tunnel() {
    let mut lab = Lab::new(64);
    let frame = encoded(&Frame::new(2, None, [0; 120]));
    let sent = timeout(Duration::from_secs(60), lab.upstream.write_all(&frame)).await;
    assert!(sent.is_ok(), "one read is kept");
    advance(Duration::from_secs(14 * 60)).await;
    assert!(!lab.relay.is_finished());
    assert_eq!(lab.relay.await.unwrap().ended, EndedBy::Stall);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_slow_reader_stops_the_reading_of_the_other_side() {
    let mut lab = Lab::new(1024);
    let header = [0x82, 0x7f, 0, 0, 0, 0, 1, 0, 0, 0];
    lab.upstream.write_all(&header).await.unwrap();
    let mut taken = 0;
    while timeout(Duration::from_secs(5), lab.upstream.write_all(&[0; 1024]))
        .await
        .is_ok()
    {
        taken += 1;
    }
    assert!((1..5).contains(&taken), "{taken} KiB were taken");
}

#[tokio::test(flavor = "local")]
async fn real_websockets_talk_and_close_through_it() {
    for code in [1000, 1001, 1011, 1012, 3000, 4001] {
        let lab = Lab::over_tcp().await;
        let client = WebSocketStream::from_raw_socket(lab.client, Role::Client, None);
        let upstream = WebSocketStream::from_raw_socket(lab.upstream, Role::Server, None);
        let (mut client, mut upstream) = join!(client, upstream);
        for message in [Message::text("hello"), Message::binary(vec![7; 200_000])] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(upstream.next().await.unwrap().unwrap(), message);
            upstream.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "because".into(),
        };
        upstream.close(Some(frame.clone())).await.unwrap();
        let closing = async {
            assert_eq!(
                client.next().await.unwrap().unwrap(),
                Message::Close(Some(frame.clone()))
            );
            assert!(client.next().await.is_none());
        };
        let closed = async move {
            while upstream.next().await.is_some() {}
            drop(upstream);
        };
        timeout(DEADLINE, async { join!(closing, closed) })
            .await
            .unwrap();
    }
}

/// Sends `frames` in pieces with pauses in between, answers pings that stand between the
/// `expected` frames, and checks that everything else comes as expected.
async fn peer(
    io: DuplexStream,
    mask: Option<[u8; 4]>,
    frames: Vec<Frame>,
    expected: Vec<Frame>,
    (cut, pause): (usize, Duration),
) {
    let (mut from, mut to) = tokio::io::split(io);
    let pongs = RefCell::new(VecDeque::new());
    let send = async {
        for frame in frames {
            let mut bytes = Vec::new();
            for payload in pongs.borrow_mut().drain(..) {
                Frame::new(10, mask, Vec::<u8>::clone(&payload)).encode(&mut bytes);
            }
            frame.encode(&mut bytes);
            for piece in bytes.chunks(cut.max(bytes.len() / 20)) {
                to.write_all(piece).await.unwrap();
                sleep(pause).await;
            }
        }
        to.shutdown().await.unwrap();
    };
    let receive = async {
        let mut expected = expected.into_iter().peekable();
        let mut bytes = Vec::new();
        while from.read_buf(&mut bytes).await.unwrap() > 0 {
            while let Some((frame, rest)) = Frame::decode(&bytes) {
                if expected.next_if_eq(&frame).is_none() {
                    assert_eq!((frame.opcode, frame.payload.len()), (9, 8), "{frame:?}");
                    pongs.borrow_mut().push_back(frame.payload);
                }
                bytes = rest.to_vec();
            }
        }
        assert!(bytes.is_empty());
        assert_eq!(expected.count(), 0);
    };
    join!(send, receive);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent, however it is cut and delayed: each side gets the other's frames, and
    /// pings between them, and no pong of its own asking.
    #[test]
    fn frames_pass_exactly_while_pings_come_and_go(
        to_upstream in frames_of(Sender::Client),
        to_client in frames_of(Sender::Upstream),
        cuts in (1_usize..2000, 1_usize..2000),
        pauses in (1_u64..40, 1_u64..40),
        capacity in 1_usize..5000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let options = Options {
                ping_after: Duration::from_secs(5),
                half_close_timeout: Duration::from_secs(3600),
                ..Options::default()
            };
            let lab = Lab::with(capacity, b"", b"", options);
            let (first, second) = (Duration::from_secs(pauses.0), Duration::from_secs(pauses.1));
            join!(
                peer(lab.client, KEY, to_upstream.clone(), to_client.clone(), (cuts.0, first)),
                peer(lab.upstream, None, to_client, to_upstream, (cuts.1, second)),
            );
        });
    }
}
